package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/carlin-cicd/runner/runner/outcome"

	"github.com/bmatcuk/doublestar/v4"
	"golang.org/x/sync/errgroup"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner"
)

// list is runner artifacts ls.
func (s shelf) list(ctx context.Context, words []string) error {
	table, err := s.table()
	if err != nil {
		return err
	}
	if len(words) > 0 {
		return s.listFiles(ctx, table, words[0], words[1:])
	}
	return s.listSets(ctx, table)
}

// table is what a listing looks like: columns for people, or an object a line.
type table struct {
	json bool
	text *tabwriter.Writer
	out  bytes.Buffer
}

func (s shelf) table() (*table, error) {
	json, err := wantsJSON(s.variables)
	t := &table{json: json}
	t.text = tabwriter.NewWriter(&t.out, 0, 0, 2, ' ', 0)
	return t, err
}

func (t *table) row(object any, columns ...string) error {
	if t.json {
		return json.NewEncoder(&t.out).Encode(object)
	}
	_, err := fmt.Fprintln(t.text, strings.Join(columns, "\t"))
	return err
}

func (s shelf) show(t *table) error {
	if err := t.text.Flush(); err != nil {
		return err
	}
	return s.say("%s", &t.out)
}

// setRow is a set in a listing for machines.
type setRow struct {
	Kind     string    `json:"kind"`
	Branch   string    `json:"branch"`
	SHA      string    `json:"sha"`
	RunID    string    `json:"run_id"`
	Created  time.Time `json:"created"`
	Files    int       `json:"files"`
	Bytes    int64     `json:"bytes"`
	Location string    `json:"location"`
}

// listSets lists the newest sets of the whole store, or of the branch and the commit that were given.
func (s shelf) listSets(ctx context.Context, t *table) error {
	limit, err := s.limit()
	if err != nil {
		return err
	}
	l, ok := s.store.(artifacts.Lister)
	if !ok {
		return fmt.Errorf("what is in %s cannot be listed", s.place)
	}
	sets, err := artifacts.ListSets(ctx, l, "", s.config.Branch)
	if err != nil {
		return err
	}
	if sha := strings.ToLower(s.config.SHA); sha != "" && sha != "latest" {
		sets = slices.DeleteFunc(sets, func(set artifacts.SetInfo) bool { return !strings.HasPrefix(set.SHA, sha) })
	}
	all := len(sets)
	if limit > 0 {
		sets = sets[:min(limit, all)]
	}
	manifests, err := s.manifests(ctx, sets)
	if err != nil {
		return err
	}
	if !t.json && len(manifests) > 0 {
		t.row(nil, "KIND", "BRANCH", "COMMIT", "FILES", "SIZE", "PUBLISHED")
	}
	for _, m := range manifests {
		row := setRow{m.Kind, m.Branch, m.SHA, m.RunID, m.Created, len(m.Files), m.Bytes(), s.locate(keys.Set(m.Kind, m.Ref()))}
		err := t.row(row, m.Kind, m.Branch, m.SHA[:min(12, len(m.SHA))], strconv.Itoa(len(m.Files)), runner.Size(m.Bytes()), m.Created.UTC().Format(time.RFC3339))
		if err != nil {
			return err
		}
	}
	if err := s.show(t); err != nil {
		return err
	}
	switch {
	case all == 0:
		fmt.Fprintf(s.stderr, "there are no sets%s in %s\n", s.selection(), s.place)
	case len(sets) < all:
		fmt.Fprintf(s.stderr, "and %d more%s in %s; --limit 0 lists them all\n", all-len(sets), s.selection(), s.place)
	case s.selection() != "":
		fmt.Fprintf(s.stderr, "these are all%s in %s\n", s.selection(), s.place)
	}
	return nil
}

// selection says which sets were asked for, since a variable may have done so.
func (s shelf) selection() string {
	said := ""
	if s.config.Branch != "" {
		said += " of branch " + s.config.Branch
	}
	if s.config.SHA != "" && s.config.SHA != "latest" {
		said += " at " + s.config.SHA
	}
	return said
}

func (s shelf) limit() (int, error) {
	const usual = 20
	v := s.variables["RUNNER_LIMIT"]
	if v == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 {
		return 0, &outcome.ConfigError{Message: fmt.Sprintf("RUNNER_LIMIT cannot be %q", v), Advice: "write a whole number; 0 for all"}
	}
	return n, nil
}

// manifests reads those of the sets that are still there, the newest first. One that is corrupt is told of, and left out.
func (s shelf) manifests(ctx context.Context, sets []artifacts.SetInfo) ([]artifacts.Manifest, error) {
	read := make([]artifacts.Manifest, len(sets))
	broken := make([]error, len(sets))
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for i, set := range sets {
		g.Go(func() error {
			var err error
			read[i], err = artifacts.ReadManifest(inner, s.store, set.Kind, set.Ref)
			var corrupt *artifacts.CorruptError
			switch {
			case errors.As(err, &corrupt):
				broken[i] = err
				return nil
			case errors.Is(err, fs.ErrNotExist):
				return nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for _, err := range broken {
		if err != nil {
			fmt.Fprintf(s.stderr, "runner: %v\n", err)
		}
	}
	read = slices.DeleteFunc(read, func(m artifacts.Manifest) bool { return m.Version == 0 })
	slices.SortStableFunc(read, func(a, b artifacts.Manifest) int { return b.Created.Compare(a.Created) })
	return read, nil
}

// fileRow is a file in a listing for machines.
type fileRow struct {
	Kind     string `json:"kind"`
	Branch   string `json:"branch"`
	SHA      string `json:"sha"`
	Path     string `json:"path"`
	Size     int64  `json:"size"`
	SHA256   string `json:"sha256"`
	Type     string `json:"type"`
	Mode     string `json:"mode"`
	Location string `json:"location"`
}

// listFiles lists the files of a set: all, or those that one of the patterns matches.
func (s shelf) listFiles(ctx context.Context, t *table, kind string, patterns []string) error {
	for _, p := range patterns {
		if !doublestar.ValidatePattern(p) {
			return &outcome.ConfigError{Message: fmt.Sprintf("%q is no pattern", p), Advice: "write one such as '**/*.html'"}
		}
	}
	m, how, err := s.find(ctx, kind)
	if err != nil {
		return err
	}
	s.tell(m, how)
	matches := func(path string) bool {
		return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool { return doublestar.MatchUnvalidated(p, path) })
	}
	shown := 0
	for _, f := range m.Files {
		if !matches(f.Path) {
			continue
		}
		shown++
		row := fileRow{m.Kind, m.Branch, m.SHA, f.Path, f.Size, f.SHA256, f.Type, f.Mode, s.locate(keys.Set(m.Kind, m.Ref()) + "/" + f.Path)}
		if err := t.row(row, fmt.Sprintf("%10s", runner.Size(f.Size)), f.Path); err != nil {
			return err
		}
	}
	if shown == 0 {
		return &absentError{fmt.Sprintf("no file of %s matches %s", setName(m), strings.Join(patterns, " "))}
	}
	return s.show(t)
}

// locate is the store's place of a key, or the key itself.
func (s shelf) locate(key string) string {
	if l, ok := s.store.(artifacts.Locator); ok {
		return l.Locate(key)
	}
	return key
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sort"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/carlin-cicd/runner/runner/units"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/terminal"
)

func newArtifactsListCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "ls [KIND [PATTERN...]]",
		Aliases: []string{"list"},
		Short:   "list the sets, or the files of one",
		Long: "runner artifacts ls lists the sets, the newest first, of a branch or a commit if one is given.\n" +
			"With a KIND it lists the files of one set: all, or those that match a PATTERN.",
		Example: "runner artifacts ls --branch main\nrunner artifacts ls builds '**/*.html'\n" +
			"runner artifacts ls --json --limit 0",
		Args: cobra.ArbitraryArgs,
		RunE: o.withStore(artifactStore.list),
	}
	declare(cmd, setFlags...)
	declare(cmd, jsonFlag, limitFlag.describe("how many sets, 0 for all (default 20)"))
	declare(cmd, checkoutFlags...)
	return cmd
}

// list is runner artifacts ls.
func (s artifactStore) list(ctx context.Context, args []string) error {
	table, err := s.table()
	if err != nil {
		return err
	}
	if len(args) > 0 {
		return s.listFiles(ctx, table, args[0], args[1:])
	}
	return s.listSets(ctx, table)
}

// table is a listing: columns, or a JSON object a line.
type table struct {
	json bool
	text *tabwriter.Writer
	out  bytes.Buffer
}

func (s artifactStore) table() (*table, error) {
	asJSON, err := boolean(s.variables, jsonFlag.variable)
	t := &table{json: asJSON}
	t.text = tabwriter.NewWriter(&t.out, 0, 0, 2, ' ', 0)
	return t, err
}

func (t *table) row(object any, columns ...string) error {
	if t.json {
		return json.NewEncoder(&t.out).Encode(object)
	}
	for i := range columns { // names come from the store
		columns[i] = terminal.Escape(columns[i])
	}
	_, err := fmt.Fprintln(t.text, strings.Join(columns, "\t"))
	return err
}

func (s artifactStore) show(t *table) error {
	if err := t.text.Flush(); err != nil {
		return err
	}
	if t.json {
		return s.printJSON(t.out.Bytes())
	}
	return s.print("%s", &t.out)
}

// setRow is a set as JSON.
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
func (s artifactStore) listSets(ctx context.Context, t *table) error {
	const usual = 20
	limit, err := s.limitOr(usual)
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
		row := setRow{
			m.Kind,
			m.Branch,
			m.SHA,
			m.RunID,
			m.Created,
			len(m.Files),
			m.Bytes(),
			s.locate(keys.Set(m.Kind, m.Ref())),
		}
		err := t.row(
			row,
			m.Kind,
			m.Branch,
			m.SHA[:min(12, len(m.SHA))],
			strconv.Itoa(len(m.Files)),
			units.Size(m.Bytes()),
			m.Created.UTC().Format(time.RFC3339),
		)
		if err != nil {
			return err
		}
	}
	if err := s.show(t); err != nil {
		return err
	}
	switch {
	case all == 0:
		s.note("there are no sets%s in %s", s.selection(), s.place)
	case len(sets) < all:
		s.note("and %d more%s in %s; --limit 0 lists them all", all-len(sets), s.selection(), s.place)
	case s.selection() != "":
		s.note("these are all%s in %s", s.selection(), s.place)
	}
	return nil
}

// selection describes which sets were selected, as a variable may have done so.
func (s artifactStore) selection() string {
	text := ""
	if s.config.Branch != "" {
		text += " of branch " + s.config.Branch
	}
	if s.config.SHA != "" && s.config.SHA != "latest" {
		text += " at " + s.config.SHA
	}
	return text
}

// limitOr returns how many rows to list, 0 for all.
func (s artifactStore) limitOr(usual int) (int, error) {
	v := s.variables[limitFlag.variable]
	if v == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 {
		return 0, &usageError{fmt.Sprintf("RUNNER_LIMIT cannot be %q", v), "write a whole number; 0 for all"}
	}
	return n, nil
}

// manifests reads the manifests of sets, the newest first, without sets that are gone by now. A corrupt one is reported
// and left out.
func (s artifactStore) manifests(ctx context.Context, sets []artifacts.SetInfo) ([]artifacts.Manifest, error) {
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
			s.note("runner: %v", err)
		}
	}
	read = slices.DeleteFunc(read, func(m artifacts.Manifest) bool { return m.Version == 0 })
	sort.SliceStable(read, func(i, j int) bool { return read[i].Created.After(read[j].Created) })
	return read, nil
}

// fileRow is a file of a set as JSON.
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
func (s artifactStore) listFiles(ctx context.Context, t *table, kind string, patterns []string) error {
	for _, p := range patterns {
		if !doublestar.ValidatePattern(p) {
			return &usageError{fmt.Sprintf("%q is not a pattern", p), "write one such as '**/*.html'"}
		}
	}
	m, reason, err := s.find(ctx, kind)
	if err != nil {
		return err
	}
	s.describe(m, reason)
	matches := func(path string) bool {
		return len(patterns) == 0 ||
			slices.ContainsFunc(patterns, func(p string) bool { return doublestar.MatchUnvalidated(p, path) })
	}
	shown := 0
	for _, f := range m.Files {
		if !matches(f.Path) {
			continue
		}
		shown++
		row := fileRow{
			m.Kind,
			m.Branch,
			m.SHA,
			f.Path,
			f.Size,
			f.SHA256,
			f.Type,
			f.Mode,
			s.locate(keys.Set(m.Kind, m.Ref()) + "/" + f.Path),
		}
		if err := t.row(row, fmt.Sprintf("%10s", units.Size(f.Size)), f.Path); err != nil {
			return err
		}
	}
	if shown == 0 {
		return &absentError{fmt.Sprintf("no file of %s matches %s", setName(m), strings.Join(patterns, " "))}
	}
	return s.show(t)
}

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/artifacts/lease"
	"github.com/carlin-cicd/runner/runner"
	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/session"
)

const artifactsHelp = `runner artifacts looks at what is stored, fetches it, checks it and adds to it.

usage:
  runner artifacts ls                    the sets there are, the newest first; of a branch or a commit if one is given
  runner artifacts ls KIND [PATTERN...]  the files of a set, or those that match, such as '**/*.html'
  runner artifacts get KIND [FOLDER]     fetch a set; nothing gets its name there before all has arrived and been verified
                                         (default: to where the step that makes the KIND has it, else ./KIND)
  runner artifacts verify KIND           read a whole set and compare it with its manifest
  runner artifacts put KIND FOLDER       store a folder as a set

A set has a KIND (builds, coverage, …), a branch and a commit. The beginning of a commit will do. Where none is given it
is the newest set of the branch, as it is with --sha latest; for put it is the workspace's commit.

exit codes: 0; 1 it is not there, not what its manifest says, or the store failed; 125 input that was refused;
128+n a signal.

flags, each with the variable that says the same (the flag wins):
`

var artifactsFlags = []string{"branch", "sha", "artifact-bucket", "workspace", "config", asJSON, "limit", "mirror"}

// shelf is what runner artifacts works on: a store, and the set in it that is meant.
type shelf struct {
	console
	variables map[string]string
	config    config.Config
	store     artifacts.Store
	place     string // the store, in words
}

func (c console) artifacts(ctx context.Context, variables map[string]string, words []string) int {
	verbs := map[string]struct {
		least, most int // words after the verb
		do          func(shelf, context.Context, []string) error
	}{
		"ls":     {0, math.MaxInt, shelf.list},
		"get":    {1, 2, shelf.get},
		"verify": {1, 1, shelf.verify},
		"put":    {2, 2, shelf.put},
	}
	const hint = "runner help artifacts explains the commands"
	if len(words) == 0 {
		return c.fail(exitUsage, "a word is missing: ls, get, verify or put", hint)
	}
	name, words := words[0], words[1:]
	verb, known := verbs[name]
	switch {
	case !known:
		return c.fail(exitUsage, fmt.Sprintf("unknown command %q of runner artifacts", name), hint)
	case len(words) < verb.least:
		return c.fail(exitUsage, "the "+[]string{"KIND", "FOLDER"}[len(words)]+" is missing", hint)
	case len(words) > verb.most:
		return c.fail(exitUsage, fmt.Sprintf("unexpected argument %q", words[verb.most]), hint)
	}

	ctx, stop := c.interruptible(ctx)
	defer stop()
	s := shelf{console: c, variables: variables}
	var err error
	if s.config, err = config.Read(variables); err != nil {
		return c.refuse(err)
	}
	opened := session.New(ctx, variables, s.config)
	if err = opened.OpenStore(ctx, lease.Owner{}, c.waiting); err != nil {
		return c.refuse(err)
	}
	s.store, s.place = opened.Store, runner.Nearby(opened.Place)
	return c.end(ctx, verb.do(s, ctx, words))
}

// waiting tells whom we wait for.
func (c console) waiting(h lease.Holder) {
	fmt.Fprintf(c.stderr, "runner: waiting for %s, since %s\n", h, h.Acquired.Format(time.RFC3339))
}

// set is what people call one.
func setName(m artifacts.Manifest) string {
	return fmt.Sprintf("%s of %s at %.12s", m.Kind, m.Branch, m.SHA)
}

func contents(m artifacts.Manifest) string {
	return runner.Count(len(m.Files), "file") + ", " + runner.Size(m.Bytes())
}

// find returns the manifest of the set that is meant, and how it came to be that one.
func (s shelf) find(ctx context.Context, kind string) (m artifacts.Manifest, how string, err error) {
	c := s.config
	sha := cmp.Or(c.SHA, c.GitHubSHA)
	c.SHA, c.GitHubSHA = "", "" // its beginning, or "latest", is enough here
	ref, _, err := runner.Identify(ctx, s.variables, c)
	if err != nil {
		return m, "", err
	}
	if sha == "" || sha == "latest" {
		m, err := artifacts.Latest(ctx, s.store, kind, ref.Branch)
		if errors.Is(err, fs.ErrNotExist) {
			err = &absentError{fmt.Sprintf("there are no %s of branch %s in %s", kind, ref.Branch, s.place)}
		}
		return m, "the newest of the branch", err
	}
	ref.SHA = strings.ToLower(sha)
	m, err = artifacts.ReadManifest(ctx, s.store, kind, ref)
	if !errors.Is(err, fs.ErrNotExist) {
		return m, "", err
	}
	if ref, err = s.complete(ctx, kind, ref); err != nil {
		return m, "", err
	}
	m, err = artifacts.ReadManifest(ctx, s.store, kind, ref)
	return m, "the only one that begins with " + sha, err
}

// complete finds the commit that begins as the one of the reference does.
func (s shelf) complete(ctx context.Context, kind string, ref artifacts.Ref) (artifacts.Ref, error) {
	absent := &absentError{fmt.Sprintf("there are no %s of branch %s at %s in %s", kind, ref.Branch, ref.SHA, s.place)}
	l, ok := s.store.(artifacts.Lister)
	if !ok {
		return ref, absent
	}
	sets, err := artifacts.ListSets(ctx, l, kind, ref.Branch)
	if err != nil {
		return ref, err
	}
	sets = slices.DeleteFunc(sets, func(set artifacts.SetInfo) bool { return !strings.HasPrefix(set.SHA, ref.SHA) })
	switch len(sets) {
	case 0:
		return ref, absent
	case 1:
		return sets[0].Ref, nil
	default:
		return ref, &outcome.ConfigError{
			Message: fmt.Sprintf("%d %s of branch %s begin with %s", len(sets), kind, ref.Branch, ref.SHA),
			Advice:  "give more digits of the commit, as runner artifacts ls --json prints them",
		}
	}
}

// absentError says that there is no such set.
type absentError struct{ message string }

func (e *absentError) Error() string { return e.message }

// Hint says where to look.
func (e *absentError) Hint() string {
	return "runner artifacts ls --branch '' --sha '' lists all there is"
}

func (s shelf) get(ctx context.Context, words []string) error {
	m, how, err := s.find(ctx, words[0])
	if err != nil {
		return err
	}
	s.tell(m, how)
	dir := words[0]
	if len(words) == 2 {
		dir = words[1]
	} else {
		known, err := config.LoadSteps(s.config)
		if err != nil {
			return err
		}
		if made, ok := known.ArtifactPath(m.Kind); ok {
			dir = filepath.Join(s.config.Workspace, filepath.FromSlash(made))
		}
	}
	ctx, done := s.progress(ctx, "fetching")
	m, err = artifacts.Fetch(ctx, s.store, m.Kind, m.Ref(), dir)
	done()
	if err != nil {
		return err
	}
	return s.say("%s  %s\n", runner.Nearby(dir), contents(m))
}

func (s shelf) verify(ctx context.Context, words []string) error {
	m, how, err := s.find(ctx, words[0])
	if err != nil {
		return err
	}
	s.tell(m, how)
	ctx, done := s.progress(ctx, "reading")
	problems, err := artifacts.Verify(ctx, s.store, m.Kind, m.Ref())
	done()
	if err != nil {
		return err
	}
	strays, err := s.strays(ctx, m)
	if err != nil {
		return err
	}
	for _, p := range problems {
		if err := s.say("%s\n", p); err != nil {
			return err
		}
	}
	for _, path := range strays {
		if err := s.say("stored %q is not in the manifest\n", path); err != nil {
			return err
		}
	}
	if n := len(problems) + len(strays); n > 0 {
		return &differsError{
			message:  fmt.Sprintf("%s differ from their manifest in %s", setName(m), runner.Count(n, "file")),
			manifest: runner.Nearby(s.locate(keys.Manifest(m.Kind, m.Ref()))),
		}
	}
	return s.say("%s: %s, all as the manifest says\n", setName(m), contents(m))
}

// strays names what lies among the files of a set without being one.
func (s shelf) strays(ctx context.Context, m artifacts.Manifest) ([]string, error) {
	l, ok := s.store.(artifacts.Lister)
	if !ok {
		return nil, nil
	}
	var found []string
	prefix := keys.Set(m.Kind, m.Ref()) + "/"
	for e, err := range l.List(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		path := strings.TrimPrefix(e.Key, prefix)
		if _, listed := slices.BinarySearchFunc(m.Files, path, func(f artifacts.File, path string) int { return cmp.Compare(f.Path, path) }); !listed {
			found = append(found, path)
		}
	}
	return found, nil
}

// differsError says that a set is not what its manifest says.
type differsError struct{ message, manifest string }

func (e *differsError) Error() string { return e.message }

// Hint says what to do about it. As long as the manifest is there, publishing the same files again changes nothing.
func (e *differsError) Hint() string {
	return "delete " + e.manifest + " and whatever is not in it, then publish the set again"
}

func (s shelf) put(ctx context.Context, words []string) error {
	ref, changed, err := runner.Identify(ctx, s.variables, s.config)
	if err != nil {
		return err
	}
	if changed {
		fmt.Fprintf(s.stderr, "the workspace has changes that are not in %.12s\n", ref.SHA)
	}
	set := artifacts.Set{
		Kind: words[0], Ref: ref, RunID: cmp.Or(s.variables["RUN_ID"], session.NewID()), Dir: words[1], Mirror: s.variables["RUNNER_MIRROR"],
	}
	if dir, err := filepath.Abs(set.Dir); err == nil && dir == s.config.Workspace { // as a run has it
		set.Exclude = func(path string) bool { return path == ".runner" || path == ".git" || path == "node_modules" }
	}
	ctx, done := s.progress(ctx, "storing")
	p, err := artifacts.Publish(ctx, s.store, set)
	done()
	if err != nil {
		return err
	}
	fmt.Fprintf(s.stderr, "%s: %d uploaded, %d unchanged, %d removed\n", setName(p.Manifest), p.Uploaded, p.Unchanged, p.Removed)
	return s.say("%s  %s\n", runner.Nearby(p.Location), contents(p.Manifest))
}

// tell says which set is meant, and why that one.
func (s shelf) tell(m artifacts.Manifest, how string) {
	if how != "" {
		how = " (" + how + ")"
	}
	fmt.Fprintf(s.stderr, "%s%s, published %s, in %s\n", setName(m), how, m.Created.UTC().Format(time.RFC3339), s.place)
}

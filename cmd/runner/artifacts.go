package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/runner/units"

	"github.com/spf13/cobra"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/lease"
	"github.com/carlin-cicd/runner/runner"
	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/session"
)

// setFlags select the set of a kind: by its branch and its commit, in a store.
var setFlags = []flagSpec{
	branchFlag.describe("the set's branch (default the workspace's)"),
	shaFlag.describe("the set's commit, or how it begins; latest for the newest set of the branch"),
	storeFlag,
}

func newArtifactsCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "artifacts",
		GroupID: groupLook,
		Short:   "list, fetch, check and store sets of artifacts",
		Long: "runner artifacts lists what is stored, fetches it, checks it and adds to it.\n\n" +
			"A set has a KIND (builds, coverage, …), a branch and a commit. The first digits of a commit\n" +
			"are enough. Without a commit, the newest set of the branch is meant.",
		Args: cobra.ArbitraryArgs,
		RunE: requireSubcommand,
		Annotations: map[string]string{
			helpFooter: "Exit codes: 1 the set does not exist or differs from its manifest, or the store failed;\n" +
				"125 bad input.\n",
		},
	}
	cmd.AddCommand(
		newArtifactsListCommand(o),
		newArtifactsGetCommand(o),
		newArtifactsVerifyCommand(o),
		newArtifactsPutCommand(o),
	)
	return cmd
}

// artifactStore is the store that a command below runner artifacts works on.
type artifactStore struct {
	*options
	variables map[string]string
	config    config.Config
	store     artifacts.Store
	place     string // the store, as a person would write it
	aws       session.AWS
}

// withStore is the body of a command that works on the store.
func (o *options) withStore(
	f func(artifactStore, context.Context, []string) error,
) func(*cobra.Command, []string) error {
	return o.withSignals(func(ctx context.Context, variables map[string]string, args []string) error {
		s, err := o.openStore(ctx, variables)
		if err != nil {
			return err
		}
		return f(s, ctx, args)
	})
}

// openStore opens the store that the variables name.
func (o *options) openStore(ctx context.Context, variables map[string]string) (artifactStore, error) {
	s := artifactStore{options: o, variables: variables}
	var err error
	if s.config, err = config.Read(variables); err != nil {
		return s, outcome.Refused(err)
	}
	opened := session.New(ctx, variables, s.config)
	if err = opened.OpenStore(ctx, lease.Owner{}, o.noteWaiting); err != nil {
		return s, outcome.Refused(err)
	}
	s.store, s.place, s.aws = opened.Store, units.Path(opened.Place), opened.AWS
	return s, nil
}

// noteWaiting names the holder of a lock that we wait for.
func (o *options) noteWaiting(h lease.Holder) {
	o.note("runner: waiting for %s, since %s", h, h.Acquired.Format(time.RFC3339))
}

// setName is a set in a sentence.
func setName(m artifacts.Manifest) string {
	return fmt.Sprintf("%s of %s at %.12s", m.Kind, m.Branch, m.SHA)
}

func contents(m artifacts.Manifest) string {
	return units.Count(len(m.Files), "file") + ", " + units.Size(m.Bytes())
}

// find returns the manifest of the set that the variables select, and why it is that one.
func (s artifactStore) find(ctx context.Context, kind string) (m artifacts.Manifest, reason string, err error) {
	c := s.config
	sha := cmp.Or(c.SHA, c.GitHubSHA)
	c.SHA, c.GitHubSHA = "", "" // a prefix or "latest" is enough here, but not for a run
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
	if ref, err = s.completeSHA(ctx, kind, ref); err != nil {
		return m, "", err
	}
	m, err = artifacts.ReadManifest(ctx, s.store, kind, ref)
	return m, "the only one that begins with " + sha, err
}

// completeSHA finds the one set whose commit begins as that of ref does.
func (s artifactStore) completeSHA(ctx context.Context, kind string, ref artifacts.Ref) (artifacts.Ref, error) {
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
		return ref, &usageError{
			fmt.Sprintf("%d %s of branch %s begin with %s", len(sets), kind, ref.Branch, ref.SHA),
			"give more digits of the commit, as runner artifacts ls --json prints them",
		}
	}
}

// absentError says that a set or a file does not exist.
type absentError struct{ message string }

func (e *absentError) Error() string { return e.message }

// Hint says how to find what does exist.
func (e *absentError) Hint() string {
	return "runner artifacts ls --branch '' --sha '' lists all sets"
}

// describe prints which set was selected, and why.
func (s artifactStore) describe(m artifacts.Manifest, reason string) {
	if reason != "" {
		reason = " (" + reason + ")"
	}
	s.note("%s%s, published %s, in %s", setName(m), reason, m.Created.UTC().Format(time.RFC3339), s.place)
}

// locate returns where the store keeps a key, or the key itself.
func (s artifactStore) locate(key string) string {
	if l, ok := s.store.(artifacts.Locator); ok {
		return l.Locate(key)
	}
	return key
}

func newArtifactsGetCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "get KIND [FOLDER]",
		Short: "fetch a set and verify its checksums",
		Long: "runner artifacts get fetches a set. Files appear in the folder when all have arrived and been\n" +
			"verified. Without a FOLDER they go to where the step that makes the KIND keeps it, else to ./KIND.",
		Example: "runner artifacts get builds\nrunner artifacts get coverage out --branch main --sha latest\n" +
			"runner artifacts get builds --only 'assets/**' --exclude '**/*.map'",
		Args: arguments(1, "KIND", "FOLDER"),
		RunE: o.withStore(artifactStore.get),
	}
	declare(cmd, setFlags...)
	declare(cmd, onlyFlag, excludeFlag)
	declare(cmd, checkoutFlags...)
	return cmd
}

var (
	onlyFlag = flagSpec{
		"only",
		"RUNNER_ONLY",
		globs,
		"fetch only files that a glob matches, e.g. 'assets/**'; repeatable",
	}
	excludeFlag = flagSpec{"exclude", "RUNNER_EXCLUDE", globs, "do not fetch files that a glob matches; repeatable"}
	includeFlag = flagSpec{
		"include",
		"RUNNER_INCLUDE",
		globs,
		"store files whose names begin with a dot, e.g. .env; repeatable",
	}
)

func (s artifactStore) get(ctx context.Context, args []string) error {
	m, reason, err := s.find(ctx, args[0])
	if err != nil {
		return err
	}
	s.describe(m, reason)
	dir := args[0]
	if len(args) == 2 {
		dir = args[1]
	} else {
		catalogue, err := config.LoadSteps(s.config)
		if err != nil {
			return err
		}
		if path, ok := catalogue.ArtifactPath(m.Kind); ok {
			dir = filepath.Join(s.config.Workspace, filepath.FromSlash(path))
		}
	}
	ctx, done := s.showProgress(ctx, "fetching")
	m, err = artifacts.Fetch(ctx, s.store, m.Kind, m.Ref(), dir, artifacts.FetchOptions{
		Only: lines(s.variables[onlyFlag.variable]), Exclude: lines(s.variables[excludeFlag.variable]),
	})
	done()
	if err != nil {
		return err
	}
	return s.print("%s  %s\n", units.Path(dir), contents(m))
}

func newArtifactsPutCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "put KIND FOLDER",
		Short:   "store a folder as a set",
		Example: "runner artifacts put builds dist\nrunner artifacts put docs site --mirror latest",
		Args:    arguments(2, "KIND", "FOLDER"),
		RunE:    o.withStore(artifactStore.put),
	}
	declare(cmd, branchFlag, shaFlag, storeFlag, mirrorFlag, includeFlag)
	declare(cmd, forceFlag.describe("replace the builds of a protected branch"))
	declare(cmd, checkoutFlags...)
	return cmd
}

var mirrorFlag = flagSpec{"mirror", "RUNNER_MIRROR", "latest", "keep a copy of the newest set there"}

func (s artifactStore) put(ctx context.Context, args []string) error {
	ref, changed, err := runner.Identify(ctx, s.variables, s.config)
	if err != nil {
		return err
	}
	if changed {
		s.note("the workspace has changes that are not in %.12s", ref.SHA)
	}
	set := artifacts.Set{
		Kind: args[0], Ref: ref, RunID: cmp.Or(s.variables["RUN_ID"], session.NewID()), Dir: args[1],
		Mirror: s.variables[mirrorFlag.variable], Include: lines(s.variables[includeFlag.variable]),
	}
	if args[0] == "builds" && s.config.IsProtected(ref.Branch) && !s.config.Force {
		set.FirstWins = func(context.Context, artifacts.Manifest) bool { return true }
	}
	if dir, err := filepath.Abs(set.Dir); err == nil && dir == s.config.Workspace { // the same files as in a run
		set.Exclude = func(path string) bool { return path == ".runner" || path == ".git" || path == "node_modules" }
	}
	ctx, done := s.showProgress(ctx, "storing")
	p, err := artifacts.Publish(ctx, s.store, set)
	done()
	if err != nil {
		return err
	}
	if len(p.Hidden) > 0 {
		s.note("left out, as their names begin with a dot: %s; add --include to store them", namesOf(p.Hidden))
	}
	s.note("%s: %d uploaded, %d unchanged, %d removed", setName(p.Manifest), p.Uploaded, p.Unchanged, p.Removed)
	return s.print("%s  %s\n", units.Path(p.Location), contents(p.Manifest))
}

// namesOf lists the first paths of many.
func namesOf(paths []string) string {
	const shown = 5
	text := strings.Join(paths[:min(shown, len(paths))], ", ")
	if more := len(paths) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

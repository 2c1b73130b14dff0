package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/compare"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/runs"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/runner/sizing/fargate"
	"github.com/carlin-cicd/runner/runner/terminal"
	"github.com/carlin-cicd/runner/runner/units"
)

func newCompareCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "compare RUN [RUN]",
		GroupID: groupLook,
		Short:   "show what differs between two runs",
		Long: "runner compare shows what changed from the first run to the second: commits and lockfiles, tests that\n" +
			"fail newly, are mended or slower, coverage, sizes of artifacts, duration and cost. With one RUN, that\n" +
			"is the second, and the first is the last run of its step and branch before it that passed.\n" + runArgument,
		Example: "runner compare latest-failed\nrunner compare 01kb2w 01kb31\nrunner compare 01kb2w latest --json",
		Args:    arguments(1, "RUN", "RUN"),
		RunE:    o.withStore(artifactStore.compareRuns),
		Annotations: map[string]string{
			helpFooter: "Exit codes: 1 run or record not found, or the store failed; 125 bad input.\n",
		},
	}
	declare(cmd, runFilters...)
	declare(cmd, jsonFlag.describe("one JSON object"), storeFlag)
	declare(cmd, checkoutFlags...)
	return cmd
}

// side is one of two runs that are compared.
type side struct {
	record.Entry
	compare.Run
}

// comparison is the result as JSON.
type comparison struct {
	A       string   `json:"a"`
	B       string   `json:"b"`
	Commits []string `json:"commits,omitempty"` // "abc1234 subject", of B and not of A
	Behind  int      `json:"behind,omitempty"`  // commits of A and not of B
	Locks   []string `json:"lockfiles,omitempty"`
	compare.Difference

	unknown bool // git does not know both commits
}

// compareRuns is runner compare.
func (s artifactStore) compareRuns(ctx context.Context, args []string) error {
	asJSON, err := boolean(s.variables, jsonFlag.variable)
	if err != nil {
		return err
	}
	last, err := s.findRun(ctx, args[len(args)-1])
	if err != nil {
		return err
	}
	first, err := s.former(ctx, args, last)
	if err != nil {
		return err
	}
	a, err := s.side(ctx, first)
	if err != nil {
		return err
	}
	b, err := s.side(ctx, last)
	if err != nil {
		return err
	}
	c := comparison{A: first.RunID, B: last.RunID, Difference: compare.Runs(a.Run, b.Run)}
	s.commits(ctx, &c, first.SHA, last.SHA)
	if asJSON {
		text, err := json.Marshal(c)
		if err != nil {
			return err
		}
		return s.print("%s\n", text)
	}
	return s.print("%s", c.text(a, b))
}

// former returns the first run: the one that was named, or the last one before the second that passed.
func (s artifactStore) former(ctx context.Context, args []string, b record.Entry) (record.Entry, error) {
	if len(args) == 2 {
		return s.findRun(ctx, args[0])
	}
	store, err := s.index()
	if err != nil {
		return record.Entry{}, err
	}
	list, err := runs.Newest(ctx, store, runs.Folders(b.Branch), 1, func(e record.Entry) bool {
		return e.RunID < b.RunID && e.State == record.Passed && e.Step == b.Step && e.Environment == b.Environment
	})
	if err == nil && len(list.Runs) == 0 {
		err = &noRunError{fmt.Sprintf("no run of %s on %s passed before %s", terminal.Escape(stepName(b)),
			terminal.Escape(b.Branch), terminal.Escape(b.RunID))}
	}
	if err != nil {
		return record.Entry{}, err
	}
	return list.Runs[0], nil
}

// side reads the record of a run and its reports.
func (s artifactStore) side(ctx context.Context, e record.Entry) (side, error) {
	text, err := s.finished(ctx, e)
	if errors.Is(err, fs.ErrNotExist) {
		return side{}, &noRunError{fmt.Sprintf("run %s has no record in %s: it is running, was lost, or is too old", e.RunID, s.place)}
	}
	if err != nil {
		return side{}, err
	}
	run, err := decodeRun(e, text)
	if err != nil {
		return side{}, err
	}
	r := side{e, compare.Run{Run: run}}
	l, ok := s.store.(artifacts.Lister)
	if !ok || run.Tests == nil || run.Tests.Total == 0 {
		return r, nil
	}
	r.Run.Tests, err = compare.Tests(ctx, listedStore{s.store, l}, runs.Key(e))
	return r, err
}

// listedStore is a store that can list its objects.
type listedStore struct {
	artifacts.Store
	artifacts.Lister
}

// lockfiles are those of the package managers that projects use.
var lockfiles = []string{
	"pnpm-lock.yaml", "package-lock.json", "yarn.lock", "bun.lock", "go.sum", "Cargo.lock", "poetry.lock", "uv.lock",
	"requirements.txt", "Gemfile.lock", "composer.lock",
}

// commits asks the workspace's git what is between two commits. It may not know them.
func (s artifactStore) commits(ctx context.Context, c *comparison, a, b string) {
	const most = "20"
	if a == b {
		return
	}
	git := session.New(ctx, s.variables, s.config)
	run := func(args ...string) (string, bool) {
		out, err := git.Git(ctx, s.config.Workspace, nil, args...)
		return strings.TrimSpace(out), err == nil
	}
	log, known := run("log", "--no-decorate", "--no-color", "--format=%h %an: %s", "--max-count="+most, "--end-of-options", a+".."+b)
	if !known {
		c.unknown = true
		return
	}
	if log != "" {
		c.Commits = strings.Split(log, "\n")
	}
	if behind, ok := run("rev-list", "--count", "--end-of-options", b+".."+a); ok {
		_, _ = fmt.Sscan(behind, &c.Behind)
	}
	patterns := []string{"diff", "--name-only", "--no-renames", "--end-of-options", a, b, "--"}
	for _, name := range lockfiles {
		patterns = append(patterns, ":(glob)**/"+name)
	}
	if changed, ok := run(patterns...); ok && changed != "" {
		c.Locks = strings.Split(changed, "\n")
	}
}

// text is the comparison for people.
func (c comparison) text(a, b side) string {
	var f facts
	fmt.Fprintf(&f.out, "%s\n%s\n", sideLine("a", a), sideLine("b", b))
	c.describeCommits(&f, a, b)
	f.list("lockfiles", "changed: ", c.Locks)
	if change := c.Seconds; change != 0 && a.Seconds > 0 {
		f.add("duration", fmt.Sprintf("%s → %s (%+.0f %%)", units.Duration(record.Duration(a.Seconds)),
			units.Duration(record.Duration(b.Seconds)), 100*change/a.Seconds))
	}
	c.describeTests(&f, a, b)
	if c.Coverage != nil {
		f.add("coverage", fmt.Sprintf("%.2f %% → %.2f %% of lines (%+.2f)", a.Run.Coverage.LinePercent, b.Run.Coverage.LinePercent, *c.Coverage))
	}
	for _, x := range c.Artifacts {
		f.add(x.Name, sizeChange(x))
	}
	if c.Dollars != 0 {
		f.add("cost", fargate.Dollars(a.Cost.Dollars)+" → "+fargate.Dollars(b.Cost.Dollars))
	}
	return f.out.String()
}

func sideLine(name string, s side) string {
	return fmt.Sprintf("%s  %s  %s of %s at %s, %s", name, terminal.Escape(s.RunID()), terminal.Escape(stepName(s.Entry)),
		terminal.Escape(s.Entry.Branch), terminal.Escape(commitName(s.Entry)), s.State)
}

// RunID tells the entry's from the record's, which are the same.
func (s side) RunID() string { return s.Entry.RunID }

func (c comparison) describeCommits(f *facts, a, b side) {
	switch {
	case a.Entry.SHA == b.Entry.SHA:
		f.add("commits", "the same commit")
	case c.unknown:
		f.add("commits", "git does not know both here: git fetch, or run this in the repository")
	default:
		f.list("commits", "", c.Commits)
		if c.Behind > 0 {
			f.add("without", units.Count(c.Behind, "commit")+" of a")
		}
	}
}

func (c comparison) describeTests(f *facts, a, b side) {
	if a.Run.Run.Tests == nil && b.Run.Run.Tests == nil {
		return
	}
	if !c.TestsKnown {
		f.add("tests", "are not compared: one of the runs has stored no reports")
		return
	}
	if len(c.NewlyFailing)+len(c.Fixed)+len(c.StillFailing)+len(c.Slower)+len(c.Removed)+c.Added == 0 {
		f.add("tests", "the same")
	}
	f.list("failing", "newly: ", c.NewlyFailing)
	f.list("failing", "still: ", c.StillFailing)
	f.list("mended", "", c.Fixed)
	for i, t := range c.Slower {
		if i == listed {
			f.add("slower", fmt.Sprintf("and %d more", len(c.Slower)-i))
			break
		}
		f.add("slower", fmt.Sprintf("%s: %s → %s", t.Name, units.Duration(record.Duration(t.Before)), units.Duration(record.Duration(t.After))))
	}
	if c.Added > 0 {
		f.add("added", units.Count(c.Added, "test"))
	}
	f.list("removed", "", c.Removed)
}

// listed is how many of a list are shown.
const listed = 20

// list adds a line for each of a list.
func (f *facts) list(name, prefix string, all []string) {
	for _, text := range all[:min(len(all), listed)] {
		f.add(name, prefix+text)
	}
	if n := len(all) - listed; n > 0 {
		f.add(name, fmt.Sprintf("and %d more", n))
	}
}

func sizeChange(x compare.ArtifactSizes) string {
	switch {
	case x.Same:
		return units.Size(x.After) + ", the same files"
	case x.Before < 0:
		return "only of b: " + units.Size(x.After)
	case x.After < 0:
		return "only of a: " + units.Size(x.Before)
	}
	text := units.Size(x.Before) + " → " + units.Size(x.After)
	if x.Before > 0 {
		text += fmt.Sprintf(" (%+.1f %%)", 100*float64(x.After-x.Before)/float64(x.Before))
	}
	return text
}

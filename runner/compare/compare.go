// Package compare finds what differs between two runs: tests, coverage, artifacts, duration, cost.
package compare

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/present"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/steps/results"
)

// Run is one side of a comparison.
type Run struct {
	record.Run
	Tests map[string]Test // by identity; nil if its reports are not known
}

// Test is how a test ended in one run.
type Test struct {
	Name   string // with its class and file
	Status string // passed, failed, errored or skipped
	Took   time.Duration
}

func (t Test) failed() bool { return t.Status == "failed" || t.Status == "errored" }

// Difference is what changed from one run to another.
type Difference struct {
	NewlyFailing []string        `json:"newly_failing,omitempty"` // failed, and passed or was skipped or missing before
	Fixed        []string        `json:"fixed,omitempty"`
	StillFailing []string        `json:"still_failing,omitempty"`
	Added        int             `json:"tests_added"`
	Removed      []string        `json:"tests_removed,omitempty"`
	Slower       []Slower        `json:"slower,omitempty"` // the worst first
	Seconds      float64         `json:"duration_change_seconds"`
	Coverage     *float64        `json:"coverage_change,omitempty"` // percentage points of lines
	Dollars      float64         `json:"cost_change,omitempty"`
	Artifacts    []ArtifactSizes `json:"artifacts,omitempty"`
	TestsKnown   bool            `json:"tests_known"` // both runs have stored reports
}

// Slower is a test that took far longer.
type Slower struct {
	Name   string  `json:"name"`
	Before float64 `json:"before_seconds"`
	After  float64 `json:"after_seconds"`
}

// ArtifactSizes is a set of both runs, or of one; the other's size is -1 then.
type ArtifactSizes struct {
	Name   string `json:"name"`
	Before int64  `json:"before_bytes"`
	After  int64  `json:"after_bytes"`
	Same   bool   `json:"same"` // the files are identical
}

// A test is slower if it took twice as long and a second more: one busy machine slows all of them a little.
const (
	slowerFactor = 2
	slowerBy     = time.Second
)

// Runs compares two runs.
func Runs(a, b Run) Difference {
	d := Difference{
		Seconds: record.Round(b.Seconds - a.Seconds), Artifacts: sizes(a.Artifacts, b.Artifacts),
		TestsKnown: a.Tests != nil && b.Tests != nil,
	}
	if a.Run.Coverage != nil && b.Run.Coverage != nil {
		change := record.Round(b.Run.Coverage.LinePercent - a.Run.Coverage.LinePercent)
		d.Coverage = &change
	}
	if a.Cost != nil && b.Cost != nil {
		d.Dollars = b.Cost.Dollars - a.Cost.Dollars
	}
	if d.TestsKnown {
		d.tests(a.Tests, b.Tests)
	}
	return d
}

func (d *Difference) tests(before, after map[string]Test) {
	for _, id := range slices.Sorted(maps.Keys(after)) {
		now := after[id]
		was, known := before[id]
		switch {
		case now.failed() && known && was.failed():
			d.StillFailing = append(d.StillFailing, now.Name)
		case now.failed():
			d.NewlyFailing = append(d.NewlyFailing, now.Name)
		case known && was.failed() && now.Status == "passed":
			d.Fixed = append(d.Fixed, now.Name)
		}
		if !known {
			d.Added++
		}
		if known && was.Status == "passed" && now.Took >= slowerFactor*was.Took && now.Took-was.Took >= slowerBy {
			d.Slower = append(d.Slower, Slower{now.Name, record.Seconds(was.Took), record.Seconds(now.Took)})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(before)) {
		if _, still := after[id]; !still {
			d.Removed = append(d.Removed, before[id].Name)
		}
	}
	sort.SliceStable(d.Slower, func(i, j int) bool {
		a, b := d.Slower[i], d.Slower[j]
		return cmp.Compare(b.After-b.Before, a.After-a.Before) < 0
	})
}

func sizes(a, b []record.Artifact) []ArtifactSizes {
	var all []ArtifactSizes
	for _, x := range a {
		s := ArtifactSizes{Name: x.Name, Before: x.Bytes, After: -1}
		if i := slices.IndexFunc(b, func(y record.Artifact) bool { return y.Name == x.Name }); i >= 0 {
			s.After, s.Same = b[i].Bytes, x.Digest != "" && x.Digest == b[i].Digest
		}
		all = append(all, s)
	}
	for _, y := range b {
		if !slices.ContainsFunc(a, func(x record.Artifact) bool { return x.Name == y.Name }) {
			all = append(all, ArtifactSizes{Name: y.Name, Before: -1, After: y.Bytes})
		}
	}
	return all
}

// Store is what the reports of a run are read from.
type Store interface {
	artifacts.Lister
	Get(ctx context.Context, key string) (io.ReadCloser, error)
}

// rerun matches the reports of a rerun, as package verdict stores them; first is where the others are read.
var rerun = regexp.MustCompile(`^rerun-\d+/`)

const first = "first"

const (
	maxReports = 500
	maxReport  = 64 << 20 // bytes
)

// Tests reads the reports that a run has stored in a folder, by way of a temporary one. It returns nil if there are
// none.
func Tests(ctx context.Context, s Store, folder string) (map[string]Test, error) {
	temp, err := os.MkdirTemp("", "runner-compare-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp)
	prefix, n := folder+"/junit/", 0
	for e, err := range s.List(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		if n++; n > maxReports {
			break
		}
		name := strings.TrimPrefix(e.Key, prefix)
		if !filepath.IsLocal(filepath.FromSlash(name)) {
			continue
		}
		if !rerun.MatchString(name) {
			name = first + "/" + name
		}
		if err := fetch(ctx, s, e.Key, filepath.Join(temp, filepath.FromSlash(name))); err != nil {
			return nil, err
		}
	}
	if n == 0 {
		return nil, nil
	}
	return readTests(temp)
}

func fetch(ctx context.Context, s Store, key, name string) error {
	r, err := s.Get(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it has expired
	}
	if err != nil {
		return err
	}
	defer r.Close()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, io.LimitReader(r, maxReport))
	return errors.Join(err, f.Close())
}

// readTests reads the reports of each start of the command by themselves, since a test has the same identity in all.
func readTests(dir string) (map[string]Test, error) {
	starts, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	tests := map[string]Test{}
	for _, start := range starts { // "first" comes before "rerun-1"
		visit := func(c results.Case) {
			if was, again := tests[c.Identity()]; !again || was.Status != "passed" || start.Name() == first {
				tests[c.Identity()] = Test{present.TestName(c), c.StatusText(), c.Duration}
			}
		}
		o := results.Options{Root: filepath.Join(dir, start.Name()), Globs: []string{"**"}, Visit: visit}
		if _, err := results.Read(o); err != nil {
			return nil, err
		}
	}
	return tests, nil
}

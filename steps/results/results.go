// Package results reads the JUnit reports that a step left behind into one result.
package results

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"
)

// Status is how a test case ended.
type Status string

// The ends of a test case.
const (
	Passed  Status = "passed"
	Failed  Status = "failed"
	Errored Status = "errored"
	Skipped Status = "skipped"
)

// Case is one test case.
type Case struct {
	Name     string        `json:"name"`
	Class    string        `json:"class,omitempty"`
	Suite    string        `json:"suite,omitempty"`
	File     string        `json:"file,omitempty"` // of the test, as its producer names it; empty if it does not say
	Status   Status        `json:"status"`
	Flaky    bool          `json:"flaky,omitempty"` // it passed after it had failed, its producer says
	Duration time.Duration `json:"-"`               // seconds in JSON
	Message  string        `json:"message,omitempty"`
	Details  string        `json:"details,omitempty"` // stack and difference, at most maxDetails bytes
	Report   string        `json:"report"`
}

// MarshalJSON writes the duration in seconds, as reports have it.
func (c Case) MarshalJSON() ([]byte, error) {
	type plain Case
	return json.Marshal(struct {
		plain
		Seconds float64 `json:"seconds"`
	}{plain(c), c.Duration.Round(time.Microsecond).Seconds()})
}

// Counts are numbers of test cases.
type Counts struct {
	Total       int `json:"total"`
	Failed      int `json:"failed"`
	Errored     int `json:"errored"`
	Skipped     int `json:"skipped"`
	Flaky       int `json:"flaky"`
	Quarantined int `json:"quarantined"`
}

// Report is a file that was read.
type Report struct {
	Path  string // slash-separated, relative to the root
	Tests int
	Size  int64 // bytes
}

// Problem is a report that was not read, or says something its cases do not.
type Problem struct {
	Report  string `json:"report"`
	Message string `json:"error"`
}

// Results is what all reports say together.
type Results struct {
	Counts
	Failures []Case // failed and errored ones, at most maxFailures; the counts have them all
	Slowest  []Case // at most ten, the slowest first
	Reports  []Report
	Problems []Problem
	Stale    []string // reports that are older than the command; they are not counted
	Duration time.Duration
}

// Red reports whether anything failed, or could not be read.
func (r Results) Red() bool { return r.Failed+r.Errored+len(r.Problems) > 0 }

const (
	maxFile     = 64 << 20 // bytes of a report: go-junit holds fifteen times as much in memory
	maxFailures = 200
	maxSlowest  = 10
	maxMessage  = 2 << 10 // bytes
	maxDetails  = 8 << 10 // bytes

	// granularity is how far a file's time may be before the moment it was written: some file systems count whole seconds.
	granularity = time.Second
)

// neverWalked are folders in which no report of a step is, and in which there is much to walk.
var neverWalked = []string{"node_modules", ".git", ".runner", ".pnpm-store"}

// Read reads every report below root that one of the globs matches and that was written after since; the zero time
// takes them all. The error is for what keeps it from looking; what is wrong with a report is a Problem of the result.
func Read(root string, globs []string, since time.Time) (Results, error) {
	var r Results
	for _, glob := range globs {
		if !doublestar.ValidatePattern(glob) {
			return r, fmt.Errorf("%q is no glob", glob)
		}
	}
	folder, err := os.OpenRoot(root)
	if err != nil {
		return r, err
	}
	defer folder.Close()
	names, err := match(folder.FS(), globs)
	if err != nil {
		return r, err
	}
	for _, name := range names {
		r.add(folder, name, since)
	}
	r.order()
	return r, nil
}

// match walks once for all globs, so that a report which two of them match is counted once.
func match(fsys fs.FS, globs []string) ([]string, error) {
	var names []string
	if !slices.ContainsFunc(globs, func(g string) bool {
		return strings.Contains(path.Dir(g), "**") || strings.ContainsAny(path.Dir(g), "*?[{")
	}) {
		// None crosses folders: there is no need to walk a whole workspace to find ./junit.xml.
		for _, glob := range globs {
			found, err := doublestar.Glob(fsys, path.Clean(glob), doublestar.WithNoFollow())
			if err != nil {
				return nil, err
			}
			names = append(names, found...)
		}
		slices.Sort(names)
		return slices.Compact(names), nil
	}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			if d != nil && d.IsDir() {
				return fs.SkipDir // a folder that may not be read holds no report of ours
			}
			return err
		}
		if d.IsDir() && slices.Contains(neverWalked, d.Name()) {
			return fs.SkipDir
		}
		for _, glob := range globs {
			if matched, _ := doublestar.Match(path.Clean(glob), name); matched {
				names = append(names, name)
				break
			}
		}
		return nil
	})
	return names, err
}

func (r *Results) add(folder *os.Root, name string, since time.Time) {
	text, modified, err := load(folder, name)
	if err != nil {
		r.problem(name, err)
		return
	}
	if modified.Add(granularity).Before(since) {
		r.Stale = append(r.Stale, name)
		return
	}
	cases, err := parse(text)
	r.Reports = append(r.Reports, Report{Path: name, Tests: len(cases), Size: int64(len(text))})
	for _, c := range cases {
		c.Report = name
		r.count(c)
	}
	if err != nil {
		r.problem(name, err)
		if len(cases) == 0 { // then nothing of it was read
			r.Reports = r.Reports[:len(r.Reports)-1]
		}
	}
}

func (r *Results) problem(name string, err error) {
	r.Problems = append(r.Problems, Problem{Report: name, Message: shorten(err.Error(), maxMessage)})
}

// load reads a report whole. Links are followed inside the root only; what would block is not opened.
func load(folder *os.Root, name string) ([]byte, time.Time, error) {
	info, err := folder.Stat(name)
	switch {
	case err != nil:
		var p *fs.PathError
		if errors.As(err, &p) {
			err = p.Err
		}
		return nil, time.Time{}, fmt.Errorf("it cannot be opened: %w", err)
	case info.IsDir():
		return nil, time.Time{}, errors.New("it is a folder")
	case !info.Mode().IsRegular():
		return nil, time.Time{}, errors.New("it is no regular file")
	case info.Size() > maxFile:
		return nil, time.Time{}, fmt.Errorf("it has %d MiB; at most %d MiB are read", info.Size()>>20, maxFile>>20)
	}
	f, err := folder.Open(name)
	if err != nil {
		return nil, time.Time{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile))
	return text, info.ModTime(), err
}

func (r *Results) count(c Case) {
	r.Total++
	r.Duration += c.Duration
	switch c.Status {
	case Failed:
		r.Failed++
	case Errored:
		r.Errored++
	case Skipped:
		r.Skipped++
	}
	if c.Flaky {
		r.Flaky++
	}
	if (c.Status == Failed || c.Status == Errored) && len(r.Failures) < maxFailures {
		r.Failures = append(r.Failures, c)
	}
	// Kept sorted while it is short, so that a million cases cost no memory.
	if i, _ := slices.BinarySearchFunc(r.Slowest, c, slower); i < maxSlowest && c.Duration > 0 {
		c.Details = ""
		r.Slowest = slices.Insert(r.Slowest, i, c)
		r.Slowest = r.Slowest[:min(len(r.Slowest), maxSlowest)]
	}
}

func slower(a, b Case) int {
	if a.Duration != b.Duration {
		return int(min(max(b.Duration-a.Duration, -1), 1))
	}
	return strings.Compare(a.Name, b.Name)
}

func (r *Results) order() {
	slices.SortStableFunc(r.Failures, func(a, b Case) int { return strings.Compare(a.File+"\x00"+a.Class, b.File+"\x00"+b.Class) })
}

// shorten cuts text at a rune's boundary.
func shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}

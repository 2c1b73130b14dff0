package results

import (
	"cmp"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/joshdk/go-junit"

	"github.com/carlin-cicd/runner/steps/freshness"
	"github.com/carlin-cicd/runner/steps/xmlstream"
)

// maxAttempts bounds the failures of a report whose later attempts are looked for.
const maxAttempts = 10_000

// collector fills Results, a report after the other.
type collector struct {
	*Results
	files  fileSet
	report string
	failed map[uint64]failure // in the report being read, by their attempt
	visit  func(Case)         // may be nil
}

// failure is a failed case that another attempt may follow.
type failure struct {
	status junit.Status
	index  int // in Failures, -1 if it is not kept
}

func newCollector(r *Results) *collector {
	return &collector{Results: r, files: fileSet{}, failed: map[uint64]failure{}}
}

func (c *collector) read(folder *os.Root, name string, since time.Time) {
	f, info, err := open(folder, name)
	if err != nil {
		c.addProblem(name, err)
		return
	}
	defer f.Close()
	if !c.files.add(info) {
		return
	}
	if freshness.Stale(info.ModTime(), since) {
		c.Stale = append(c.Stale, name)
		return
	}
	before := c.Total
	// A file that is still written to has no end: the limit is its size when it was opened.
	err = c.readFrom(io.LimitReader(f, info.Size()), name)
	if tests := c.Total - before; err == nil || tests > 0 {
		c.Reports = append(c.Reports, Report{Path: name, Tests: tests, Size: info.Size()})
	}
}

func (c *collector) readFrom(in io.Reader, name string) error {
	c.report = name
	clear(c.failed)
	_, err := readReport(xmlstream.UTF8(in), c.add)
	if err != nil {
		c.addProblem(name, err)
	}
	return err
}

func (c *collector) addProblem(name string, err error) {
	c.Problems = append(c.Problems, Problem{Report: name, Message: shorten(err.Error(), maxMessage)})
}

// add counts a case, and keeps it if one of the lists has room for it.
func (c *collector) add(t *testCase) {
	c.Duration += t.Duration
	if c.visit != nil {
		c.visit(newCase(t, c.report))
	}
	if c.isLaterAttempt(t) {
		return
	}
	c.Total++
	switch t.Status {
	case Failed:
		c.Failed++
		c.addFailure(t)
	case Errored:
		c.Errored++
		c.addFailure(t)
	case Skipped:
		c.Skipped++
	case Passed:
		if t.flaky {
			c.Flaky++
			c.addFlaky(newCase(t, c.report))
		}
	}
	if n := len(c.Slowest); t.Duration > 0 && (n < maxSlowest || t.Duration > c.Slowest[n-1].Duration) {
		slow := newCase(t, c.report)
		slow.Details = ""
		i, _ := slices.BinarySearchFunc(c.Slowest, slow, compareSlowest)
		c.Slowest = slices.Insert(c.Slowest, i, slow)
		c.Slowest = c.Slowest[:min(len(c.Slowest), maxSlowest)]
	}
}

// isLaterAttempt reports whether a case is a further attempt of one that failed before. If it passed, the test is
// flaky.
func (c *collector) isLaterAttempt(t *testCase) bool {
	earlier, known := c.failed[t.attempt]
	if !known || t.Status == Skipped {
		return false
	}
	if t.Status != Passed {
		return true
	}
	delete(c.failed, t.attempt)
	c.Flaky++
	if earlier.status == Errored {
		c.Errored--
	} else {
		c.Failed--
	}
	if earlier.index >= 0 {
		first := &c.Failures[earlier.index]
		first.Status, first.Flaky = Passed, true
		c.addFlaky(*first)
	}
	return true
}

func (c *collector) addFailure(t *testCase) {
	index := -1
	if len(c.Failures) < maxFailures {
		index = len(c.Failures)
		c.Failures = append(c.Failures, newCase(t, c.report))
	}
	if t.attempt != 0 && len(c.failed) < maxAttempts {
		c.failed[t.attempt] = failure{t.Status, index}
	}
}

func (c *collector) addFlaky(found Case) {
	if len(c.FlakyCases) < maxFailures {
		c.FlakyCases = append(c.FlakyCases, found)
	}
}

// finish sorts the lists.
func (c *collector) finish() {
	c.Failures = slices.DeleteFunc(c.Failures, func(f Case) bool { return f.Status == Passed })
	for _, list := range [][]Case{c.Failures, c.FlakyCases} {
		slices.SortStableFunc(list, func(a, b Case) int {
			return cmp.Or(strings.Compare(a.File, b.File), strings.Compare(a.Class, b.Class))
		})
	}
}

func compareSlowest(a, b Case) int {
	return cmp.Or(cmp.Compare(b.Duration, a.Duration), strings.Compare(a.Name, b.Name))
}

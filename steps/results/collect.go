package results

import (
	"cmp"
	"os"
	"slices"
	"strings"
	"time"
)

// maxAttempts bounds the failures of a report whose later attempts are looked for.
const maxAttempts = 10_000

// collection is a result in the making.
type collection struct {
	*Results
	read   files
	report string
	failed map[uint64]failure // of the report at hand, by their attempt
	see    func(Case)         // nil if nobody asks
}

// failure is one that may yet be followed by another attempt.
type failure struct {
	status Status
	place  int // in Failures, -1 if it was not kept
}

func newCollection(r *Results) *collection {
	return &collection{Results: r, read: files{}, failed: map[uint64]failure{}}
}

func (c *collection) add(folder *os.Root, name string, since time.Time) {
	f, info, err := open(folder, name)
	if err != nil {
		c.problem(name, err)
		return
	}
	defer f.Close()
	if !c.read.first(info) {
		return
	}
	if stale(info.ModTime(), since) {
		c.Stale = append(c.Stale, name)
		return
	}
	before := c.Total
	c.report = name
	clear(c.failed)
	err = parse(f, info, c.count)
	if err != nil {
		c.problem(name, err)
	}
	if tests := c.Total - before; err == nil || tests > 0 { // else nothing of it was read
		c.Reports = append(c.Reports, Report{Path: name, Tests: tests, Size: info.Size()})
	}
}

func (c *collection) problem(name string, err error) {
	c.Problems = append(c.Problems, Problem{Report: name, Message: shorten(err.Error(), maxMessage)})
}

// count takes a case in. Its texts are made only where they are kept, so that a million of cases costs no memory.
func (c *collection) count(e *entry) {
	c.Duration += e.duration
	if c.see != nil {
		c.see(e.toCase(c.report))
	}
	if again := c.attempt(e); again {
		return
	}
	c.Total++
	switch e.status() {
	case Failed:
		c.Failed++
		c.fail(e)
	case Errored:
		c.Errored++
		c.fail(e)
	case Skipped:
		c.Skipped++
	case Passed:
		if e.flaky {
			c.Flaky++
			c.flaky(e.toCase(c.report))
		}
	}
	if n := len(c.Slowest); e.duration > 0 && (n < maxSlowest || e.duration > c.Slowest[n-1].Duration) {
		slow := e.toCase(c.report)
		slow.Details = ""
		i, _ := slices.BinarySearchFunc(c.Slowest, slow, slower)
		c.Slowest = slices.Insert(c.Slowest, i, slow)
		c.Slowest = c.Slowest[:min(len(c.Slowest), maxSlowest)]
	}
}

// attempt reports whether a case is one that has failed before and was run again: then that is settled here.
func (c *collection) attempt(e *entry) bool {
	earlier, again := c.failed[e.attempt]
	if !again || e.status() == Skipped {
		return false
	}
	if e.status() != Passed {
		return true
	}
	delete(c.failed, e.attempt)
	c.Flaky++
	if earlier.status == Errored {
		c.Errored--
	} else {
		c.Failed--
	}
	if earlier.place >= 0 {
		was := &c.Failures[earlier.place]
		was.Status, was.Flaky = Passed, true
		c.flaky(*was)
	}
	return true
}

func (c *collection) fail(e *entry) {
	place := -1
	if len(c.Failures) < maxFailures {
		place = len(c.Failures)
		c.Failures = append(c.Failures, e.toCase(c.report))
	}
	if e.attempt != 0 && len(c.failed) < maxAttempts {
		c.failed[e.attempt] = failure{e.status(), place}
	}
}

func (c *collection) flaky(found Case) {
	if len(c.FlakyCases) < maxFailures {
		c.FlakyCases = append(c.FlakyCases, found)
	}
}

// finish puts the lists in order.
func (c *collection) finish() {
	c.Failures = slices.DeleteFunc(c.Failures, func(f Case) bool { return f.Status == Passed })
	for _, list := range [][]Case{c.Failures, c.FlakyCases} {
		slices.SortStableFunc(list, func(a, b Case) int {
			return cmp.Or(strings.Compare(a.File, b.File), strings.Compare(a.Class, b.Class))
		})
	}
}

func slower(a, b Case) int {
	return cmp.Or(cmp.Compare(b.Duration, a.Duration), strings.Compare(a.Name, b.Name))
}

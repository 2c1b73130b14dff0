package results

import (
	"cmp"
	"hash/maphash"
	"io"
	"os"
	"path"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/joshdk/go-junit"

	"github.com/carlin-cicd/runner/steps/freshness"
	"github.com/carlin-cicd/runner/steps/xmlstream"
)

// The bounds of what a collector remembers of cases that it does not keep.
const (
	maxAttempts = 10_000    // failures of a report whose later attempts are looked for
	maxSeen     = 1_000_000 // identities whose namesakes are counted
)

// collector fills Results, a report after the other.
type collector struct {
	*Results
	files  fileSet
	report string
	visit  func(Case) // may be nil
	seed   maphash.Seed
	seen   map[uint64]sighting
	places map[uint64]uint32  // number of later cases by identity and what they are within
	suites uint64             // of the reports before the one being read
	failed map[uint64]*failed // in the report being read, by suite and identity
	begun  map[uint64]*failed // the same by identity, of suites that say when they began
	groups map[uint64]bool    // of vitest's tests in the report being read, by suite and name
	merges []*failed          // of all reports: a later case of the same name passed
	kept   []uint64           // the identities of Failures
}

// sighting is what is remembered of the cases of an identity.
type sighting struct {
	count uint32
	suite uint32 // of the last one, among those of all reports

	within uint32 // of the first one, a digest
	mixed  bool   // another one has another
}

// failed is a test whose case failed, with its later attempts.
type failed struct {
	statuses []junit.Status // of the failed cases
	indices  []int          // of those in Failures that are kept
	within   string         // see Case.Within
	began    time.Time      // the suite of the last one; zero if the report does not say
	passed   bool           // a later case passed
	retried  bool           // the cases can be attempts of one test: all but the last failed
}

func newCollector(r *Results) *collector {
	return &collector{
		Results: r, files: fileSet{}, seed: maphash.MakeSeed(), seen: map[uint64]sighting{}, places: map[uint64]uint32{}, failed: map[uint64]*failed{},
		begun: map[uint64]*failed{}, groups: map[uint64]bool{},
	}
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
	clear(c.begun)
	clear(c.groups)
	r := reader{scanner: xmlstream.New(xmlstream.UTF8(in)), visit: c.add}
	err := r.read()
	c.suites += r.begun + 1
	c.CutShort = cmp.Or(c.CutShort, r.cutShort)
	if err != nil {
		c.addProblem(name, err)
	}
	for _, f := range c.failed {
		if f.passed && f.retried {
			c.merges = append(c.merges, f)
		}
	}
	return err
}

func (c *collector) addProblem(name string, err error) {
	c.Problems = append(c.Problems, Problem{Report: name, Message: shorten(err.Error(), maxMessage)})
}

// add counts a case, and keeps it if one of the lists has room for it.
func (c *collector) add(t *testCase) {
	c.Duration += t.Duration
	id := c.hash(t, 0)
	before, suite := c.seen[id], uint32(c.suites+t.number)
	occurrence, repeated := before.count, before.count > 0 && before.suite == suite
	within := c.within(t)
	place := c.count(id, before, within)
	if c.visit != nil {
		visited := newCase(t, c.report, occurrence)
		visited.Around, visited.Place = t.around, place
		c.visit(visited)
	}
	earlier := c.earlier(t, id)
	if earlier != nil && c.addAttempt(earlier, t) {
		return
	}
	if occurrence > 0 || len(c.seen) < maxSeen {
		c.see(id, before, suite, within)
	}
	c.Total++
	switch t.Status {
	case Failed:
		c.Failed++
		c.addFailure(t, earlier, occurrence, place, repeated)
	case Errored:
		c.Errored++
		c.addFailure(t, earlier, occurrence, place, repeated)
	case Skipped:
		c.Skipped++
	case Passed:
		if t.flaky {
			c.Flaky++
			c.addFlaky(newCase(t, c.report, occurrence))
		}
	}
	c.addSlow(t, occurrence)
	c.addGroups(t)
}

// digest is 0 for nothing.
func digest(seed maphash.Seed, within string) uint32 {
	if within == "" {
		return 0
	}
	return uint32(maphash.String(seed, within))
}

func (c *collector) within(t *testCase) uint32 { return digest(c.seed, t.within) }

// count is the number of cases of an identity that are within the same.
func (c *collector) count(id uint64, seen sighting, within uint32) int {
	if seen.count == 0 {
		return 0
	}
	n := c.places[placeKey(id, within)]
	if seen.within == within {
		n++
	}
	return int(n)
}

func placeKey(id uint64, within uint32) uint64 { return id + uint64(within)<<32 + uint64(within) }

// see counts a case.
func (c *collector) see(id uint64, before sighting, suite, within uint32) {
	if before.count == 0 {
		c.seen[id] = sighting{1, suite, within, false}
		return
	}
	c.places[placeKey(id, within)]++
	c.seen[id] = sighting{before.count + 1, suite, before.within, before.mixed || within != before.within}
}

// earlier returns the failed cases that t can be a later attempt of: those of its suite, or of a suite of the same name
// that began before its own.
func (c *collector) earlier(t *testCase, id uint64) *failed {
	if len(c.failed) == 0 {
		return nil
	}
	if f := c.failed[c.hash(t, t.number)]; f != nil && f.within == t.within {
		return f
	}
	if f := c.begun[id]; f != nil && f.within == t.within && t.began.After(f.began) && !t.merged && t.Status != Skipped {
		return f
	}
	return nil
}

// addGroups remembers the suites in a test's name. vitest writes a suite whose hook failed as a case of its name, after
// all tests.
func (c *collector) addGroups(t *testCase) {
	if t.Classname == "" || t.Classname != t.suite.Name {
		return
	}
	group := *t
	for at := strings.LastIndex(t.Name, describes); at > 0; at = strings.LastIndex(group.Name, describes) {
		group.Name = group.Name[:at]
		id := c.hash(&group, t.number)
		if c.groups[id] || len(c.groups) >= maxAttempts {
			return
		}
		c.groups[id] = true
	}
}

func (c *collector) addSlow(t *testCase, occurrence uint32) {
	if n := len(c.Slowest); t.Duration <= 0 || n >= maxSlowest && t.Duration <= c.Slowest[n-1].Duration {
		return
	}
	slow := newCase(t, c.report, occurrence)
	slow.Details, slow.Excerpt = "", ""
	i, _ := slices.BinarySearchFunc(c.Slowest, slow, compareSlowest)
	c.Slowest = slices.Insert(c.Slowest, i, slow)
	c.Slowest = c.Slowest[:min(len(c.Slowest), maxSlowest)]
}

// hash identifies a test within this run: in a suite if its number is given, else in all of that name.
func (c *collector) hash(t *testCase, suite uint64) uint64 {
	var h maphash.Hash
	h.SetSeed(c.seed)
	maphash.WriteComparable(&h, suite)
	for _, part := range []string{path.Dir(c.report), projectOf(t), t.suite.Name, t.file, t.Classname, t.Name} {
		_, _ = h.WriteString(part) // never fails
		_ = h.WriteByte(0)
	}
	return h.Sum64()
}

// addAttempt reports whether a case that has the suite and the names of a failed one is certainly of the same test, so
// that it does not count again.
func (c *collector) addAttempt(f *failed, t *testCase) bool {
	switch {
	case t.Status == Errored && strings.HasPrefix(t.Message, "failed on teardown"): // pytest's second case of a test
		for _, i := range f.indices[:min(1, len(f.indices))] {
			c.Failures[i].Details = shorten(strings.TrimSpace(c.Failures[i].Details+"\n\n"+t.Message), maxDetails)
		}
		return true
	case t.Status == Skipped:
		f.retried = f.retried && f.passed
		return false
	case !t.unique:
		f.retried = f.retried && !f.passed // one pass ends the attempts
		f.passed = f.passed || t.Status == Passed
		return false
	case f.passed:
		return false
	case t.Status == Passed:
		f.passed, f.retried = true, false // it is merged here
		c.merge(f)
	}
	return true
}

// merge makes one flaky test of failed cases of which a later one passed.
func (c *collector) merge(f *failed) {
	for _, status := range f.statuses {
		if status == Errored {
			c.Errored--
		} else {
			c.Failed--
		}
	}
	c.Flaky++
	for n, i := range f.indices {
		first := &c.Failures[i]
		first.Status, first.Flaky = Passed, true
		if n == 0 {
			c.addFlaky(*first)
		}
	}
}

// addFailure keeps a failed case. If its suite had the name before and it did not fail, then the cases are no attempts
// but rows of a table.
func (c *collector) addFailure(t *testCase, earlier *failed, occurrence uint32, place int, repeated bool) {
	f := earlier
	switch {
	case f == nil && len(c.failed) < maxAttempts:
		f = &failed{within: t.within, retried: !repeated && !t.merged}
		c.failed[c.hash(t, t.number)] = f
	case f == nil:
		f = &failed{}
	case t.unique && f.passed: // it failed, passed, and failed again: a test of its own
		*f = failed{}
	}
	f.statuses = append(f.statuses, t.Status)
	if f.began = t.began; !f.began.IsZero() && !t.unique && len(c.begun) < maxAttempts {
		c.begun[c.hash(t, 0)] = f
	}
	if len(c.Failures) < maxFailures {
		f.indices = append(f.indices, len(c.Failures))
		kept := newCase(t, c.report, occurrence)
		kept.Place = place
		kept.Setup = kept.Setup || c.groups[c.hash(t, t.number)]
		c.Failures = append(c.Failures, kept)
		c.kept = append(c.kept, c.hash(t, 0))
	}
}

func (c *collector) addFlaky(found Case) {
	if len(c.FlakyCases) < maxFailures {
		c.FlakyCases = append(c.FlakyCases, found)
	}
}

// attemptsNote is for a failed case that may be an attempt of a test that passed.
const attemptsNote = "a later case of the same name passed: if that was a retry, have the tool merge attempts " +
	"(Gradle: reports.junitXml.mergeReruns = true)"

// finish decides about later attempts, and sorts the lists. Some tools write each attempt of a test as a case of its
// own. If the command passed, and each failure is followed by a case of the same name that passed, then these are
// attempts; else a row of a table of tests, which failed, cannot be told from an attempt.
func (c *collector) finish(commandPassed bool) {
	for i, id := range c.kept {
		f, seen := &c.Failures[i], c.seen[id]
		f.Namesakes, f.Mixed = int(seen.count), seen.mixed
		if f.Mixed {
			f.Namesakes = c.count(id, seen, digest(c.seed, f.Within))
		}
	}
	explained := 0
	for _, f := range c.merges {
		explained += len(f.statuses)
	}
	for _, f := range c.merges {
		if commandPassed && explained == c.Failed+c.Errored {
			continue
		}
		for _, i := range f.indices {
			c.Failures[i].AddNote(attemptsNote)
		}
	}
	if commandPassed && explained == c.Failed+c.Errored {
		for _, f := range c.merges {
			c.merge(f)
			c.Total -= len(f.statuses)
		}
	}
	c.Failures = slices.DeleteFunc(c.Failures, func(f Case) bool { return f.Status == Passed })
	for _, list := range [][]Case{c.Failures, c.FlakyCases} {
		sort.SliceStable(list, func(i, j int) bool {
			a, b := list[i], list[j]
			return cmp.Or(strings.Compare(a.File, b.File), strings.Compare(a.Class, b.Class)) < 0
		})
	}
}

func compareSlowest(a, b Case) int {
	return cmp.Or(cmp.Compare(b.Duration, a.Duration), strings.Compare(a.Name, b.Name))
}

package history

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/steps/results"
)

var began = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// at is the n-th run of main, at a commit of its own.
func at(n int) Run {
	return Run{
		ID:     fmt.Sprintf("run%03d", n),
		SHA:    fmt.Sprintf("a%06d%033d", n, 0),
		Branch: "main",
		At:     began.Add(time.Duration(n) * time.Hour),
		Passed: true,
	}
}

// test1 is the test that most tables here are about.
var test1 = results.Case{File: "a.test.js", Class: "a", Name: "adds"}

// sampleOf is a run of test1 with an outcome, beside another test that passes.
func sampleOf(outcome rune) *Sample {
	s := NewSample("", nil)
	other := test1
	other.Name, other.Status = "other", results.Passed
	s.Add(other)
	c := test1
	switch outcome {
	case missing:
		return s
	case 's':
		c.Status = results.Skipped
	case failed:
		c.Status = results.Failed
	case flaky:
		c.Status, c.Flaky = results.Passed, true
	case passed:
		c.Status = results.Passed
	}
	s.Add(c)
	return s
}

// historyOf is one of runs in which test1 ended so.
func historyOf(ends string) *History {
	h := &History{}
	for i, o := range ends {
		h.Add(at(i), sampleOf(o))
	}
	return h
}

func TestNotes(t *testing.T) {
	for _, c := range []struct{ name, ends, want string }{
		{"nothing in the first run", "F", ""},
		{"nothing of one that passes", "...", ""},
		{"that it fails since an earlier run", "..FF", "failing since a000002"},
		{"that it fails for the first time", "...F", "newly failing: passed at a000002 and 2 runs before"},
		{"that it is new", "---F", "new"},
		{"a run without it does not end its failing", ".F-F", "failing since a000001"},
		{"nor does one that skips it", ".FsF", "failing since a000001"},
		{"that it fails since the first run there is", "FFF", "failing since a000000"},
		{"a pass ends its failing", "F.F", "newly failing: passed at a000001"},
		{"a pass of two", "..F", "newly failing: passed at a000001 and in the run before"},
		{"runs without it do not count", ".-.-F", "newly failing: passed at a000002 and in the run before"},
		{"a flaky pass does, too", "F~F", "flaky 1 of the last 3"},
		{"both", "~.FF", "failing since a000002, flaky 1 of the last 4"},
		{"that it is flaky again", "~..~", "flaky 2 of the last 4"},
		{"nothing of one that is flaky for the first time ever", "~", ""},
		{"how often it was flaky when it is new", "--~", "new"},
		{"what is longer ago than the table", "." + strings.Repeat("F", 80), "failing since a000001"},
		{"what ended longer ago than the table does not count", "FF." + strings.Repeat(".", 80) + "F", "newly failing: passed at a000082 and 48 runs before"},
		{"only runs of the table count as flaky", "~~" + strings.Repeat(".", 48) + "~", "flaky 2 of the last 50"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := historyOf(c.ends)
			if got := h.Note(test1, "", at(len(c.ends)-1).ID).Text("main"); got != c.want {
				t.Errorf("after %s: %q, want %q", c.ends, got, c.want)
			}
		})
	}
}

func TestAFailureAtACommitThatAlsoPassedIsFlaky(t *testing.T) {
	for _, c := range []struct {
		name  string
		dirty bool
		want  int
	}{{"at one commit", false, 1}, {"but not if the files were not those of the commit", true, 0}} {
		t.Run(c.name, func(t *testing.T) {
			h := &History{}
			for i, o := range []rune{passed, failed, passed} {
				r := at(i)
				r.SHA, r.Dirty = at(0).SHA, c.dirty
				h.Add(r, sampleOf(o))
			}
			if got := h.Note(test1, "", at(2).ID).Flaky; got != c.want {
				t.Errorf("flaky in %d runs, want %d", got, c.want)
			}
		})
	}
}

func TestTheBranchIsNamedIfItIsAnotherOne(t *testing.T) {
	h := historyOf(".FF")
	if got := h.Note(test1, "", at(2).ID).Text("feature"); got != "failing since a000001 of main" {
		t.Error(got)
	}
	m := Revision{SHA: strings.Repeat("0", 40), Branch: "main", At: began}
	if got := m.Text("main"); got != "2026-03-01 12:00" {
		t.Errorf("without a commit: %q", got)
	}
}

func TestTheOrderInWhichRunsAreAddedDoesNotMatter(t *testing.T) {
	const runs = 30
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var ends strings.Builder
		for range runs {
			ends.WriteByte(outcomes[rnd.IntN(len(outcomes))])
		}
		want := historyOf(ends.String())
		got := &History{}
		for _, i := range rnd.Perm(runs) {
			if !got.Add(at(i), sampleOf(rune(ends.String()[i]))) {
				t.Fatalf("run %d is not taken", i)
			}
			if got.Add(at(i), sampleOf(failed)) {
				t.Fatalf("run %d is taken twice", i)
			}
		}
		if !reflect.DeepEqual(got.runs, want.runs) || !reflect.DeepEqual(got.tests, want.tests) {
			t.Fatalf("seed %d: %v, want %v", seed, got.tests, want.tests)
		}
	}
}

func TestARunThatIsOlderThanAFullTableIsLeftOut(t *testing.T) {
	h := &History{}
	for i := range maxRuns {
		h.Add(at(i+1), sampleOf(passed))
	}
	if h.Add(at(0), sampleOf(failed)) || len(h.runs) != maxRuns || h.runs[0].ID != at(1).ID {
		t.Errorf("%d runs from %s on", len(h.runs), h.runs[0].ID)
	}
}

func TestATestThatNoRunHasIsForgotten(t *testing.T) {
	h := historyOf("F" + strings.Repeat("-", maxRuns-1))
	if len(h.tests) != 2 {
		t.Fatalf("%d tests while there is a run with both", len(h.tests))
	}
	h.Add(at(maxRuns), sampleOf(missing))
	if len(h.tests) != 1 {
		t.Errorf("%d tests, though only one is run any more", len(h.tests))
	}
}

func TestTheTypicalDurationIsRobust(t *testing.T) {
	var typical int64
	for range 20 {
		typical = smooth(typical, 200)
	}
	typical = smooth(typical, 60_000)
	if typical != 220 {
		t.Errorf("one slow run makes it %d ms", typical)
	}
	for range 60 {
		typical = smooth(typical, 1000)
	}
	if typical < 900 || typical > 1100 {
		t.Errorf("it settles at %d ms of 1000", typical)
	}
	note := Note{Typical: 2 * time.Second}
	for d, want := range map[time.Duration]string{3 * time.Second: "", 4 * time.Second: "usually 2s"} {
		if got := note.SlowText(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
	if got := (Note{Typical: 10 * time.Millisecond}).SlowText(time.Second / 2); got != "" {
		t.Errorf("half a second is nothing: %q", got)
	}
}

func TestTheMeasureIsTheLastRunThatPassed(t *testing.T) {
	h := &History{}
	if _, ok := h.Baseline("x"); ok {
		t.Error("there is none")
	}
	for i, ok := range []bool{true, true, false, true} {
		r := at(i)
		r.Passed = ok
		h.Add(r, sampleOf(passed))
	}
	if r, ok := h.Baseline(at(3).ID); !ok || r.ID != at(1).ID {
		t.Errorf("%v", r)
	}
	if r, ok := h.Baseline("another"); !ok || r.ID != at(3).ID {
		t.Errorf("%v", r)
	}
}

func TestWhichTestItIs(t *testing.T) {
	of := func(c results.Case) key { return keyOf("/workspace", c) }
	same := of(results.Case{File: "a.js", Class: "a", Name: "n", Suite: "Chrome 120"})
	if same != of(results.Case{File: "/workspace/a.js", Class: "a", Name: "n", Suite: "Chrome 121", Report: "x"}) {
		t.Error("the folder and the browser make it another one")
	}
	for _, c := range []results.Case{{File: "b.js", Class: "a", Name: "n"}, {File: "a.js", Class: "b", Name: "n"}, {File: "a.js", Class: "a", Name: "m"}, {File: "a.js", Class: "an"}} {
		if of(c) == same {
			t.Errorf("%+v is another one", c)
		}
	}
	if of(results.Case{Suite: "s", Name: "n"}) == of(results.Case{Suite: "t", Name: "n"}) {
		t.Error("without a file the suite tells them apart")
	}
}

func TestWhatBecameOfACaseCounts(t *testing.T) {
	s := NewSample("", func(text string) string { return strings.ReplaceAll(text, "adds", "***") })
	bad, good := test1, test1
	bad.Status, good.Status = results.Failed, results.Passed
	s.Add(good)
	s.Add(bad)
	s.Add(good)
	if o := s.outcome(s.keyOf(test1)).outcome; o != failed {
		t.Errorf("of several, %c wins", o)
	}
	good.Flaky = true
	s.ApplyReruns(results.Results{FlakyCases: []results.Case{good}})
	if o := s.outcome(s.keyOf(test1)).outcome; o != flaky {
		t.Errorf("one that passed on a rerun is %c", o)
	}
	s.ApplyReruns(results.Results{QuarantinedCases: []results.Case{bad}})
	if o := s.outcome(s.keyOf(test1)).outcome; o != failed {
		t.Errorf("one in quarantine is %c", o)
	}
	if got := s.seen[s.keyOf(test1)].name; got != "a.test.js › a › ***" {
		t.Errorf("its name is kept as %q", got)
	}
}

func TestOfVeryManyTestsTheSameAreKept(t *testing.T) {
	const n = maxSeen + maxSeen/2
	order := rand.New(rand.NewPCG(1, 2)).Perm(n)
	fill := func(order []int) *History {
		s := NewSample("", nil)
		for _, i := range order {
			c := results.Case{Name: fmt.Sprint(i), Status: results.Passed}
			if i < 3 {
				c.Status = results.Failed
			}
			s.Add(c)
		}
		if len(s.seen) > maxSeen {
			t.Fatalf("%d are held", len(s.seen))
		}
		h := &History{}
		h.Add(at(0), s)
		return h
	}
	one := fill(order)
	slices.Sort(order)
	if other := fill(
		order,
	); len(one.tests) > maxTests || len(one.tests) < maxTests/4 ||
		!reflect.DeepEqual(one.tests, other.tests) {
		t.Errorf("%d and %d tests are kept", len(one.tests), len(other.tests))
	}
	for i := range 3 {
		if _, ok := one.tests[keyOf("", results.Case{Name: fmt.Sprint(i)})]; !ok {
			t.Error("one that failed is not among them")
		}
	}
}

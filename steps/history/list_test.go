package history

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/steps/results"
)

// historyOfTests has a test for each name, which ends in each run as its text says. It takes a millisecond for each
// character of its name.
func historyOfTests(tests map[string]string) *History {
	h := &History{}
	for i := range 50 {
		s := NewSample("", nil)
		for name, ends := range tests {
			if i >= len(ends) {
				return h
			}
			c := results.Case{Name: name, Status: results.Passed, Duration: time.Duration(len(name)) * time.Millisecond}
			switch rune(ends[i]) {
			case missing:
				continue
			case skipped:
				c.Status = results.Skipped
			case failed:
				c.Status = results.Failed
			case flaky:
				c.Flaky = true
			}
			s.Add(c)
		}
		h.Add(at(i), s)
	}
	return h
}

func TestLists(t *testing.T) {
	h := historyOfTests(map[string]string{
		"broken now":       ".....F",
		"new and broken":   "-----F",
		"broken for long":  ".F-sFF",
		"broken for short": "...FFF",
		"flaky":            ".~..~.",
		"flaky once, then": "...~..",
		"gone":             "...---",
		"just gone":        "....F-",
		"not run today":    ".....s",
		"never run":        "ssssss",
		"passes":           "......",
	})
	names := func(tests []Test) (all []string) {
		for _, t := range tests {
			all = append(all, t.Name)
		}
		return all
	}
	l := h.Lists()
	for list, c := range map[string]struct{ got, want []string }{
		"newly failing": {names(l.NewlyFailing), []string{"broken now", "new and broken"}},
		"failing":       {names(l.Failing), []string{"broken for long", "broken for short"}},
		"flaky":         {names(l.Flaky), []string{"flaky", "flaky once, then"}},
		"missing":       {names(l.Missing), []string{"just gone", "gone"}},
		"slowest": {names(l.Slowest), []string{
			"broken for short", "flaky once, then", "broken for long", "not run today", "broken now", "passes", "flaky",
		}},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("%s: %q, want %q", list, c.got, c.want)
		}
	}
	if got := len(h.Tests()); got != 11 {
		t.Errorf("%d tests in all", got)
	}
}

func TestWhatIsKnownOfATest(t *testing.T) {
	h := historyOfTests(map[string]string{"adds": ".s-~F", "adds well": "....."})
	found := h.Find("adds")
	if len(found) != 1 {
		t.Fatalf("a whole name is found %d times", len(found))
	}
	got := found[0]
	want := []Outcome{Passed, Skipped, Missing, Flaky, Failed}
	took := 4 * time.Millisecond
	if !reflect.DeepEqual(got.Outcomes, want) ||
		!reflect.DeepEqual(got.Times, []time.Duration{took, -1, -1, took, took}) || got.Seen != 4 {
		t.Errorf("%+v", got)
	}
	if got.Count(Skipped) != 1 || got.Latest() != Failed || !got.NewlyFailing() {
		t.Errorf("%+v", got)
	}
	if n := len(h.Find("DDS")); n != 2 {
		t.Errorf("a part of the names, in capitals, finds %d", n)
	}
	if n := len(h.Find(got.ID)); n != 1 {
		t.Errorf("its ID finds %d", n)
	}
}

// What the oldest run says goes with it, for all of its facts.
func TestTimesMoveWithTheTable(t *testing.T) {
	h := &History{}
	for i := range maxRuns + 5 {
		s := NewSample("", nil)
		s.Add(results.Case{Name: "adds", Status: results.Passed, Duration: time.Duration(i) * time.Millisecond})
		h.Add(at(i), s)
	}
	got := h.Find("adds")[0].Times
	if len(got) != maxRuns || got[0] != 5*time.Millisecond || got[maxRuns-1] != (maxRuns+4)*time.Millisecond {
		t.Errorf("%v", got)
	}
}

func TestTimesHaveTwoDigits(t *testing.T) {
	for d, want := range map[time.Duration]time.Duration{
		0:                       0,
		7 * time.Millisecond:    7 * time.Millisecond,
		99 * time.Millisecond:   99 * time.Millisecond,
		100 * time.Millisecond:  100 * time.Millisecond,
		994 * time.Millisecond:  990 * time.Millisecond,
		995 * time.Millisecond:  time.Second,
		1234 * time.Millisecond: 1200 * time.Millisecond,
		12_345 * time.Second:    12_000 * time.Second,
		30 * 24 * time.Hour:     2_600_000 * time.Second,
	} {
		text := seen{outcome: passed, milliseconds: d.Milliseconds()}.time()
		if got, ok := parseTime(text); len(text) != timeSize || !ok || got != want {
			t.Errorf("%v is stored as %q and read as %v, want %v", d, text, got, want)
		}
	}
	if text := (seen{outcome: passed, milliseconds: 1 << 62}).time(); !validTimes(text, 1) {
		t.Errorf("the longest time is stored as %q", text)
	}
}

func TestNamesSayEachThingOnce(t *testing.T) {
	for want, c := range map[string]results.Case{
		"src/a.js › price › adds":   {File: "/workspace/src/a.js", Class: "price", Name: "adds"},
		"src/a.js › price adds":     {File: "src/a.js", Class: "price", Name: "price adds"},
		"src/a.js › adds":           {File: "src/a.js", Class: "/workspace/src/a.js", Name: "adds"},
		"shop.Price › adds › [ios]": {Class: "shop.Price", Name: "adds", Project: "ios"},
	} {
		if got := NewSample("/workspace", nil).name(c); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	s := NewSample("", nil)
	s.Add(results.Case{Name: strings.Repeat("é", maxName), Status: results.Passed})
	for _, kept := range s.seen {
		if len(kept.name) > maxName {
			t.Error(fmt.Sprint(len(kept.name), " bytes are kept"))
		}
	}
}

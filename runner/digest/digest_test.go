package digest

import (
	"fmt"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/runner/record"
)

func TestADigestSumsUpWhatRan(t *testing.T) {
	to := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	from := to.Add(-7 * 24 * time.Hour)
	n := 0
	entry := func(day int, branch, step string, state record.State, seconds int) record.Entry {
		n++
		at := from.Add(time.Duration(day)*24*time.Hour + time.Duration(n)*time.Second)
		e := record.Entry{
			RunID: fmt.Sprintf("%03d", n), Branch: branch, Step: step, SHA: fmt.Sprintf("%040d", n), State: state,
			Started: at, Ended: at.Add(time.Duration(seconds) * time.Second), Dollars: 0.01,
		}
		if state == record.Failing {
			e.Cause = fmt.Sprintf("boom %d", n)
		}
		return e
	}
	runs := []record.Entry{
		entry(-1, "main", "test", record.Failing, 10), // before the period
		entry(0, "main", "build", record.Passed, 60),
		entry(1, "main", "test", record.Failing, 10), // 3: since here
		entry(2, "main", "test", record.Aborted, 10), // says nothing
		entry(3, "main", "test", record.Failing, 10),
		entry(3, "feature/x", "test", record.Failing, 10),
		entry(4, "feature/x", "test", record.Passed, 30),
		entry(5, "main", "build", record.Passed, 80),
		entry(5, "main", "build", record.Passed, 70),
		entry(6, "main", "deploy", record.Running, 0), // beyond its deadline
		entry(6, "main", "lint", record.Running, 0),   // running
		entry(7, "main", "lint", record.Failing, 1),   // after the period
	}
	runs[9].Ended, runs[9].Deadline = time.Time{}, runs[9].Started.Add(time.Hour)
	runs[10].Ended, runs[10].Deadline = time.Time{}, to.Add(time.Hour)
	runs[6].Tests = &record.EntryTests{Flakes: []string{"waits"}, Slowest: []record.SlowTest{{Name: "loads", Seconds: 3}, {Name: "adds", Seconds: 1}}}
	runs[5].Tests = &record.EntryTests{Flakes: []string{"waits", "jumps"}, Slowest: []record.SlowTest{{Name: "loads", Seconds: 5}}}
	d := Of(runs, from, to)
	if d.Runs != 9 || d.Failed != 4 || d.Rate != 0.5 || d.Seconds != 280 || record.Round(d.Dollars) != 0.09 {
		t.Errorf("in all: %+v", d)
	}
	if s := d.Steps[0]; s.Name != "test" || s.Runs != 5 || s.Failed != 3 || s.Median != 30 {
		t.Errorf("the steps are %+v", d.Steps)
	}
	if s := d.Steps[2]; s.Name != "build" || s.Median != 70 || s.Failed != 0 {
		t.Errorf("the steps are %+v", d.Steps)
	}
	if len(d.Failing) != 2 || d.Failing[0].Name != "test" || d.Failing[0].Branch != "main" || d.Failing[0].Runs != 2 ||
		d.Failing[0].SHA != runs[2].SHA || d.Failing[0].Cause != "boom 5" || d.Failing[1].Name != "deploy" {
		t.Errorf("what fails is %+v", d.Failing)
	}
	if len(d.Flaky) != 2 || d.Flaky[0].Name != "waits" || d.Flaky[0].Runs != 2 {
		t.Errorf("flaky: %+v", d.Flaky)
	}
	if len(d.Slow) != 2 || d.Slow[0].Name != "loads" || d.Slow[0].Seconds != 5 {
		t.Errorf("slow: %+v", d.Slow)
	}
	if empty := Of(nil, from, to); empty.Runs != 0 || empty.Rate != 0 || empty.Failing != nil {
		t.Errorf("of nothing: %+v", empty)
	}
}

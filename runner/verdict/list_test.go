package verdict

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/steps/history"
	"github.com/carlin-cicd/runner/steps/results"
)

// The list has each test once, as it ended after all, with its past, and what calls for action first.
func TestTheListOfAllTests(t *testing.T) {
	c := func(name string, status results.Case) results.Case {
		status.Name, status.File, status.ID = name, "src/a.test.ts", name
		return status
	}
	failed, passed := results.Case{Status: results.Failed}, results.Case{Status: results.Passed, Duration: 1500 * time.Microsecond}
	var v Verdict
	h, sample := &history.History{}, history.NewSample("/w", nil)
	for i := range 2 {
		before := history.NewSample("/w", nil)
		before.Add(c("adds", passed))
		h.Add(history.Run{ID: fmt.Sprint(i), At: time.Unix(int64(i), 0)}, before)
	}
	for _, one := range []results.Case{
		c("adds", passed), c("reads", failed), c("retried", failed), c("retried", passed), c("skips", results.Case{Status: results.Skipped}), c("rerun", failed),
	} {
		v.list.add(one, "/w")
		sample.Add(one)
	}
	h.Add(history.Run{ID: "3", At: time.Unix(9, 0)}, sample)
	v.past.history = h
	v.Tests = &results.Results{Failures: []results.Case{c("reads", failed)}, FlakyCases: []results.Case{c("retried", passed), c("rerun", passed)}}
	rows, beyond := v.All()
	var got []string
	for _, r := range rows {
		got = append(got, fmt.Sprintf("%s %s %q", r.Name, r.State, r.Past))
	}
	want := `reads failed "--F", retried flaky "--F", rerun flaky "--F", adds passed "...", skips skipped "--s"`
	if text := strings.Join(got, ", "); text != want || beyond != 0 {
		t.Errorf("%s and %d more\nwant %s", text, beyond, want)
	}
	if rows[3].Took != 2*time.Millisecond {
		t.Errorf("it took %v", rows[3].Took)
	}
	for i := range maxListed + 10 {
		v.list.add(c(fmt.Sprint("more", i), passed), "/w")
	}
	if rows, beyond = v.All(); len(rows) != maxListed || beyond != 10+5 {
		t.Errorf("%d tests and %d more", len(rows), beyond)
	}
	if rows[0].State != record.TestFailed {
		t.Errorf("the first one %s", rows[0].State)
	}
}

package present

import (
	"strings"
	"testing"
	"unicode"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/steps/results"
)

func TestSummaryOfAFailedRun(t *testing.T) {
	const want = `
test failed (failure, exit 1) in 1m2s
  error      the command exited with 1
  hint       see the report
  tests      208 passed, 1 of them flaky, 1 failed, 1 errored, 3 skipped, 1 quarantined, 214 in all
             40 fewer than at abcdef0 of main
    ✗ price › adds the tax once  (src/price.test.ts): newly failing: passed at 21fea54 and 3 runs before
      expected 119
      received 141.61
      at Object.<anonymous> (src/price.test.ts:12:23)
    ✗ starts
      no place
      boom
    ~ cart › reads: passed on rerun 1
      timed out
    - c › away: quarantined until 2999-12-31
      not here
  rerun      none: more than 10 tests failed
  slow       3s  slow one
  covered    83.1 % of lines (-1.25), 50.0 % of branches (±0) against 0123456 of main
  stack      failed: UPDATE_ROLLBACK_FAILED; not restored: it is DELETE_FAILED
  coverage   2 files, 3.0 MiB → .runner/artifacts/coverage/main/0123456789abcdef0123456789abcdef01234567
  pages      not published: AccessDenied
  record     .runner/artifacts/runs/main/0123456789abcdef0123456789abcdef01234567/test/01k
  report     .runner/artifacts/runs/main/0123456789abcdef0123456789abcdef01234567/test/01k/report.html
  usage      peak 1.0 GiB of 2.0 GiB of memory, 42.0 s of CPU, 3.0 GiB more of the disk; Fargate: 1 vCPU, 2 GB would fit (CPU was used up)
  cost       $0.0012 for 1m15s of 1 vCPU, 2 GB (eu-central-1, x86, on demand)
`
	if got := (Terminal{Directory: "/work/shop"}).Summary(failedRun()); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestSummaryOfARunThatPassed(t *testing.T) {
	run := record.Run{Identity: record.Identity{Step: "build"}, Passed: true, Reason: record.Success, Seconds: 2}
	if got := (Terminal{}).Summary(run); got != "\nbuild passed in 2s\n" {
		t.Errorf("got %q", got)
	}
	if got := (Terminal{Color: true}).Summary(run); got != "\nbuild \x1b[1m\x1b[32mpassed\x1b[0m in 2s\n" {
		t.Errorf("in color: %q", got)
	}
}

func TestSeveralStacksAreNamed(t *testing.T) {
	restored := func(a record.Action) *record.Rollback { return &record.Rollback{Action: a, Status: "UPDATE_COMPLETE"} }
	d := &record.Delivery{Rollback: restored(record.Failed), Problem: "refused", Stacks: []record.StackDelivery{
		{Stack: "app", Rollback: restored(record.Reapplied)},
		{Stack: "net", Rollback: restored(record.Failed), Problem: "refused"},
		{Stack: "new"},
	}}
	const want = "app reapplied: UPDATE_COMPLETE, net failed: UPDATE_COMPLETE; not restored: refused"
	if got := RollbackLine(d, nil); got != want {
		t.Errorf("got %q", got)
	}
	if got := stackLine(record.Run{Identity: record.Identity{Stack: "app, net, new"}, Delivery: d}); got != "stack "+want {
		t.Errorf("got %q", got)
	}
}

func TestSummaryLetsNoTextReachTheTerminal(t *testing.T) {
	text := Terminal{}.Summary(hostileRun()) + Refusal(hostileRun())
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if strings.ContainsFunc(line, func(c rune) bool { return unicode.IsControl(c) || c >= 0x202a && c <= 0x202e }) {
			t.Errorf("a control character is in %q", line)
		}
		if strings.HasPrefix(strings.TrimSpace(line), "::") || strings.Contains(line, "##[") {
			t.Errorf("a workflow command is in %q", line)
		}
	}
	if !strings.Contains(text, "␛]52;c;") {
		t.Errorf("the text itself is not shown: %s", text)
	}
}

func TestTheProjectOfATestIsShown(t *testing.T) {
	for want, c := range map[string]results.Case{
		"cart › adds [firefox]  (a.spec.ts)": {Name: "adds", Class: "cart", File: "a.spec.ts", Project: "firefox"},
		"[firefox] adds":                     {Name: "[firefox] adds", Project: "firefox"},
		"adds":                               {Name: "adds"},
	} {
		if got := TestName(c); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestSummaryShowsAFewTestsOfMany(t *testing.T) {
	text := Terminal{}.Summary(vastRun())
	if !strings.Contains(text, "    and 282 more\n") {
		t.Error("it does not say how many more there are")
	}
}

func TestRefusal(t *testing.T) {
	if got := Refusal(record.Run{Error: "RUNNER_TIMEOUT cannot be \"x\"", Hint: "write 15m"}); got != "runner: RUNNER_TIMEOUT cannot be \"x\"\nhint: write 15m\n" {
		t.Errorf("got %q", got)
	}
}

package cause

import (
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/steps/results"
)

// Each reason has the cause that says most: the reports before the stack, the stack before the output.
func TestWhatTheCauseIsMadeOf(t *testing.T) {
	output := func(text string) *Output {
		out := end(text, 1<<20, tail)
		return &out
	}
	failing := &record.Tests{
		Counts: results.Counts{Total: 9, Failed: 2, Errored: 1},
		Failures: []record.FailedTest{
			{Case: results.Case{Name: "adds", Class: "cart", Message: "no", Excerpt: "expected 3\nreceived 4"}, Path: "a.test.ts", Line: 12},
			{Case: results.Case{Name: "starts", Message: "boom"}},
		},
	}
	stack := []record.StackEvent{
		{Resource: "A", Status: "UPDATE_FAILED", Reason: "Resource update cancelled", Failed: true},
		{Resource: "B", Type: "AWS::S3::Bucket", Status: "CREATE_FAILED", Reason: "b already exists", Failed: true},
	}
	const tsc = "src/a.ts(3,5): error TS2322: x\n"
	for name, c := range map[string]struct {
		failure Failure
		kind    record.CauseKind
		summary string
		lines   string
		hint    string
	}{
		"failed tests": {
			Failure{Reason: record.Failure, Tests: failing, Stack: stack, Output: output(tsc)},
			record.CauseTests, "cart › adds (a.test.ts:12): expected 3",
			"cart › adds (a.test.ts:12)|  expected 3|  received 4|starts|  boom", "",
		},
		"a test of vitest, whose class is its file": {
			Failure{Reason: record.Failure, Tests: &record.Tests{
				Counts: results.Counts{Total: 1, Failed: 1},
				Failures: []record.FailedTest{{
					Case: results.Case{Name: "price > adds", Class: "src/price.test.ts", File: "src/price.test.ts", Message: "expected 1 to be 2"}, Path: "app/src/price.test.ts", Line: 3,
				}},
			}},
			record.CauseTests, "price > adds (app/src/price.test.ts:3): expected 1 to be 2", "price > adds (app", "",
		},
		"a failed test of Go": {
			Failure{Reason: record.Failure, Tests: &record.Tests{
				Counts:   results.Counts{Total: 1, Failed: 1},
				Failures: []record.FailedTest{{Case: results.Case{Name: "TestTax", Excerpt: "price_test.go:3: got 119, want 121"}, Path: "shop/price_test.go", Line: 3}},
			}},
			record.CauseTests, "TestTax (shop/price_test.go:3): got 119, want 121", "TestTax (shop", "",
		},
		"a test of Go that failed for the sake of its own": {
			Failure{Reason: record.Failure, Tests: &record.Tests{
				Counts: results.Counts{Total: 3, Failed: 2},
				Failures: []record.FailedTest{
					{Case: results.Case{Name: "TestTax", Class: "shop", Message: "Failed"}},
					{Case: results.Case{Name: "TestTax/of_books", Class: "shop", Message: "got 19, want 7"}},
				},
			}},
			record.CauseTests, "shop › TestTax/of_books: got 19, want 7", "shop › TestTax/of_books|  got 19, want 7", "",
		},
		"a full disk": {
			Failure{Reason: record.Failure, Output: output("tar: a: No space left on device\nerror: no space left on device\n")},
			record.CauseOutput, "error: no space", "", "ephemeralStorage",
		},
		"a passed command with red reports": {
			Failure{Reason: record.Results, Tests: failing}, record.CauseTests, "cart › adds (a.test.ts:12): expected 3", "cart ›", "",
		},
		"reports that cannot be read": {
			Failure{Reason: record.Results, Error: "unreadable", Output: output(tsc)}, record.CauseReason, "unreadable", "", "",
		},
		"a stack": {
			Failure{Reason: record.Failure, Stack: stack, Output: output(tsc)},
			record.CauseStack,
			"B (AWS::S3::Bucket) CREATE_FAILED: b already exists", "A UPDATE_FAILED: Resource update cancelled|B CREATE_FAILED", "",
		},
		"output":        {Failure{Reason: record.Failure, Output: output(tsc)}, record.CauseOutput, "src/a.ts(3,5): error TS2322: x", "src/a.ts", ""},
		"an own hint":   {Failure{Reason: record.Failure, Hint: "the heap is full", Output: output("Aborted\n")}, record.CauseExit, "a program aborted (SIGABRT)", "", "the heap"},
		"no command":    {Failure{Reason: record.Failure, Error: "rollback failed"}, record.CauseReason, "rollback failed", "", ""},
		"timeout":       {Failure{Reason: record.Timeout, Error: "too long", Output: output("a\nb\nc\nd\ne\nf\n")}, record.CauseReason, "too long", "b|c|d|e|f", ""},
		"out of memory": {Failure{Reason: record.OOM, Error: "killed", Output: output("a\n")}, record.CauseReason, "killed", "a", ""},
		"a service that says why": {
			Failure{Reason: record.ServiceFailed, Error: "service db ended: it exited with 1", Lines: []string{
				"db: starting", "2026-11-30 18:00:00 UTC [7] FATAL:  data directory has wrong ownership", "bye",
			}},
			record.CauseOutput, "service db ended: it exited with 1: 2026-11-30 18:00:00 UTC [7] FATAL: data directory has wrong ownership",
			"db: starting|2026-11-30", "",
		},
		"a service that does not": {
			Failure{Reason: record.ServiceFailed, Error: "service db ended: it exited with 0", Lines: []string{"working", " done "}},
			record.CauseOutput, "service db ended: it exited with 0; its output ends with: done", "working| done ", "",
		},
		"a service without a word": {
			Failure{Reason: record.ServiceFailed, Error: "service db was not ready within 1s", Hint: "raise it"},
			record.CauseReason, "service db was not ready within 1s", "", "raise it",
		},
		"cancelled": {Failure{Reason: record.Cancelled, Error: "stopped", Output: output(tsc)}, record.CauseReason, "stopped", "", ""},
		"a signal": {
			Failure{Reason: record.Signalled, Signal: "SEGV", Error: "the command died of SIGSEGV", Output: output("working\n")},
			record.CauseExit, "the command died of SIGSEGV", "working", "native code crashed",
		},
		"not found": {
			Failure{Reason: record.NotFound, Error: "pnpm: not found", Hint: "install it", Program: "pnpm"},
			record.CauseExit, "pnpm: not found", "", "corepack enable pnpm",
		},
		"not executable": {Failure{Reason: record.NotExecutable, Error: "x: cannot be executed", Hint: "chmod"}, record.CauseExit, "x: cannot be executed", "", "chmod"},
		"several secrets": {
			Failure{Reason: record.Secrets, Error: "2 secrets:\nA: denied\nB: gone", Hint: "allow it"}, record.CauseReason, "2 secrets:", "A: denied|B: gone", "allow it",
		},
		"dependencies":   {Failure{Reason: record.Source, Error: "not installed", Output: output("npm error notarget No version\n")}, record.CauseOutput, "not installed: npm error", "npm error", ""},
		"a silent 137":   {Failure{Reason: record.Failure, ExitCode: 137, Output: output("working\n")}, record.CauseExit, "a program was killed (SIGKILL)", "working", "KILL"},
		"timeout(1)":     {Failure{Reason: record.Failure, ExitCode: 124, Output: output("working\n")}, record.CauseExit, "timeout ended a part of the command", "working", "limit"},
		"127 of a shell": {Failure{Reason: record.Failure, ExitCode: 127, Output: output("sh: 1: vitest: not found\n")}, record.CauseExit, "vitest: not found", "", "devDependencies"},
	} {
		got := Of(c.failure)
		lines := strings.Join(got.Lines, "|")
		if got.Kind != c.kind || !strings.HasPrefix(got.Summary, c.summary) || !strings.HasPrefix(lines, c.lines) || !strings.Contains(got.Hint, c.hint) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := Of(Failure{Reason: record.Failure, Tests: failing}); got.More != 2 || got.Line != 12 || got.String() != got.Summary+" and 2 more" {
		t.Errorf("%+v", got)
	}
	if got := Of(Failure{Reason: record.Success}); got != nil {
		t.Errorf("the cause of a success is %+v", got)
	}
}

// Package cause derives why a run did not pass: from its failed tests, the stack it deployed, the exit code, the telling
// lines of its output, and else the reason's own words.
package cause

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/carlin-cicd/runner/runner/record"
)

// Failure is what is known of a run that did not pass.
type Failure struct {
	Reason   record.Reason
	ExitCode int
	Signal   string // that the command died of, such as SEGV; "" for none
	Error    string
	Hint     string
	Program  string // that could not be started; "" for another reason
	Tests    *record.Tests
	Stack    []record.StackEvent // of the stack that was deployed
	Lines    []string            // that explain the error, of another output than the command's
	Output   *Output             // of the command that failed; nil if there was none, or another part failed
	Places   Places
}

// Of returns why a run did not pass; nil if it did.
func Of(f Failure) *record.Cause {
	if f.Reason == record.Success {
		return nil
	}
	c := f.derive()
	c.Summary = clip(oneLine(c.Summary), maxSummary)
	if f.Reason != record.NotFound || c.Hint == "" {
		c.Hint = cmp.Or(f.Hint, c.Hint) // what was observed says more than what a code usually means
	}
	if len(c.Lines) > maxLines {
		c.Lines = c.Lines[:maxLines]
	}
	advise(&c)
	for i := range c.Lines {
		c.Lines[i] = clip(c.Lines[i], maxLineLength)
	}
	return &c
}

// The bounds of a cause, in bytes but for the number of lines.
const (
	maxSummary    = 400
	maxLines      = 20
	maxLineLength = 400
)

func (f Failure) derive() record.Cause {
	switch f.Reason {
	case record.Failure, record.Results:
		if f.Tests != nil && len(f.Tests.Failures) > 0 {
			return f.tests()
		}
		if c, ok := f.stack(); ok {
			return c
		}
		if f.Output != nil && f.Reason == record.Failure {
			return f.output()
		}
	case record.Source:
		if f.Output != nil { // the dependencies could not be installed
			c := f.output()
			c.Summary = f.Error + ": " + c.Summary
			return c
		}
	case record.Signalled:
		return f.signal()
	case record.NotFound:
		c := f.words(0)
		c.Kind = record.CauseExit
		if f.Program != "" {
			c.Hint = InstallAdvice(f.Program)
		}
		return c
	case record.NotExecutable:
		c := f.words(0)
		c.Kind = record.CauseExit
		return c
	case record.Timeout, record.OOM:
		return f.words(lastOfStopped)
	case record.ServiceFailed:
		return f.service()
	}
	return f.words(0)
}

// lastOfStopped is how many of the last lines show what a command was doing when it was ended.
const lastOfStopped = 5

// words is the reason's own message, with so many of the command's last lines.
func (f Failure) words(last int) record.Cause {
	c := record.Cause{Kind: record.CauseReason, Summary: f.Error}
	if summary, rest, found := strings.Cut(f.Error, "\n"); found {
		c.Summary, c.Lines = summary, strings.Split(rest, "\n")
	}
	if f.Output != nil && last > 0 {
		skipped := max(0, len(f.Output.last)-last)
		c.Lines = append(c.Lines, f.Output.last[skipped:]...)
		c.LogLine = f.Output.lastAt + skipped
	}
	return c
}

// service is a service beside the command that was not ready, or ended, with what its own output tells of why.
func (f Failure) service() record.Cause {
	c := f.words(0)
	if len(f.Lines) == 0 {
		return c
	}
	c.Kind, c.Lines = record.CauseOutput, f.Lines
	said := new(Watch).End([]byte(strings.Join(f.Lines, "\n")), 1, 0, true)
	if said.telling.weight < generic {
		c.Summary += "; its output ends with: " + strings.TrimSpace(f.Lines[len(f.Lines)-1])
		return c
	}
	told := f.told(said.telling)
	c.Summary += ": " + told.Summary
	c.Tool, c.Path, c.Line, c.Column = told.Tool, told.Path, told.Line, told.Column
	return c
}

// tests names the failed tests; the first few with what they say.
func (f Failure) tests() record.Cause {
	const shown = 3
	failures := withoutParents(f.Tests.Failures)
	parents := len(f.Tests.Failures) - len(failures)
	first := failures[0]
	c := record.Cause{
		Kind: record.CauseTests, Path: first.Path, Line: first.Line,
		More: max(f.Tests.Failed+f.Tests.Errored-parents, len(failures)) - 1,
	}
	c.Summary = testLine(first)
	says, _, _ := strings.Cut(first.Excerpt, "\n")
	says = strings.TrimSpace(cmp.Or(says, first.Message))
	if first.Path != "" { // Go begins with the place, which has been named
		says = strings.TrimPrefix(says, position(path.Base(first.Path), first.Line, 0)+": ")
	}
	if says != "" {
		c.Summary += ": " + says
	}
	for i, failed := range failures {
		if i == shown || len(c.Lines) >= maxLines-1 {
			break
		}
		c.Lines = append(c.Lines, testLine(failed))
		if failed.Excerpt != "" {
			for line := range strings.SplitSeq(failed.Excerpt, "\n") {
				c.Lines = append(c.Lines, "  "+line)
			}
		} else if failed.Message != "" {
			c.Lines = append(c.Lines, "  "+failed.Message)
		}
	}
	return c
}

// withoutParents leaves out the tests of Go that failed for the sake of one of their own, as their names tell.
func withoutParents(failures []record.FailedTest) []record.FailedTest {
	type test struct{ class, name string }
	parents := map[test]bool{}
	for _, failed := range failures {
		for i, c := range failed.Name {
			if c == '/' {
				parents[test{failed.Class, failed.Name[:i]}] = true
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(failures), func(failed record.FailedTest) bool {
		return parents[test{failed.Class, failed.Name}]
	})
}

// testLine names a test and its place: "price › adds the tax (src/price.test.ts:12)".
func testLine(t record.FailedTest) string {
	text := t.Name
	if t.Class != "" && t.Class != t.File && !strings.Contains(t.Name, t.Class) { // vitest: the class is the file
		text = t.Class + " › " + text
	}
	if t.Path != "" {
		text += " (" + position(t.Path, t.Line, 0) + ")"
	}
	return text
}

// stack names the first resource that failed by itself. CloudFormation cancels the others for its sake.
func (f Failure) stack() (record.Cause, bool) {
	for _, e := range f.Stack {
		if !e.Failed || e.Reason == "" || strings.Contains(e.Reason, "cancelled") {
			continue
		}
		c := record.Cause{Kind: record.CauseStack, Tool: "CloudFormation"}
		c.Summary = fmt.Sprintf("%s (%s) %s: %s", e.Resource, e.Type, e.Status, e.Reason)
		for _, e := range f.Stack {
			if e.Failed && len(c.Lines) < maxLines {
				c.Lines = append(c.Lines, strings.TrimSuffix(fmt.Sprintf("%s %s: %s", e.Resource, e.Status, e.Reason), ": "))
			}
		}
		return c, true
	}
	return record.Cause{}, false
}

// The codes by which shells and programs say more than that they failed.
const (
	codeTimeout       = 124
	codeNotExecutable = 126
	codeNotFound      = 127
	codeAbort         = 134
	codeKilled        = 137
	codeSegfault      = 139
	codeTerminated    = 143
)

// output is what the command itself said.
func (f Failure) output() record.Cause {
	t := f.Output.telling
	if t.weight <= wrapper || isOfExit(f.ExitCode) && t.kind != record.CauseExit && t.weight < strong {
		if c, ok := f.exit(); ok {
			return c
		}
	}
	switch {
	case t.weight != nothing:
		return f.told(t)
	case len(f.Output.last) > 0:
		c := record.Cause{Kind: record.CauseOutput, Lines: f.Output.last, LogLine: f.Output.lastAt}
		c.Summary = f.Error + "; its output ends with: " + strings.TrimSpace(c.Lines[len(c.Lines)-1])
		return c
	}
	c := f.words(0)
	c.Hint = "the command printed nothing: see what it does with its output, or trace it (set -x)"
	return c
}

// told makes a cause of the telling part of the output.
func (f Failure) told(t telling) record.Cause {
	t.list(f.Places.Find)
	c := record.Cause{
		Kind: t.kind, Tool: t.tool, Summary: t.summary, More: t.more, Lines: t.lines, LogLine: t.at, Hint: t.hint,
	}
	if path := f.Places.Find(t.path); path != "" {
		c.Path, c.Line, c.Column = path, t.line, t.column
		if at := position(path, t.line, 0); !strings.Contains(c.Summary, path) {
			c.Summary += " (" + at + ")"
		}
	}
	return c
}

func isOfExit(code int) bool {
	switch code {
	case codeTimeout, codeNotExecutable, codeNotFound, codeAbort, codeKilled, codeSegfault, codeTerminated:
		return true
	}
	return false
}

// exit explains a code that has a meaning of its own.
func (f Failure) exit() (record.Cause, bool) {
	what, hint := "", ""
	switch f.ExitCode {
	case codeTimeout:
		what, hint = "timeout ended a part of the command", "raise the limit of timeout in the command, or find out what it waited for"
	case codeNotExecutable:
		what, hint = "a program cannot be executed", "check its mode (chmod +x), its first line (#!), and the machine it was built for"
	case codeNotFound:
		what, hint = "a program was not found", "install it in the image of the task, or add its folder to PATH"
	case codeAbort:
		what, hint = "a program aborted (SIGABRT)", abortAdvice
	case codeKilled:
		what, hint = "a program was killed (SIGKILL)", killAdvice
	case codeSegfault:
		what, hint = "a program crashed (SIGSEGV)", segfaultAdvice
	case codeTerminated:
		what, hint = "a program was terminated (SIGTERM)", "another process sent TERM: look for kill, timeout, or a supervisor in the command"
	default:
		return record.Cause{}, false
	}
	return record.Cause{
		Kind: record.CauseExit, Summary: what, Lines: f.Output.last, LogLine: f.Output.lastAt, Hint: hint,
	}, true
}

// signal is a command that died itself, without a shell that would say so.
func (f Failure) signal() record.Cause {
	c := f.words(0)
	c.Kind = record.CauseExit
	if f.Output != nil {
		if t := f.Output.telling; t.weight == strong && t.kind == record.CauseOutput {
			told := f.told(t)
			c.Summary, c.Lines, c.LogLine = told.Summary+": "+c.Summary, told.Lines, told.LogLine
		} else {
			c.Lines, c.LogLine = f.Output.last, f.Output.lastAt
		}
	}
	c.Hint = map[string]string{"SEGV": segfaultAdvice, "ABRT": abortAdvice, "KILL": killAdvice}[f.Signal]
	return c
}

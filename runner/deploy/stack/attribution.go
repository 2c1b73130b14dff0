package stack

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
)

// CloudFormation does not say who began an operation: its events have the request's token, if it had one, and no more.
// This attributes an operation:
//
//   - Ours have our token.
//   - One that began after the command ended is not the command's, and neither is one from the console.
//   - A command begins one operation each time it is started. Of more than that, one is another party's.
//   - A command whose update was refused because the stack was busy did not begin what was in progress.
//
// What is left is one operation that begins while the command runs, when the command began none: it is attributed to
// the command.

// operation is a requested change of a stack: an update, a deletion, a manual rollback.
type operation struct {
	Event      // with which it began
	late  bool // it began after the command ended
}

// operations finds the operations in events. CloudFormation may announce one twice, as when it expands macros first,
// so one begins where none was in progress, or where the token is another.
func operations(events []Event, o RestoreOptions) []operation {
	var found []operation
	late := o.LastEvent == "" || o.LastEvent == o.Before.LastEvent
	inProgress, token := false, ""
	for _, e := range events {
		if e.begins() && (!inProgress || e.Token != token) {
			found = append(found, operation{e, late})
		}
		if e.OfStack {
			inProgress, token = strings.HasSuffix(e.Status, "_IN_PROGRESS"), e.Token
		}
		late = late || e.ID == o.LastEvent
	}
	return found
}

// foreignOperation describes an operation of another party, and how that is known; "" if there is none.
func (r *restoration) foreignOperation() string {
	if r.OverOthers {
		return ""
	}
	describe := func(o operation, evidence string) string {
		return fmt.Sprintf("%s at %s %s", o.Status, o.Time.UTC().Format("15:04:05 UTC"), evidence)
	}
	const after = "began after the command ended"
	began, ours, most := 0, 0, max(r.Starts, 1)
	var unsigned []operation // after the command's end
	for _, o := range operations(r.events, r.RestoreOptions) {
		switch {
		case o.late && r.Token != "" && strings.HasPrefix(o.Token, r.Token):
			ours++
		case o.late && o.Token == "":
			unsigned = append(unsigned, o)
		case o.late:
			return describe(o, after)
		case strings.HasPrefix(o.Token, "Console-"):
			return describe(o, "was begun in the console")
		case r.Refused:
			return describe(o, "was in progress when CloudFormation refused the command's update")
		default:
			if began++; began > most {
				return describe(o, fmt.Sprintf("is operation %d, and the command was started %s", began, times(most)))
			}
		}
	}
	// Imitations of CloudFormation may omit our tokens. Then as many operations as we requested are ours.
	if n := len(unsigned); n > 0 && (ours > 0 || n > r.requests) {
		return describe(unsigned[n-1], after)
	}
	return ""
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// RefusalDetector reads a command's output and detects CloudFormation's message that a stack is busy, which every
// tool passes on: "Stack:arn:…:stack/NAME/… is in UPDATE_IN_PROGRESS state and can not be updated."
type RefusalDetector struct {
	message *regexp.Regexp
	line    []byte
	seen    atomic.Bool
}

// maxLine is how much of a line is searched, in bytes.
const maxLine = 4 << 10

// NewRefusalDetector returns a detector for the stack.
func NewRefusalDetector(name string) *RefusalDetector {
	return &RefusalDetector{
		message: regexp.MustCompile(`:stack/` + regexp.QuoteMeta(name) + `/\S+ is in [A-Z_]+_IN_PROGRESS state`),
	}
}

// Write implements io.Writer. It never fails.
func (d *RefusalDetector) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		at := bytes.IndexByte(rest, '\n')
		line := rest
		if at >= 0 {
			line = rest[:at]
		}
		d.line = append(d.line, line[:min(len(line), maxLine-len(d.line))]...)
		if at < 0 {
			break
		}
		d.searchLine()
		rest = rest[at+1:]
	}
	return len(p), nil
}

func (d *RefusalDetector) searchLine() {
	if d.message.Match(d.line) {
		d.seen.Store(true)
	}
	d.line = d.line[:0]
}

// Seen reports whether the message was in the output.
func (d *RefusalDetector) Seen() bool {
	if d == nil {
		return false
	}
	d.searchLine()
	return d.seen.Load()
}

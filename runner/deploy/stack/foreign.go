package stack

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
)

// CloudFormation does not say who began an operation: its events have the request's token, if it had one, and no more.
// What is known about whose it was:
//
//   - Ours have our token.
//   - One that began after the command had ended is not the command's, and neither is one of the console.
//   - A command begins one operation each time it is started; of more than that, one is somebody else's.
//   - A command that was refused since somebody was at work has not begun what was at work.
//
// What is left is one operation that begins while the command runs, of which the command has begun none: that is taken for the
// command's.

// operation is something that was asked of a stack: an update, a deletion, a rollback by hand.
type operation struct {
	Event      // with which it began
	late  bool // it began after the command had ended
}

// operations finds them. CloudFormation may say twice that one is on, as when it expands macros first, so one begins where
// none was on, or where the token is another.
func operations(events []Event, r Restoration) []operation {
	var found []operation
	late := r.Last == "" || r.Last == r.Before.LastEvent
	on, token := false, ""
	for _, e := range events {
		if e.begins() && (!on || e.Token != token) {
			found = append(found, operation{e, late})
		}
		if e.OfStack {
			on, token = strings.HasSuffix(e.Status, "_IN_PROGRESS"), e.Token
		}
		late = late || e.ID == r.Last
	}
	return found
}

// foreign says which operation is somebody else's, and how that is known; "" if none is.
func (w *way) foreign() string {
	if w.Anyone {
		return ""
	}
	theirs := func(o operation, how string) string {
		return fmt.Sprintf("%s at %s %s", o.Status, o.Time.UTC().Format("15:04:05 UTC"), how)
	}
	const after = "began after the command had ended"
	began, ours, most := 0, 0, max(w.Attempts, 1)
	var unsigned []operation // after the command's end
	for _, o := range operations(w.events, w.Restoration) {
		switch {
		case o.late && w.Token != "" && strings.HasPrefix(o.Token, w.Token):
			ours++
		case o.late && o.Token == "":
			unsigned = append(unsigned, o)
		case o.late:
			return theirs(o, after)
		case strings.HasPrefix(o.Token, "Console-"):
			return theirs(o, "was begun in the console")
		case w.Refused:
			return theirs(o, "was on when the command asked for an update, which was refused")
		default:
			if began++; began > most {
				return theirs(o, fmt.Sprintf("is operation %d, and the command was started %s", began, times(most)))
			}
		}
	}
	// What imitates CloudFormation may leave our tokens out; then as many operations as we have asked for are ours.
	if n := len(unsigned); n > 0 && (ours > 0 || n > w.asked) {
		return theirs(unsigned[n-1], after)
	}
	return ""
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// Refusal watches what a command says for CloudFormation's words that somebody is at work on the stack, which every tool
// passes on: "Stack:arn:…:stack/NAME/… is in UPDATE_IN_PROGRESS state and can not be updated."
type Refusal struct {
	words *regexp.Regexp
	line  []byte
	seen  atomic.Bool
}

// maxLine is how much of a line is looked at, in bytes.
const maxLine = 4 << 10

// NewRefusal watches for a stack.
func NewRefusal(name string) *Refusal {
	return &Refusal{words: regexp.MustCompile(`:stack/` + regexp.QuoteMeta(name) + `/\S+ is in [A-Z_]+_IN_PROGRESS state`)}
}

// Write implements io.Writer; it never fails.
func (r *Refusal) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		at := bytes.IndexByte(rest, '\n')
		line := rest
		if at >= 0 {
			line = rest[:at]
		}
		r.line = append(r.line, line[:min(len(line), maxLine-len(r.line))]...)
		if at < 0 {
			break
		}
		r.look()
		rest = rest[at+1:]
	}
	return len(p), nil
}

func (r *Refusal) look() {
	if r.words.Match(r.line) {
		r.seen.Store(true)
	}
	r.line = r.line[:0]
}

// Seen reports whether the words were said.
func (r *Refusal) Seen() bool {
	if r == nil {
		return false
	}
	r.look()
	return r.seen.Load()
}

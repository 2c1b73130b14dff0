// Package logs writes the runner's own records and the command's lines to one sink,
// as JSON for machines or as text for people.
package logs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// Format is what the log looks like on the sink's writer.
type Format int

const (
	// JSON is one object a line, for machines.
	JSON Format = iota
	// Text is for people.
	Text
)

// ParseFormat reads the value of RUNNER_LOG_FORMAT: "json", "text", or "auto" (also ""), which is
// text on a terminal and JSON elsewhere.
func ParseFormat(s string, terminal bool) (Format, error) {
	switch s {
	case "json":
		return JSON, nil
	case "text":
		return Text, nil
	case "", "auto":
		if terminal {
			return Text, nil
		}
		return JSON, nil
	}
	return JSON, fmt.Errorf("unknown log format %q: use auto, text or json", s)
}

// String returns the name that ParseFormat reads.
func (f Format) String() string {
	if f == Text {
		return "text"
	}
	return "json"
}

// MaxRecord is the length in bytes that no JSON line is longer than, its newline included. Log
// drivers cut longer lines wherever they like, which leaves two lines that are not JSON.
const MaxRecord = 16 << 10

// Options say how a sink writes. The zero value is JSON at level info.
type Options struct {
	Format Format
	Level  slog.Leveler // of the runner's own records; nil: info. The command's lines have no level to filter by
	Color  bool         // text: colour the runner's lines, keep the colours and links of the command's
	Live   bool         // text: the writer is a terminal, so show a line before its newline has come (a prompt, a progress bar)

	Attrs []slog.Attr      // on every JSON record, rendered once; text leaves them out
	File  io.Writer        // gets a copy of everything as JSON, whatever Format is; nil: none
	Now   func() time.Time // the time of the command's lines; nil: time.Now. Records bring their own
}

// Sink is where every line of a run comes together: whole lines only, in one order.
// It is safe for concurrent use.
//
// A write error is kept (Err) and ends the writing to where it came from, nothing else: a closed
// pipe on the writer does not stop File, a full disk under File does not stop the writer, and
// neither is ever the command's problem. Note that Go dies of SIGPIPE on the standard streams
// unless the program asks for that signal.
type Sink struct {
	level  slog.Leveler
	color  bool
	now    func() time.Time
	shared []byte    // Options.Attrs as `,"key":value…`
	pool   sync.Pool // *[]byte: records are rendered before mu is taken

	queue *queue

	mu   sync.Mutex
	json *output // nil if neither the reader nor the file gets JSON
	text *output // nil if the reader gets JSON
	file *file   // nil: the log is not stored
}

// New returns a sink that writes to w as o says. It closes neither w nor o.File.
func New(w io.Writer, o Options) *Sink {
	s := &Sink{level: o.Level, color: o.Color, now: o.Now, shared: sharedAttrs(o.Attrs)}
	if s.level == nil {
		s.level = slog.LevelInfo
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.pool.New = func() any { return new([]byte) }

	s.queue = newQueue(w)
	if o.File != nil {
		s.file = &file{w: o.File}
	}
	switch {
	case o.Format == JSON:
		s.json = newJSONOutput(s.file, s.queue, s.shared)
	default:
		s.text = newTextOutput(s.queue, o.Color, o.Live)
		if s.file != nil {
			s.json = newJSONOutput(s.file, nil, s.shared)
		}
	}
	return s
}

// Handler returns a slog.Handler that writes records to the sink. A JSON record that would be
// longer than MaxRecord has its longest values cut (they end in "…"), loses the attributes that
// still do not fit, and says so with "cut":true.
func (s *Sink) Handler() slog.Handler { return &handler{sink: s} }

// Command returns a writer for the raw output of a command. Lines are framed here, whatever the
// blocks are, and are with the sink's writers when Write returns. In JSON a line is a record with
// "source":"command". One that does not fit into MaxRecord, or that is not finished within a second
// (a prompt, dots that show progress), becomes several, cut between characters, all but the last
// with "partial":true. A line that overwrites itself, as progress bars do, is not cut before its end.
//
// A line is what a terminal would have shown last: see framer. Write fails only after Close; the
// errors of the sink's writers are found in Err, because a command must not notice them.
func (s *Sink) Command() io.WriteCloser { return s.Source("") }

// Source is Command for another program beside it: its lines have its name as the source, or begin with it in text. The
// name needs no escapes.
func (s *Sink) Source(name string) io.WriteCloser {
	c := &command{sink: s}
	if s.json != nil {
		c.json = &framer{out: s.json, name: name, cr: none}
	}
	if s.text != nil {
		c.text = &framer{out: s.text, name: name, cr: none}
	}
	return c
}

var errNewline = errors.New("a raw log line must not contain a newline: encode it as compact JSON")

// Raw writes one line of JSON as it is, alone on its line and never cut, as CloudWatch's embedded
// metrics need it, to everything that gets JSON: with Text that is File alone. The error is
// Err's, or that line contains a newline.
func (s *Sink) Raw(line []byte) error {
	line = bytes.TrimRight(line, "\r\n")
	if bytes.IndexByte(line, '\n') >= 0 {
		return errNewline
	}
	return s.do(func() {
		if s.json != nil {
			s.json.write(append(bytes.Clone(line), '\n'))
		}
	})
}

// Print writes text for people as it is, on lines of its own: a summary, a table. Only the Text format shows it;
// what it says must be in records too.
func (s *Sink) Print(text string) {
	if s.text == nil || text == "" {
		return
	}
	_ = s.do(func() {
		s.text.between(func() { s.text.write([]byte(strings.TrimSuffix(text, "\n") + "\n")) })
	})
}

// Status shows the state of some work on the last line of a terminal, which it must fit into, until anything else
// is written, or "". Only Options.Live shows it, and not below a line that the command has not finished, nor
// while the terminal takes nothing.
func (s *Sink) Status(line string) {
	if s.text == nil || !s.queue.isIdle() {
		return
	}
	_ = s.do(func() {
		if o := s.text; o.live && o.open == nil && (o.status || line != "") {
			o.showStatus(line)
		}
	})
}

// Flush waits until the reader has everything, within the bounds of Idle and Stopping. All other methods of the sink
// and a Write of a command have done so when they return, unless Ending or Stopping was called. The error is Err's.
func (s *Sink) Flush() error {
	s.queue.wait(s.queue.last(), true)
	return s.Err()
}

// Idle bounds the waiting for the reader of the log while no command runs: a reader that has taken nothing for ten
// seconds is no longer waited for. Lines that it does not take are queued; what exceeds 2 MiB is dropped and counted.
// The file gets all of them. A reader that is slow gets everything.
func (s *Sink) Idle() { s.queue.limit(idle, time.Time{}) }

// Running ends Idle: a command runs, which a reader that is slow slows down. It changes nothing while the reader is not
// waited for, nor after Ending or Stopping.
func (s *Sink) Running() { s.queue.run() }

// Ending bounds the waiting more closely, because the run's record comes first: from now on nothing but Flush waits
// for a reader that takes nothing for a second.
func (s *Sink) Ending() { s.queue.limit(ending, time.Time{}) }

// Stopping does the same for Flush too, because the run has to stop, and no method waits after until. It may be
// called again to change until.
func (s *Sink) Stopping(until time.Time) { s.queue.limit(stopping, until) }

// Dropped returns the number of lines that the reader of the log did not get. After Stopping, and while it is not
// waited for, that includes those that it has not taken yet.
func (s *Sink) Dropped() int { return s.queue.missing() }

// do changes the outputs under the lock, and then waits until the reader has the change.
func (s *Sink) do(change func()) error {
	ticket := s.change(change)
	s.queue.wait(ticket, false)
	return s.Err()
}

func (s *Sink) change(change func()) (ticket uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	s.flush()
	return s.queue.last()
}

// Err returns the first error of each of the sink's writers, joined.
func (s *Sink) Err() error {
	var fileErr error
	if s.file != nil {
		s.mu.Lock()
		fileErr = s.file.err
		s.mu.Unlock()
	}
	logErr := s.queue.firstError()
	if logErr == nil && fileErr == nil {
		return nil
	}
	return errors.Join(lost("the log", logErr), lost("the log file", fileErr))
}

func lost(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("cannot write %s, the rest of it is lost: %w", name, err)
}

func (s *Sink) flush() {
	if s.text != nil {
		s.text.flush()
	}
	if s.json != nil {
		s.json.flush()
	}
}

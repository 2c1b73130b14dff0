package runner

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/carlin-cicd/runner/runner/logs"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/redact"
	"github.com/carlin-cicd/runner/runner/scratch"
	"github.com/carlin-cicd/runner/runner/session"
)

// logFile is the copy of the log that is published with the run: JSON lines, compressed as they come.
// It is a temporary file that the command cannot find until the run ends.
type logFile struct {
	mu   sync.Mutex
	file *os.File
	gzip *gzip.Writer
	open bool // the current gzip member has content
}

func newLogFile() (*logFile, error) {
	f, err := scratch.File()
	if err != nil {
		return nil, err
	}
	// The fastest level: on a quarter of a core, CPU time matters more than stored bytes.
	gz, err := gzip.NewWriterLevel(f, gzip.BestSpeed)
	if err != nil {
		panic(err) // the level is a constant
	}
	return &logFile{file: f, gzip: gz}, nil
}

func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.open {
		l.gzip.Reset(l.file)
		l.open = true
	}
	return l.gzip.Write(p)
}

// finish completes the file and returns what it holds. Later writes start another gzip member, so that a stopped run
// can store its log early and again at its end.
func (l *logFile) finish() (*io.SectionReader, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open {
		if err := l.gzip.Close(); err != nil {
			return nil, err
		}
		l.open = false
	}
	info, err := l.file.Stat()
	if err != nil {
		return nil, err
	}
	return io.NewSectionReader(l.file, 0, info.Size()), nil
}

func (l *logFile) remove() {
	if l != nil {
		scratch.Remove(l.file)
	}
}

// openLog creates the sink and the logger of the run, both behind the redactor.
func (r *run) openLog(format logs.Format, level slog.Level, attributes []slog.Attr) {
	o := logs.Options{Format: format, Level: level, Color: r.in.Color, Live: r.in.Terminal, Attrs: attributes}
	r.format = format
	var err error
	if !r.Config.DryRun && attributes != nil {
		if r.file, err = newLogFile(); err == nil {
			o.File = r.file
		}
	}
	r.sink = logs.New(r.in.Stdout, o)
	r.sink.Idle()
	r.Log = slog.New(redactHandler{r.sink.Handler(), r.Redactor})
	if err != nil {
		r.Log.Warn("the log will not be stored", "error", err.Error(), "hint", outcome.Hint(err))
	}
}

// boundLogOnStop keeps a reader of the log that stalls from holding up a run that has to stop: from the first signal
// on, and from the deadline, it is waited for within bounds. See logs.Sink.
func (r *run) boundLogOnStop() (release func()) {
	onSignal := context.AfterFunc(r.Stop.Work, func() {
		if sig, at := r.Stop.Signal(); sig != 0 {
			r.sink.Stopping(at.Add(r.Stop.Budget / 2))
		}
	})
	return func() {
		onSignal()
		if r.logTimer != nil {
			r.logTimer.Stop()
		}
	}
}

// boundLogAtDeadline does so from the deadline on. It is called again when the deadline changes.
func (r *run) boundLogAtDeadline() {
	if r.logTimer != nil {
		r.logTimer.Stop()
	}
	r.logTimer = time.AfterFunc(time.Until(r.Deadline), func() { r.sink.Stopping(r.Deadline.Add(r.Config.Grace)) })
}

// boundLogAtEnd has the record come before a reader of the log that stalls. What is left of the stop budget limits the
// wait for one that is slow.
func (r *run) boundLogAtEnd() {
	switch sig, at := r.Stop.Signal(); {
	case sig != 0:
		r.sink.Stopping(at.Add(r.Stop.Budget - min(session.Reserve, r.Stop.Budget/4)))
	case r.isPastDeadline():
		r.sink.Stopping(time.Now().Add(r.Config.Grace))
	default:
		r.sink.Ending()
	}
}

func (r *run) isPastDeadline() bool { return !r.Deadline.IsZero() && time.Now().After(r.Deadline) }

// redactHandler redacts log records, since errors and command lines may contain secrets.
type redactHandler struct {
	slog.Handler
	redactor *redact.Redactor
}

// Handle redacts the message and everything in the attributes that is text. It leaves out a hint that says nothing.
func (h redactHandler) Handle(ctx context.Context, record slog.Record) error {
	clean := slog.NewRecord(record.Time, record.Level, h.redactor.String(record.Message), record.PC)
	record.Attrs(func(a slog.Attr) bool {
		if a.Key != "hint" || a.Value.String() != "" {
			clean.AddAttrs(h.attr(a))
		}
		return true
	})
	return h.Handler.Handle(ctx, clean)
}

func (h redactHandler) attr(a slog.Attr) slog.Attr {
	a.Value = a.Value.Resolve()
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(h.redactor.String(a.Value.String()))
	case slog.KindAny:
		switch value := a.Value.Any().(type) {
		case error:
			a.Value = slog.StringValue(h.redactor.String(value.Error()))
		case redact.Constant: // a reason: no mask changes a verdict
			a.Value = slog.StringValue(fmt.Sprint(value))
		}
	case slog.KindGroup:
		group := a.Value.Group()
		clean := make([]slog.Attr, len(group))
		for i := range group {
			clean[i] = h.attr(group[i])
		}
		a.Value = slog.GroupValue(clean...)
	}
	return a
}

// WithAttrs redacts the attributes once.
func (h redactHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	clean := make([]slog.Attr, len(attrs))
	for i := range attrs {
		clean[i] = h.attr(attrs[i])
	}
	return redactHandler{h.Handler.WithAttrs(clean), h.redactor}
}

// WithGroup keeps the redactor in front.
func (h redactHandler) WithGroup(name string) slog.Handler {
	return redactHandler{h.Handler.WithGroup(name), h.redactor}
}

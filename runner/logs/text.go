package logs

import (
	"encoding"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/carlin-cicd/runner/runner/terminal"
)

// palette is what the runner's own lines look like. The command's have no prefix and look as the
// command wants them to, so a clock and a level are what tells ours from theirs.
type palette struct{ dim, debug, info, warn, err, strong, reset string }

// newPalette returns the colours, each of which begins with a reset, since the command may have
// left one of its own behind; without color they are empty.
func newPalette(color bool) palette {
	if !color {
		return palette{}
	}
	return palette{
		dim: "\x1b[0;2m", debug: "\x1b[0;2m", info: "\x1b[0;36m", warn: "\x1b[0;1;33m", err: "\x1b[0;1;31m",
		strong: "\x1b[0;1m", reset: "\x1b[0m",
	}
}

// level returns the colours of a level's name and of its message.
func (p palette) level(l slog.Level) (name, message string) {
	switch {
	case l >= slog.LevelError:
		return p.err, p.err
	case l >= slog.LevelWarn:
		return p.warn, p.strong
	case l >= slog.LevelInfo:
		return p.info, p.strong
	}
	return p.debug, p.debug
}

const (
	clock      = "15:04:05"
	levelWidth = len("ERROR")
)

// appendText appends r as a line for people: local time, level, message, and of the attributes
// those of the record itself. The further lines of a message stand under its first.
func (h *handler) appendText(b []byte, r slog.Record) []byte {
	p := newPalette(h.sink.color)
	indent := levelWidth + 1
	if !r.Time.IsZero() {
		b = append(b, p.dim...)
		b = r.Time.Local().AppendFormat(b, clock)
		b = append(b, ' ')
		indent += len(clock) + 1
	}
	name, message := p.level(r.Level)
	b = append(b, name...)
	level := r.Level.String()
	b = append(b, level...)
	b = append(b, strings.Repeat(" ", max(1, levelWidth+1-len(level)))...)
	b = append(b, message...)
	b = appendMessage(b, r.Message, indent)
	b = append(b, p.reset...)
	h.attrs(&textAttrs{b: &b, palette: p}, r)
	return append(b, '\n')
}

// appendMessage appends s with what would move the cursor, colour the rest or be taken for a workflow command
// made harmless.
func appendMessage(b []byte, s string, indent int) []byte {
	text := terminal.EscapeLines(strings.TrimRight(s, "\r\n"))
	return append(b, strings.ReplaceAll(text, "\n", "\n"+strings.Repeat(" ", indent))...)
}

// textAttrs renders attributes as ` group.key=value`.
type textAttrs struct {
	b       *[]byte
	palette palette
	groups  []string
}

func (t *textAttrs) open(group string) { t.groups = append(t.groups, group) }
func (t *textAttrs) close()            { t.groups = t.groups[:len(t.groups)-1] }

func (t *textAttrs) leaf(key string, v slog.Value) {
	b := append(*t.b, ' ')
	b = append(b, t.palette.dim...)
	b = appendQuoted(b, strings.Join(append(t.groups[:len(t.groups):len(t.groups)], key), "."))
	b = append(b, '=')
	b = append(b, t.palette.reset...)
	*t.b = appendQuoted(b, textValue(v))
}

// appendQuoted appends s, in quotes if it would not be one word.
func appendQuoted(b []byte, s string) []byte {
	odd := func(r rune) bool {
		return r == ' ' || r == '"' || r == '=' || r == utf8.RuneError || !unicode.IsPrint(r)
	}
	if s == "" || strings.ContainsFunc(s, odd) {
		s = strconv.Quote(s)
	}
	return append(b, terminal.Escape(s)...)
}

// textValue returns v for people.
func textValue(v slog.Value) (s string) {
	defer func() {
		if p := recover(); p != nil {
			s = fmt.Sprintf("!PANIC: %v", p)
		}
	}()
	switch v.Kind() {
	case slog.KindTime:
		return v.Time().Local().Format(time.RFC3339)
	case slog.KindDuration:
		if d := v.Duration(); d.Abs() >= time.Second {
			return d.Round(time.Millisecond).String()
		}
	case slog.KindAny:
		switch a := v.Any().(type) {
		case error:
			return a.Error()
		case encoding.TextMarshaler:
			if text, err := a.MarshalText(); err == nil {
				return string(text)
			}
		case []byte:
			return string(a)
		}
		return fmt.Sprintf("%+v", v.Any())
	}
	return v.String()
}

package logs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 4_000_000, time.UTC)

func fixed() time.Time { return noon }

// line is what the tests look at of a JSON line.
type line struct {
	Msg     string `json:"msg"`
	Source  string `json:"source"`
	Seq     int    `json:"seq"`
	Partial bool   `json:"partial"`
	Cut     bool   `json:"cut"`
}

// jsonLines takes a JSON log apart and checks what holds for every line of it.
func jsonLines(tb testing.TB, log []byte) []line {
	tb.Helper()
	var lines []line
	for i, raw := range bytes.SplitAfter(log, []byte("\n")) {
		if len(raw) == 0 {
			break
		}
		var l line
		switch err := json.Unmarshal(raw, &l); {
		case err != nil:
			tb.Fatalf("line %d is not JSON: %v\n%q", i+1, err, raw)
		case raw[len(raw)-1] != '\n':
			tb.Fatalf("line %d has no newline: %q", i+1, raw)
		case len(raw) > MaxRecord:
			tb.Fatalf("line %d has %d bytes", i+1, len(raw))
		case !utf8.Valid(raw):
			tb.Fatalf("line %d is not UTF-8: %q", i+1, raw)
		case l.Seq != i+1:
			tb.Fatalf("line %d has seq %d", i+1, l.Seq)
		}
		lines = append(lines, l)
	}
	return lines
}

func messages(lines []line) []string {
	var m []string
	for _, l := range lines {
		m = append(m, l.Msg)
	}
	return m
}

func feed(tb testing.TB, w io.WriteCloser, blocks ...string) {
	tb.Helper()
	for _, b := range blocks {
		if n, err := w.Write([]byte(b)); n != len(b) || err != nil {
			tb.Fatalf("Write = %d, %v", n, err)
		}
	}
}

func TestParseFormat(t *testing.T) {
	for _, c := range []struct {
		value    string
		terminal bool
		want     Format
	}{
		{"auto", true, Text},
		{"auto", false, JSON},
		{"", true, Text},
		{"", false, JSON},
		{"json", true, JSON},
		{"text", false, Text},
	} {
		if got, err := ParseFormat(c.value, c.terminal); got != c.want || err != nil {
			t.Errorf("ParseFormat(%q, %v) = %v, %v; want %v", c.value, c.terminal, got, err, c.want)
		}
	}
	if _, err := ParseFormat("xml", false); err == nil ||
		err.Error() != `unknown log format "xml": use auto, text or json` {
		t.Errorf("an unknown format is refused with %v", err)
	}
}

func TestJSONLinesCarryTheRunsAttributesAndOneSequence(t *testing.T) {
	var out bytes.Buffer
	s := New(&out, Options{Now: fixed, Attrs: []slog.Attr{slog.String("step", "test"), slog.String("branch", `a"b`)}})
	c := s.Command()
	r := slog.NewRecord(noon, slog.LevelWarn, "slow", 0)
	r.AddAttrs(slog.Int("files", 3))

	feed(t, c, "one\ntw")
	if err := s.Handler().Handle(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	feed(t, c, "o\nthree")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}

	want := `{"time":"2026-11-23T12:00:00.004Z","level":"INFO","msg":"one","step":"test","branch":"a\"b","source":"command","seq":1}
{"time":"2026-11-23T12:00:00.004Z","level":"WARN","msg":"slow","step":"test","branch":"a\"b","files":3,"seq":2}
{"time":"2026-11-23T12:00:00.004Z","level":"INFO","msg":"two","step":"test","branch":"a\"b","source":"command","seq":3}
{"time":"2026-11-23T12:00:00.004Z","level":"INFO","msg":"three","step":"test","branch":"a\"b","source":"command","seq":4}
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &out, want)
	}
}

func TestTheTimeFollowsTheClock(t *testing.T) {
	var out bytes.Buffer
	now := noon
	c := New(&out, Options{Now: func() time.Time { now = now.Add(time.Millisecond); return now }}).Command()
	feed(t, c, "a\n", "b\n")
	for i, want := range []string{"12:00:00.005Z", "12:00:00.006Z"} {
		if got := strings.Split(out.String(), "\n")[i]; !strings.Contains(got, want) {
			t.Errorf("line %d is %s, want time %s", i+1, got, want)
		}
	}
}

func TestSequenceGrowsThroughItsDigits(t *testing.T) {
	var out bytes.Buffer
	c := New(&out, Options{}).Command()
	feed(t, c, strings.Repeat("x\n", 1001))
	if n := len(jsonLines(t, out.Bytes())); n != 1001 {
		t.Errorf("%d lines", n)
	}
}

func TestFileGetsTheSameJSON(t *testing.T) {
	for _, format := range []Format{JSON, Text} {
		t.Run(format.String(), func(t *testing.T) {
			var out, file bytes.Buffer
			s := New(&out, Options{Format: format, File: &file, Now: fixed, Color: true})
			c := s.Command()
			feed(t, c, "\x1b[31mred\x1b[0m\nhalf")
			slog.New(s.Handler()).Error("broken")
			if err := s.Raw([]byte(`{"_aws":{}}`)); err != nil {
				t.Fatal(err)
			}
			_ = c.Close()

			before, after, found := strings.Cut(file.String(), "{\"_aws\":{}}\n")
			if !found {
				t.Fatalf("the raw line is not alone on its line:\n%s", &file)
			}
			got := messages(jsonLines(t, []byte(before+after)))
			if want := []string{"red", "broken", "half"}; fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("file has %q, want %q", got, want)
			}
			if same := out.String() == file.String(); same != (format == JSON) {
				t.Errorf("out is\n%s\nfile is\n%s", &out, &file)
			}
			if format == Text && strings.Contains(out.String(), "_aws") {
				t.Errorf("people get metrics to see:\n%s", &out)
			}
		})
	}
}

func TestRawLinesAreNeverCut(t *testing.T) {
	var out bytes.Buffer
	s := New(&out, Options{})
	long := `{"x":"` + strings.Repeat("a", 5*MaxRecord) + `"}`
	feed(t, s.Command(), "before\nunfinished")
	if err := s.Raw([]byte(long + "\n")); err != nil {
		t.Fatal(err)
	}
	if got := strings.Split(out.String(), "\n"); len(got) != 3 || got[1] != long {
		t.Errorf("%d lines, the second of %d bytes", len(got)-1, len(got[1]))
	}
	if err := s.Raw([]byte("{\n}")); err == nil {
		t.Error("a line that is two is written")
	}
}

func TestPrintIsForPeopleOnly(t *testing.T) {
	for _, format := range []Format{JSON, Text} {
		var out, file bytes.Buffer
		s := New(&out, Options{Format: format, File: &file})
		s.Print("tests  12 passed\n")
		s.Print("")
		if want := map[Format]string{JSON: "", Text: "tests  12 passed\n"}[format]; out.String() != want ||
			file.Len() > 0 {
			t.Errorf("%v: out %q, file %q", format, &out, &file)
		}
	}
}

// failing fails after a number of bytes, and counts how often it was asked after that.
type failing struct {
	bytes.Buffer
	room  int
	err   error
	calls int
}

func (f *failing) Write(p []byte) (int, error) {
	if len(p) > f.room {
		f.calls++
		return 0, f.err
	}
	f.room -= len(p)
	return f.Buffer.Write(p)
}

func TestOneBrokenWriterDoesNotStopTheOther(t *testing.T) {
	for _, format := range []Format{JSON, Text} {
		for _, broken := range []string{"the log", "the log file"} {
			t.Run(format.String()+": "+broken, func(t *testing.T) {
				out, file := &failing{room: 1 << 20}, &failing{room: 1 << 20}
				bad, good := out, file
				if broken == "the log file" {
					bad, good = file, out
				}
				bad.room, bad.err = 200, io.ErrClosedPipe
				s := New(out, Options{Format: format, File: file})
				c := s.Command()
				for i := range 100 {
					feed(t, c, fmt.Sprintf("line %d\n", i))
				}
				slog.New(s.Handler()).Info("the end")
				if bad.Len() == 0 || bad.calls != 1 {
					t.Errorf("the broken writer got %d bytes and %d failing calls", bad.Len(), bad.calls)
				}
				if !strings.Contains(good.String(), "line 99") || !strings.Contains(good.String(), "the end") {
					t.Errorf("the other one misses lines:\n%s", good)
				}
				for _, err := range []error{s.Err(), s.Flush()} {
					if !errors.Is(err, io.ErrClosedPipe) ||
						!strings.Contains(fmt.Sprint(err), "cannot write "+broken+",") {
						t.Errorf("the error is %v", err)
					}
				}
			})
		}
	}
}

func TestAShortWriteIsAnError(t *testing.T) {
	s := New(short{}, Options{})
	feed(t, s.Command(), "line\n")
	if err := s.Err(); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("the error is %v", err)
	}
}

type short struct{}

func (short) Write(p []byte) (int, error) { return len(p) / 2, nil }

func TestAClosedCommandTakesNoMore(t *testing.T) {
	var out bytes.Buffer
	c := New(&out, Options{}).Command()
	feed(t, c, "x")
	for range 2 {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Write([]byte("y\n")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Write after Close: %v", err)
	}
	if n := len(jsonLines(t, out.Bytes())); n != 1 {
		t.Errorf("%d lines", n)
	}
}

func TestWholeLinesInterleave(t *testing.T) {
	const each, writers = 2000, 4
	var out, file bytes.Buffer
	s := New(&out, Options{Format: Text, File: &file})
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			c := s.Command()
			for i := range each {
				_, _ = fmt.Fprintf(c, "writer %d ", w)
				_, _ = fmt.Fprintf(c, "line %d\n", i)
			}
			_ = c.Close()
		})
		group.Go(func() {
			log := slog.New(s.Handler()).With("writer", w)
			for i := range each {
				log.Info("record", "i", i)
			}
		})
	}
	group.Wait()
	if n := len(jsonLines(t, file.Bytes())); n != 2*each*writers {
		t.Errorf("%d lines in the file", n)
	}
	next := make([]int, writers)
	for l := range strings.Lines(out.String()) {
		var w, i int
		if strings.Contains(l, "INFO") {
			continue
		}
		if n, _ := fmt.Sscanf(l, "writer %d line %d\n", &w, &i); n != 2 || next[w] != i {
			t.Fatalf("torn or out of order: %q", l)
		}
		next[w]++
	}
}

func TestMemoryStaysBounded(t *testing.T) {
	c := New(io.Discard, Options{Format: Text, File: io.Discard}).Command().(*command)
	p := bytes.Repeat([]byte("no newline \" \x01 ü \x1b]0;title"), 10_000)
	for range 10 {
		_, _ = c.Write(p)
	}
	held := 0
	for _, f := range []*framer{c.json, c.text} {
		held += cap(f.line) + cap(f.seq) + cap(f.out.buf)
	}
	if held > 1<<20 {
		t.Errorf("%d bytes are held", held)
	}
}

func TestASourceHasItsNameOnEachLine(t *testing.T) {
	var text, stored bytes.Buffer
	s := New(&text, Options{Format: Text, File: &stored, Attrs: []slog.Attr{slog.String("step", "test")}})
	command, service := s.Command(), s.Source("service/db")
	for _, w := range []struct {
		to   io.Writer
		text string
	}{
		{command, "a\nb"},
		{service, "one \x1b[31mred\x1b[0m \"quoted\"\ntwo"},
		{command, "c\n"},
		{service, "…\r3\n"},
		{service, strings.Repeat("x", MaxRecord+10) + "\n"},
	} {
		if _, err := io.WriteString(w.to, w.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(command.Close(), service.Close()); err != nil {
		t.Fatal(err)
	}
	shown := text.String()
	if !strings.HasPrefix(shown, "a\nservice/db | one red \"quoted\"\nbc\nservice/db | 3\nservice/db | xxx") ||
		strings.Count(shown, "service/db | ") != 4 {
		t.Errorf("%.300q", shown)
	}
	var sources []string
	for line := range strings.Lines(stored.String()) {
		var r struct {
			Source, Step, Msg string
			Seq               int
			Partial           bool
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil || len(line) > MaxRecord || r.Step != "test" || r.Seq != len(sources)+1 {
			t.Fatalf("%v, %d bytes: %.200s", err, len(line), line)
		}
		sources = append(sources, r.Source+map[bool]string{true: "+"}[r.Partial])
	}
	if got := strings.Join(sources, " "); got != "command service/db command service/db service/db+ service/db" {
		t.Errorf("sources %s", got)
	}
}

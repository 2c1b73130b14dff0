package logs

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"strings"
	"testing"
	"testing/slogtest"
	"time"
)

func TestHandlerIsASlogHandler(t *testing.T) {
	var out bytes.Buffer
	slogtest.Run(t, func(*testing.T) slog.Handler {
		out.Reset()
		return New(&out, Options{}).Handler()
	}, func(t *testing.T) map[string]any {
		var m map[string]any
		if err := json.Unmarshal(out.Bytes(), &m); err != nil {
			t.Fatalf("%v: %s", err, &out)
		}
		return m
	})
}

// secret resolves to something else than it is.
type secret string

func (secret) LogValue() slog.Value { return slog.StringValue("hidden") }

type point struct {
	X int    `json:"x"`
	S string `json:"s"`
}

type panics struct{}

func (panics) MarshalJSON() ([]byte, error) { panic("no") }
func (panics) Error() string                { panic("no") }

type version struct{ major int }

func (v version) MarshalText() ([]byte, error) { return []byte("v1"), nil }

func TestRecords(t *testing.T) {
	day := time.Date(2026, 1, 2, 3, 4, 5, 6789, time.UTC)
	for _, c := range []struct {
		name  string
		level slog.Level
		msg   string
		attrs []slog.Attr
		json  string // after "msg"
		text  string
	}{
		{"no attributes", slog.LevelInfo, "ready", nil, ``, `INFO  ready`},
		{"a level between two", slog.LevelError + 2, "x", nil, ``, `ERROR+2 x`},
		{"strings", slog.LevelInfo, "x", []slog.Attr{slog.String("a", "b"), slog.String("c", `d "e"`), slog.String("f", "")}, `,"a":"b","c":"d \"e\"","f":""`, `INFO  x a=b c="d \"e\"" f=""`},
		{"numbers and booleans", slog.LevelInfo, "x", []slog.Attr{slog.Int("a", -1), slog.Uint64("b", math.MaxUint64), slog.Float64("c", 1.5), slog.Bool("d", true)}, `,"a":-1,"b":18446744073709551615,"c":1.5,"d":true`, `INFO  x a=-1 b=18446744073709551615 c=1.5 d=true`},
		{"durations are nanoseconds for machines and rounded for people", slog.LevelInfo, "x", []slog.Attr{slog.Duration("a", 61*time.Second+234567*time.Microsecond), slog.Duration("b", 1500*time.Microsecond)}, `,"a":61234567000,"b":1500000`, `INFO  x a=1m1.235s b=1.5ms`},
		{"times", slog.LevelInfo, "x", []slog.Attr{slog.Time("a", day)}, `,"a":"2026-01-02T03:04:05.000006789Z"`, `INFO  x a=` + day.Local().Format(time.RFC3339)},
		{"errors", slog.LevelError, "cannot publish", []slog.Attr{slog.Any("err", errors.New("no such bucket"))}, `,"err":"no such bucket"`, `ERROR cannot publish err="no such bucket"`},
		{"nothing", slog.LevelInfo, "x", []slog.Attr{slog.Any("a", nil), {}}, `,"a":null`, `INFO  x a=<nil>`},
		{"values of other types", slog.LevelInfo, "x", []slog.Attr{slog.Any("a", point{1, "<&>"}), slog.Any("b", []string{"c"})}, `,"a":{"x":1,"s":"<&>"},"b":["c"]`, `INFO  x a="{X:1 S:<&>}" b=[c]`},
		{"values that are text to themselves", slog.LevelInfo, "x", []slog.Attr{slog.Any("a", version{1})}, `,"a":"v1"`, `INFO  x a=v1`},
		{"bytes", slog.LevelInfo, "x", []slog.Attr{slog.Any("a", []byte("hi"))}, `,"a":"aGk="`, `INFO  x a=hi`},
		{"values that resolve", slog.LevelInfo, "x", []slog.Attr{slog.Any("a", secret("s3cr3t"))}, `,"a":"hidden"`, `INFO  x a=hidden`},
		{"values that panic", slog.LevelInfo, "x", []slog.Attr{slog.Any("a", panics{})}, `,"a":"!PANIC: no"`, `INFO  x a="!PANIC: no"`},
		{"values that JSON has not", slog.LevelInfo, "x", []slog.Attr{slog.Float64("a", math.Inf(1))}, `,"a":"!ERROR:json: unsupported value: +Inf"`, `INFO  x a=+Inf`},
		{"raw JSON that is not UTF-8", slog.LevelInfo, "x", []slog.Attr{slog.Any("a", json.RawMessage("\"\xff\""))}, ",\"a\":\"\uFFFD\"", `INFO  x a="[34 255 34]"`},
		{"groups", slog.LevelInfo, "x", []slog.Attr{slog.Group("g", slog.Int("a", 1), slog.Group("h", slog.Int("b", 2)), slog.Group("empty")), slog.Group("", slog.Int("c", 3))}, `,"g":{"a":1,"h":{"b":2}},"c":3`, `INFO  x g.a=1 g.h.b=2 c=3`},
		{"a message of several lines", slog.LevelWarn, "one\ntwo\n", nil, ``, "WARN  one\n      two"},
		{"a message that wants to clear the screen", slog.LevelWarn, "a\x1b[2Jb\u009b", nil, ``, "WARN  a␛[2Jb<U+009B>"},
		{"a message that wants to be a command", slog.LevelWarn, "test failed\n::set-output name=a::b", nil, ``, "WARN  test failed\n      \\::set-output name=a::b"},
		{"attributes that want to be read backwards, or as a command", slog.LevelInfo, "x", []slog.Attr{slog.String("a", "b\u202ec"), slog.String("d", "##[set-env]")}, `,"a":"b\u202ec","d":"##[set-env]"`, `INFO  x a="b\u202ec" d=##\[set-env]`},
		{"a message that is not UTF-8", slog.LevelInfo, "a\xffb", nil, ``, "INFO  a\uFFFDb"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := slog.NewRecord(time.Time{}, c.level, c.msg, 0)
			r.AddAttrs(c.attrs...)
			var out, file bytes.Buffer
			if err := New(&out, Options{Format: Text, File: &file}).Handler().Handle(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			jsonLines(t, file.Bytes())
			msg, err := json.Marshal(c.msg)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := file.String(), `"level":"`+c.level.String()+`","msg":`; !strings.Contains(got, want) {
				t.Errorf("json: got %s, want %s in it", got, want)
			}
			if c.json != "" {
				if got, want := file.String(), `,"msg":`+string(msg)+c.json+`,"seq":1}`+"\n"; !strings.HasSuffix(
					got,
					want,
				) {
					t.Errorf("json: got %s, want %s at its end", got, want)
				}
			}
			if out.String() != c.text+"\n" {
				t.Errorf("text: got %q, want %q", &out, c.text)
			}
		})
	}
}

func TestTextForPeople(t *testing.T) {
	var out bytes.Buffer
	s := New(&out, Options{Format: Text, Color: true, Attrs: []slog.Attr{slog.String("step", "test")}})
	c := s.Command()
	say := func(level slog.Level, msg string, attrs ...slog.Attr) {
		r := slog.NewRecord(noon, level, msg, 0)
		r.AddAttrs(attrs...)
		if err := s.Handler().WithGroup("g").WithAttrs([]slog.Attr{slog.Int("n", 1)}).Handle(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	feed(t, c, "\x1b[32mok\n")
	say(slog.LevelInfo, "published", slog.Int("files", 3))
	say(slog.LevelWarn, "slow")
	say(slog.LevelError, "failed\nbadly")
	say(slog.LevelDebug, "noise")
	clock := "\x1b[0;2m" + noon.Local().Format("15:04:05") + " "
	n := " \x1b[0;2mg.n=\x1b[0m1"
	want := "\x1b[32mok\n" +
		clock + "\x1b[0;36mINFO  \x1b[0;1mpublished\x1b[0m" + n + " \x1b[0;2mg.files=\x1b[0m3\n" +
		clock + "\x1b[0;1;33mWARN  \x1b[0;1mslow\x1b[0m" + n + "\n" +
		clock + "\x1b[0;1;31mERROR \x1b[0;1;31mfailed\n               badly\x1b[0m" + n + "\n" +
		clock + "\x1b[0;2mDEBUG \x1b[0;2mnoise\x1b[0m" + n + "\n"
	if out.String() != want {
		t.Errorf("got\n%q\nwant\n%q", &out, want)
	}
}

func TestLevelFiltersTheRunnersRecordsOnly(t *testing.T) {
	var out bytes.Buffer
	var level slog.LevelVar
	s := New(&out, Options{Level: &level})
	log := slog.New(s.Handler())
	log.Debug("hidden")
	level.Set(slog.LevelDebug)
	log.Debug("shown")
	level.Set(slog.LevelError)
	log.Warn("hidden")
	feed(t, s.Command(), "the command\n")
	if got := messages(jsonLines(t, out.Bytes())); strings.Join(got, ",") != "shown,the command" {
		t.Errorf("got %q", got)
	}
}

func TestDerivedHandlersDoNotShareAttributes(t *testing.T) {
	var out bytes.Buffer
	base := slog.New(New(&out, Options{}).Handler()).With("a", 1).With("b", 2).With("c", 3)
	one, two := base.With("d", "one"), base.With("d", "two")
	one.Info("x")
	two.Info("x")
	for _, want := range []string{`"d":"one"`, `"d":"two"`} {
		if strings.Count(out.String(), want) != 1 {
			t.Errorf("%s is not there once:\n%s", want, &out)
		}
	}
}

func TestLongRecordsAreCut(t *testing.T) {
	long := strings.Repeat("\"日", 20_000)
	many := make([]slog.Attr, 5000)
	for i := range many {
		many[i] = slog.String("key", "value")
	}
	for _, c := range []struct {
		name  string
		msg   string
		attrs []slog.Attr
		want  string
	}{
		{"a long message leaves room for the attributes", long, []slog.Attr{slog.Int("kept", 1)}, `…","kept":1,"cut":true`},
		{"a long value leaves room for the others", "x", []slog.Attr{slog.String("s", long), slog.Int("kept", 1)}, `…","kept":1,"cut":true`},
		{"a long error", "x", []slog.Attr{slog.Any("err", errors.New(long)), slog.Int("kept", 1)}, `…","kept":1,"cut":true`},
		{"long values of other types become text", "x", []slog.Attr{slog.Any("p", point{1, long}), slog.Int("kept", 1)}, `…","kept":1,"cut":true`},
		{"a long key is left out", "x", []slog.Attr{slog.Int(long, 1), slog.Int("kept", 1)}, `"msg":"x","kept":1,"cut":true`},
		{"a group with a long name is left out", "x", []slog.Attr{slog.Group(long, slog.Int("a", 1)), slog.Int("kept", 1)}, `"msg":"x","kept":1,"cut":true`},
		{"too many attributes", "x", many, `"key":"value","cut":true`},
		{"too many in a group", "x", []slog.Attr{{Key: "g", Value: slog.GroupValue(many...)}}, `"key":"value"},"cut":true`},
		{"a message that nearly fits has all of it", strings.Repeat("a", MaxRecord-500), []slog.Attr{slog.Int("kept", 1)}, `a","kept":1`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			r := slog.NewRecord(noon, slog.LevelInfo, c.msg, 0)
			r.AddAttrs(c.attrs...)
			if err := New(&out, Options{}).Handler().Handle(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			jsonLines(t, out.Bytes())
			if want := c.want + `,"seq":1}` + "\n"; !strings.HasSuffix(out.String(), want) {
				t.Errorf("ends in %q, want %q", out.String()[max(0, out.Len()-200):], want)
			}
		})
	}
}

func TestDeepRecordsAreClosedWithinTheLimit(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(New(&out, Options{}).Handler())
	for range 500 {
		log = log.WithGroup("g")
	}
	for range 2000 {
		log = log.With("k", "value")
	}
	log.Info("x")
	if lines := jsonLines(t, out.Bytes()); len(lines) != 1 || !lines[0].Cut {
		t.Errorf("got %+v", lines)
	}
}

func TestTheRunsAttributesLeaveRoomForTheLine(t *testing.T) {
	var attrs []slog.Attr
	for range 50 {
		attrs = append(attrs, slog.String("branch", strings.Repeat("\x01", 5000)))
	}
	var out bytes.Buffer
	s := New(&out, Options{Attrs: attrs})
	feed(t, s.Command(), strings.Repeat("x", 50_000)+"\n")
	slog.New(s.Handler()).Info(strings.Repeat("x", 50_000), "y", strings.Repeat("y", 50_000))
	if n := len(jsonLines(t, out.Bytes())); n > 6 {
		t.Errorf("%d records", n)
	}
}

// chatty logs while it is being logged.
type chatty struct{ log *slog.Logger }

func (c chatty) LogValue() slog.Value {
	c.log.Info("inner")
	return slog.IntValue(1)
}

func TestAValueMayLogItself(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(New(&out, Options{}).Handler())
	done := make(chan struct{})
	go func() {
		defer close(done)
		log.Info("outer", "v", chatty{log})
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("deadlock")
	}
	if got := messages(jsonLines(t, out.Bytes())); strings.Join(got, ",") != "inner,outer" {
		t.Errorf("got %q", got)
	}
}

func TestHandleReportsTheWriteError(t *testing.T) {
	h := New(&failing{err: io.ErrClosedPipe}, Options{}).Handler()
	if err := h.Handle(t.Context(), slog.Record{Message: "x"}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the error is %v", err)
	}
}

package logs

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// what a command writes, and what the log has when the time has come.
func TestUnfinishedLinesAreWrittenAfterASecond(t *testing.T) {
	type step struct {
		after time.Duration
		text  string
	}
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		steps []step
		json  string // the pieces, those that go on in "<>"
		text  string
	}{
		"a prompt":                      {[]step{{0, "proceed? "}, {999 * ms, ""}}, "", ""},
		"a prompt, a second later":      {[]step{{0, "proceed? "}, {1001 * ms, ""}}, "<proceed? >", "proceed? "},
		"its answer":                    {[]step{{0, "proceed? "}, {2000 * ms, "yes\n"}}, "<proceed? > yes", "proceed? yes\n"},
		"dots":                          {[]step{{0, "."}, {400 * ms, "."}, {700 * ms, "."}, {800 * ms, "."}, {500 * ms, "\n"}}, "<..> <..> ", "....\n"},
		"dots that stop":                {[]step{{0, "."}, {400 * ms, "."}, {1100 * ms, ""}, {time.Hour, "end\n"}}, "<..> end", "..end\n"},
		"an empty end":                  {[]step{{0, "."}, {1100 * ms, "\n"}, {0, "next\n"}}, "<.>  next", ".\nnext\n"},
		"lines in time":                 {[]step{{0, "a"}, {900 * ms, "b\nc"}, {900 * ms, "d\n"}, {time.Hour, ""}}, "ab cd", "ab\ncd\n"},
		"a line after lines":            {[]step{{0, "a"}, {900 * ms, "b\nc"}, {1200 * ms, ""}}, "ab <c>", "ab\nc"},
		"a progress bar":                {[]step{{0, "10%"}, {100 * ms, "\r20%"}, {time.Hour, "\r30%\n"}}, "30%", "30%\n"},
		"a bar that waits at its start": {[]step{{0, "10%\r"}, {time.Hour, "20%\n"}}, "20%", "20%\n"},
		"a bar that goes on":            {[]step{{0, "10%"}, {1100 * ms, "\r20%"}, {time.Hour, "\r30%\n"}}, "<10%> 30%", "10%30%\n"},
		"a line after a bar":            {[]step{{0, "1\r2\nc"}, {1100 * ms, ""}}, "2 <c>", "2\nc"},
		"half a character":              {[]step{{0, "a\xc3"}, {1100 * ms, "\xa4b\n"}}, "<a> äb", "aäb\n"},
		"half an escape sequence":       {[]step{{0, "a\x1b[3"}, {1100 * ms, "1mb\n"}}, "<a> b", "ab\n"},
	} {
		synctest.Test(t, func(t *testing.T) {
			run := func(o Options) string {
				var out lockedBuffer
				command := New(&out, o).Command()
				for _, s := range c.steps {
					time.Sleep(s.after)
					feed(t, command, s.text)
				}
				synctest.Wait()
				got := out.String()
				time.Sleep(time.Hour) // until the timers have come to rest
				return got
			}
			var pieces []string
			for _, l := range jsonLines(t, []byte(run(Options{}))) {
				if l.Partial {
					l.Msg = "<" + l.Msg + ">"
				}
				pieces = append(pieces, l.Msg)
			}
			if got := strings.Join(pieces, " "); got != c.json {
				t.Errorf("%s: JSON has %q, want %q", name, got, c.json)
			}
			if got := run(Options{Format: Text}); got != c.text {
				t.Errorf("%s: text is %q, want %q", name, got, c.text)
			}
		})
	}
}

func TestAPieceOfAnUnfinishedLineHasItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out lockedBuffer
		feed(t, New(&out, Options{}).Command(), "proceed? ")
		want := time.Now().Add(unfinishedFor).UTC().Format(timeFormat)
		time.Sleep(2 * unfinishedFor)
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s is not in %s", want, out.String())
		}
	})
}

func TestRecordsComeBetweenThePiecesOfALine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out, file bytes.Buffer
		s := New(&out, Options{Format: Text, File: &file})
		c := s.Command()
		feed(t, c, "waiting.")
		time.Sleep(2 * unfinishedFor)
		slog.New(s.Handler()).Info("record")
		feed(t, c, ".\n")
		if got := out.String(); !strings.HasPrefix(got, "waiting.\n") || !strings.HasSuffix(got, "record\n.\n") {
			t.Errorf("text is %q", got)
		}
		if got := fmt.Sprint(messages(jsonLines(t, file.Bytes()))); got != "[waiting. record .]" {
			t.Errorf("the file has %s", got)
		}
	})
}

func TestATerminalShowsAnUnfinishedLineOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		c := New(&out, Options{Format: Text, Live: true}).Command()
		feed(t, c, "proceed? ")
		time.Sleep(time.Hour)
		if out.String() != "proceed? " {
			t.Errorf("the terminal shows %q", &out)
		}
	})
}

func TestAClosedCommandPushesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		c := New(&out, Options{}).Command()
		feed(t, c, "proceed? ")
		_ = c.Close()
		time.Sleep(time.Hour)
		if n := len(jsonLines(t, out.Bytes())); n != 1 {
			t.Errorf("%d lines", n)
		}
	})
}

package logs

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/carlin-cicd/runner/runner/logs/cilog"
	"github.com/carlin-cicd/runner/runner/terminal"
	"github.com/carlin-cicd/runner/steps/ansi"
)

// framing is what becomes of a command's output: in JSON (and in text without colours, but for
// control characters), and in text with colours where that differs.
var framing = []struct {
	name   string
	in     string
	want   []string
	colour string // "": the lines of want
}{
	{name: "nothing at all", in: ""},
	{name: "one line", in: "hello\n", want: []string{"hello"}},
	{name: "an empty line is a line", in: "\n\n", want: []string{"", ""}},
	{name: "a last line without newline", in: "a\nproceed? [y/N] ", want: []string{"a", "proceed? [y/N] "}},
	{name: "quotes and backslashes", in: `say "C:\new"` + "\n", want: []string{`say "C:\new"`}},
	{
		name: "longer than a word, with something special at each place",
		in:   "0123456\"\n01234567\"\n\"1234567890123456\t8\n",
		want: []string{"0123456\"", "01234567\"", "\"1234567890123456\t8"},
	},
	{name: "characters beyond ASCII", in: "größe ✓ 日本 🎉\n", want: []string{"größe ✓ 日本 🎉"}},
	{name: "bytes that are not UTF-8 are replaced one by one", in: "a\xff\xfeb\n", want: []string{"a\uFFFD\uFFFDb"}},
	{name: "a character broken off by a newline", in: "a\xe2\x82\nb\n", want: []string{"a\uFFFD\uFFFD", "b"}},
	{
		name: "a character broken off by another one",
		in:   "\xe2\xc3\xa4\xf0\x9fx\n",
		want: []string{"\uFFFDä\uFFFD\uFFFDx"},
	},
	{name: "a character broken off by the end", in: "a\xf0\x9f", want: []string{"a\uFFFD\uFFFD"}},
	{
		name: "surrogates and overlong forms are not UTF-8",
		in:   "\xed\xa0\x80\xc0\xaf\n",
		want: []string{strings.Repeat("\uFFFD", 5)},
	},
	{name: "the replacement character itself is UTF-8", in: "\uFFFD\n", want: []string{"\uFFFD"}},

	{name: "a carriage return before the newline is part of it", in: "a\r\nb\r\r\n", want: []string{"a", "b"}},
	{name: "a progress bar collapses to its last state", in: "10%\r50%\r100%\nok\n", want: []string{"100%", "ok"}},
	{name: "a progress bar that ends in a carriage return", in: "10%\r100%\r", want: []string{"100%"}},
	{name: "a shorter state takes the place of a longer one", in: "downloading\rok\n", want: []string{"ok"}},
	{name: "blanks overwrite too", in: "abc\r   \rdone\n", want: []string{"done"}},
	{name: "erasing to the end of the line before writing it anew", in: "50%\r\x1b[K100%\n", want: []string{"100%"}},
	{name: "erasing and going home as readline does", in: "50%\x1b[2K\x1b[1G100%\x1b[0K\n", want: []string{"100%"}},
	{name: "what was erased at the very end stays readable", in: "50%\r\x1b[K\n", want: []string{"50%"}},
	{name: "a broken character is overwritten as any other", in: "\xe2\rb\n", want: []string{"b"}},
	{
		name:   "the colour of a state is not lost with the state before",
		in:     "1\r\x1b[32m2\x1b[0m\n",
		want:   []string{"2"},
		colour: "\x1b[32m2\x1b[0m\n",
	},
	{name: "nor with a second carriage return", in: "1\r\x1b[32m\r2\n", want: []string{"2"}, colour: "\x1b[32m2\n"},
	{name: "going up is not followed", in: "a\nb\n\x1b[2A\x1b[2Kc\n", want: []string{"a", "b", "c"}},

	{
		name:   "colours",
		in:     "\x1b[1;31mred\x1b[m \x1b[38;5;9mx\x1b[0m\n",
		want:   []string{"red x"},
		colour: "\x1b[1;31mred\x1b[m \x1b[38;5;9mx\x1b[0m\n",
	},
	{name: "a line of colours only is empty", in: "\x1b[0m\n", want: []string{""}, colour: "\x1b[0m\n"},
	{
		name:   "links ended by BEL",
		in:     "\x1b]8;;https://a.example/ü\x07text\x1b]8;;\x07\n",
		want:   []string{"text"},
		colour: "\x1b]8;;https://a.example/ü\x07text\x1b]8;;\x07\n",
	},
	{
		name:   "links ended by ST",
		in:     "\x1b]8;id=1;https://a.example\x1b\\text\x1b]8;;\x1b\\\n",
		want:   []string{"text"},
		colour: "\x1b]8;id=1;https://a.example\x1b\\text\x1b]8;;\x1b\\\n",
	},
	{
		name: "titles, character sets, modes, keypads and strings",
		in:   "a\x1b]0;title\x07b\x1b(Bc\x1b[?25ld\x1b=e\x1bPq#0\x1b\\f\x1b[>4;2mg\x1b[1;1Hh\n",
		want: []string{"abcdefgh"},
	},
	{name: "a sequence that the newline breaks off is text", in: "a\x1b[31\nb\n", want: []string{"a\x1b[31", "b"}},
	{
		name: "a title that does not end on its line is text",
		in:   "\x1b]0;title\nb\n",
		want: []string{"\x1b]0;title", "b"},
	},
	{
		name:   "a string broken off by another sequence is text",
		in:     "\x1b]0;ti\x1b[31mtle\n",
		want:   []string{"\x1b]0;title"},
		colour: "␛]0;ti\x1b[31mtle\n",
	},
	{name: "an escape at the end is text", in: "a\x1b", want: []string{"a\x1b"}},
	{name: "an unfinished end of a string is text", in: "\x1b]0;a\x1b", want: []string{"\x1b]0;a\x1b"}},
	{name: "two escapes", in: "\x1b\x1b[31mx\n", want: []string{"\x1bx"}, colour: "␛\x1b[31mx\n"},
	{
		name: "a sequence of more than 4 KiB is text",
		in:   "\x1b]0;" + strings.Repeat("x", ansi.MaxSequence) + "\n",
		want: []string{"\x1b]0;" + strings.Repeat("x", ansi.MaxSequence)},
	},
	{
		name: "a sequence of 4 KiB and one byte is text",
		in:   "\x1b]0;" + strings.Repeat("x", ansi.MaxSequence-4) + "\x07y\n",
		want: []string{"\x1b]0;" + strings.Repeat("x", ansi.MaxSequence-4) + "\ay"},
	},
	{
		name: "a sequence of exactly 4 KiB is one",
		in:   "\x1b]0;" + strings.Repeat("x", ansi.MaxSequence-5) + "\x07y\n",
		want: []string{"y"},
	},

	{
		name: "control characters of C1",
		in:   "a\u009b31mb\u0080\u009fc\u00a0\n",
		want: []string{"a\u009b31mb\u0080\u009fc\u00a0"},
	},
	{
		name: "marks of text direction and line separators",
		in:   "a\u202eb\u2066c\u200f\u061cd\u2028e – “f” ⁊ é\n",
		want: []string{"a\u202eb\u2066c\u200f\u061cd\u2028e – “f” ⁊ é"},
	},
	{
		name:   "a link that a control character ends early is left out",
		in:     "\x1b]8;;https://a.example/\u009c\u009b2J\atext\x1b]8;;\a\n",
		want:   []string{"text"},
		colour: "text\x1b]8;;\a\n",
	},
	{name: "control characters", in: "a\x00b\x07c\bd\te\x7f\n", want: []string{"a\x00b\x07c\bd\te\x7f"}},
}

// picture is what text shows for control characters.
var picture = strings.NewReplacer(
	"\x00",
	"␀",
	"\x07",
	"␇",
	"\b",
	"␈",
	"\x1b",
	"␛",
	"\u009b",
	"<U+009B>",
	"\u0080",
	"<U+0080>",
	"\u009f",
	"<U+009F>",
	"\x7f",
	"␡",
	"\u202e",
	"<U+202E>",
	"\u2066",
	"<U+2066>",
	"\u200f",
	"<U+200F>",
	"\u061c",
	"<U+061C>",
	"\u2028",
	"<U+2028>",
)

// Text has one idea of what is unsafe, wherever the line is read: as a whole, or in parts.
func TestTextEscapesWhatIsUnsafe(t *testing.T) {
	var in, want strings.Builder
	for r := rune(0x20); r <= 0x1ffff; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		in.WriteString("abcdefgh" + string(r) + "i\n")
		want.WriteString("abcdefgh" + terminal.Escape(string(r)) + "i\n")
	}
	for name, block := range map[string]int{"whole lines": in.Len(), "parts": 7} {
		var out bytes.Buffer
		w := New(&out, Options{Format: Text, Color: true}).Command()
		for p := range slices.Chunk([]byte(in.String()), block) {
			feed(t, w, string(p))
		}
		if out.String() != want.String() {
			got, all := strings.Split(out.String(), "\n"), strings.Split(want.String(), "\n")
			for i := range min(len(got), len(all)) {
				if got[i] != all[i] {
					t.Fatalf("%s: %q, want %q", name, got[i], all[i])
				}
			}
			t.Fatalf("%s: %d lines, want %d", name, len(got), len(all))
		}
	}
}

// bytewise returns in as blocks of one byte.
func bytewise(in string) []string {
	var blocks []string
	for i := range len(in) {
		blocks = append(blocks, in[i:i+1])
	}
	return blocks
}

func TestFraming(t *testing.T) {
	for _, c := range framing {
		plainText := ""
		for _, l := range c.want {
			plainText += picture.Replace(l) + "\n"
		}
		colour := c.colour
		if colour == "" {
			colour = plainText
		}
		for how, blocks := range map[string][]string{"whole": {c.in}, "byte by byte": bytewise(c.in)} {
			t.Run(c.name+", "+how, func(t *testing.T) {
				var out bytes.Buffer
				w := New(&out, Options{}).Command()
				feed(t, w, blocks...)
				_ = w.Close()
				if got := messages(jsonLines(t, out.Bytes())); !slices.Equal(got, c.want) {
					t.Errorf("json: got %q, want %q", got, c.want)
				}
				for _, text := range []struct {
					name string
					o    Options
					want string
				}{
					{"text", Options{Format: Text}, plainText},
					{"text with colours", Options{Format: Text, Color: true}, colour},
				} {
					out.Reset()
					w := New(&out, text.o).Command()
					feed(t, w, blocks...)
					_ = w.Close()
					if out.String() != text.want {
						t.Errorf("%s: got %q, want %q", text.name, &out, text.want)
					}
				}
			})
		}
	}
}

func TestWholeLinesAreOutWhenWriteReturns(t *testing.T) {
	for _, format := range []Format{JSON, Text} {
		var out bytes.Buffer
		c := New(&out, Options{Format: format}).Command()
		for i, step := range []struct {
			in    string
			lines int
		}{{"one\ntwo", 1}, {" and a half", 1}, {"\n", 2}, {"\x1b[", 2}, {"1mx\n", 3}} {
			feed(t, c, step.in)
			if got := strings.Count(out.String(), "\n"); got != step.lines {
				t.Errorf("%v, write %d: %d lines are out, want %d", format, i+1, got, step.lines)
			}
		}
	}
}

func TestLongLinesBecomePieces(t *testing.T) {
	for _, c := range []struct{ name, unit string }{
		{"of ASCII", "a"},
		{"of quotes, which take two bytes each", `"`},
		{"of NULs, which take six", "\x00"},
		{"of characters of three bytes", "日"},
		{"of characters of four bytes at odd places", "x🎉"},
		{"with colours between", "ab\x1b[31mc\x1b[0m"},
		{"of bytes that are not UTF-8", "\xff"},
	} {
		in := strings.Repeat(c.unit, 20_000)
		want := strings.ToValidUTF8(strings.NewReplacer("\x1b[31m", "", "\x1b[0m", "").Replace(in), "\uFFFD")
		if c.unit == "\xff" {
			want = strings.Repeat("\uFFFD", len(in))
		}
		for how, blocks := range map[string][]string{"whole": {in + "\nnext\n"}, "byte by byte": bytewise(in + "\nnext\n")} {
			t.Run(c.name+", "+how, func(t *testing.T) {
				var out bytes.Buffer
				w := New(&out, Options{Attrs: cilog.Attributes()}).Command()
				feed(t, w, blocks...)
				lines := jsonLines(t, out.Bytes())
				last := len(lines) - 2
				if last < 1 || strings.Join(messages(lines[:last+1]), "") != want {
					t.Fatalf("%d pieces do not make the line", last+1)
				}
				for i, l := range lines {
					if l.Partial != (i < last) {
						t.Errorf("piece %d of %d: partial is %v", i+1, last+1, l.Partial)
					}
				}
				for _, raw := range strings.Split(out.String(), "\n")[:last] {
					if len(raw) < MaxRecord-64 {
						t.Errorf("a piece has %d bytes only", len(raw))
					}
				}
			})
		}
	}
}

func TestALineThatJustFitsIsNotCut(t *testing.T) {
	for _, o := range []Options{{}, {Format: Text}} {
		for extra := range 3 {
			for _, newline := range []string{"\n", "\r\n"} {
				var out bytes.Buffer
				s := New(&out, o)
				limit := MaxRecord
				if s.json != nil {
					limit = s.json.limit
				}
				in := strings.Repeat("x", limit-1+extra)
				feed(t, s.Command(), in+newline)
				if o.Format == Text {
					if out.String() != in+"\n" {
						t.Errorf("text of %d bytes comes as %d", len(in)+1, out.Len())
					}
					continue
				}
				if got, want := len(jsonLines(t, out.Bytes())), 1+extra/2; got != want {
					t.Errorf("%d bytes of %d are %d records, want %d", len(in), limit, got, want)
				}
			}
		}
	}
}

func TestALongLineStreams(t *testing.T) {
	var out bytes.Buffer
	c := New(&out, Options{}).Command()
	feed(t, c, strings.Repeat("x", 10*MaxRecord))
	if n := len(jsonLines(t, out.Bytes())); n < 10 {
		t.Errorf("%d pieces are out before the line's end", n)
	}
}

func TestAnInterruptedPieceOfALongLineGetsItsNewline(t *testing.T) {
	var out bytes.Buffer
	s := New(&out, Options{Format: Text})
	c := s.Command()
	feed(t, c, strings.Repeat("x", MaxRecord+1))
	slog.New(s.Handler()).Info("hello")
	feed(t, c, "y\n")
	lines := strings.Split(out.String(), "\n")
	if len(lines) != 4 || lines[0] != strings.Repeat("x", MaxRecord) || !strings.HasSuffix(lines[1], "hello") ||
		lines[2] != "xy" {
		t.Errorf("%d lines: %.40q", len(lines), lines)
	}
}

func TestUnfinishedLinesOnATerminal(t *testing.T) {
	const wipe = "\r\x1b[K"
	for _, c := range []struct {
		name   string
		blocks []string // "!": the runner says something
		want   string
	}{
		{"a prompt is shown at once", []string{"a\nproceed? "}, "a\nproceed? "},
		{"only what is new is written", []string{"pro", "ceed? ", "y\n"}, "proceed? y\n"},
		{"half a character waits", []string{"\xe2\x9c", "\x93"}, "✓"},
		{"a progress bar is redrawn", []string{"1%", "\r2%", "\r3%\n"}, "1%" + wipe + "2%" + wipe + "3%\n"},
		{"what was wiped once is not wiped again", []string{"1%", "\r2", "0%\n", "next"}, "1%" + wipe + "20%\nnext"},
		{"states that came together are drawn once", []string{"1%\r2%\r3%"}, "3%"},
		{"a carriage return alone changes nothing", []string{"1%\r", "\n"}, "1%\n"},
		{"the runner's lines come before the unfinished one", []string{"1%", "!", "\r2%\n"}, "1%" + wipe + "INFO  hi\n1%" + wipe + "2%\n"},
		{"the end of the run finishes the line", []string{"proceed? ", "close"}, "proceed? \n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			s := New(&out, Options{Format: Text, Live: true})
			w := s.Command()
			for _, b := range c.blocks {
				switch b {
				case "!":
					if err := s.Handler().Handle(t.Context(), slog.Record{Message: "hi"}); err != nil {
						t.Fatal(err)
					}
				case "close":
					_ = w.Close()
				default:
					feed(t, w, b)
				}
			}
			if out.String() != c.want {
				t.Errorf("got %q, want %q", &out, c.want)
			}
		})
	}
}

// Every way a character can begin, with what may and may not follow, at each place of a word.
func TestCharactersBeyondASCII(t *testing.T) {
	var in bytes.Buffer
	var want []string
	followers := []string{"\x7f", "\x80", "\x8f", "\x90", "\x9f", "\xa0", "\xbf", "\xc0"}
	for lead := 0x80; lead <= 0xff; lead++ {
		for i, second := range followers {
			for _, rest := range []string{"", "\x80", "\xbfz", "\x80\xbf", "\x80\x80\x80", "z\x80"} {
				line := "01234567"[:(lead+i)%9] + string([]byte{byte(lead)}) + second + rest + "é"
				in.WriteString(line + "\n")
				want = append(want, string([]rune(line))) // a byte that belongs to nothing becomes a U+FFFD
			}
		}
	}
	in.WriteString("long enough that none of the lines before is the last bytes of its block\n")
	var out bytes.Buffer
	feed(t, New(&out, Options{}).Command(), in.String())
	got := messages(jsonLines(t, out.Bytes()))
	for i, w := range want {
		if got[i] != w {
			t.Fatalf("line %d is %q, want %q", i+1, got[i], w)
		}
	}
}

func TestTwoCommandsDoNotWriteIntoEachOthersLine(t *testing.T) {
	var out bytes.Buffer
	s := New(&out, Options{Format: Text, Live: true})
	one, two := s.Command(), s.Command()
	feed(t, one, "one ")
	feed(t, two, "two\n")
	feed(t, one, "more\n")
	if want := "one \r\x1b[Ktwo\none more\n"; out.String() != want {
		t.Errorf("got %q, want %q", &out, want)
	}
}

func TestAStatusGoesWithWhatComesNext(t *testing.T) {
	var out bytes.Buffer
	for _, c := range []struct {
		name string
		then func(s *Sink)
		want string
	}{
		{"the next status", func(s *Sink) { s.Status("2%") }, "1%\r\x1b[K2%"},
		{"none", func(s *Sink) { s.Status(""); s.Status("") }, "1%\r\x1b[K"},
		{"a record", func(s *Sink) { _ = s.Handler().Handle(t.Context(), slog.Record{Message: "hi"}) }, "1%\r\x1b[KINFO  hi\n"},
		{"a table", func(s *Sink) { s.Print("a table") }, "1%\r\x1b[Ka table\n"},
		{"a command's line, below which there is no status while it is not finished", func(s *Sink) {
			w := s.Command()
			feed(t, w, "proceed? ")
			s.Status("2%")
			feed(t, w, "y\n")
			s.Status("3%")
		}, "1%\r\x1b[Kproceed? y\n3%"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out.Reset()
			s := New(&out, Options{Format: Text, Live: true})
			s.Status("1%")
			c.then(s)
			if out.String() != c.want {
				t.Errorf("got %q, want %q", &out, c.want)
			}
		})
	}
	for _, o := range []Options{{Format: Text}, {Format: JSON, Live: true}} {
		out.Reset()
		New(&out, o).Status("1%")
		if out.Len() > 0 {
			t.Errorf("%+v: a log has no status: %q", o, &out)
		}
	}
}

package ansi

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
)

func TestSequence(t *testing.T) {
	long := "\x1b]0;" + strings.Repeat("x", MaxSequence-5) + "\a"
	for name, c := range map[string]struct {
		text   string
		length int
		open   bool
		kind   Kind
	}{
		"a colour":                             {"\x1b[1;31mred", 7, false, Style},
		"a colour at the end of the text":      {"\x1b[m", 3, false, Style},
		"a private sequence":                   {"\x1b[>4m", 5, false, Other},
		"a link ended by BEL":                  {"\x1b]8;;https://a.example/ü\atext", 26, false, Style},
		"a link ended by ST":                   {"\x1b]8;;x\x1b\\text", 8, false, Style},
		"a title":                              {"\x1b]0;title\a", 10, false, Other},
		"the start of the line":                {"\x1b[Gx", 3, false, LineStart},
		"the first column":                     {"\x1b[1Gx", 4, false, LineStart},
		"another column":                       {"\x1b[12G", 5, false, Other},
		"erasing the line":                     {"\x1b[2K", 4, false, LineStart},
		"erasing the rest of the line":         {"\x1b[K", 3, false, Other},
		"more than eight bytes of parameters":  {"\x1b[38;2;100;200;255mx", 19, false, Style},
		"a character set":                      {"\x1b(Bx", 3, false, Other},
		"a sequence of two bytes":              {"\x1b7x", 2, false, Other},
		"the longest":                          {long, MaxSequence, false, Other},
		"one byte more":                        {long[:len(long)-1] + "x\a", 0, false, None},
		"an ESC at the end":                    {"\x1b", 0, true, None},
		"parameters at the end":                {"\x1b[1;3", 0, true, None},
		"a string at the end":                  {"\x1b]0;a", 0, true, None},
		"a string and half of its end":         {"\x1b]0;a\x1b", 0, true, None},
		"a newline in parameters":              {"\x1b[1\nm", 0, false, None},
		"a newline in a string":                {"\x1b]0;a\n\a", 0, false, None},
		"a string with another sequence in it": {"\x1b]0;a\x1b[m", 0, false, None},
		"a control character after ESC":        {"\x1b\n", 0, false, None},
	} {
		t.Run(name, func(t *testing.T) {
			length, open := Sequence([]byte(c.text))
			kind := None
			if length > 0 {
				kind = KindOf([]byte(c.text[:length]))
			}
			if length != c.length || open != c.open || kind != c.kind {
				t.Errorf("length %d, open %v, kind %d; want %d, %v, %d", length, open, kind, c.length, c.open, c.kind)
			}
		})
	}
}

func TestSGR(t *testing.T) {
	for sequence, want := range map[string]string{"\x1b[1;31m": "1;31", "\x1b[m": "", "\x1b[2K": "-", "\x1bm": "-", "\x1b]8;;m": "-"} {
		parameters, ok := SGR([]byte(sequence))
		if ok != (want != "-") || ok && parameters != want {
			t.Errorf("%q: %q, %v", sequence, parameters, ok)
		}
	}
}

func TestStrip(t *testing.T) {
	for text, want := range map[string]string{
		"plain":                             "plain",
		"\x1b[1mbold\x1b[0m and \x1b(Bx":    "bold and x",
		"\x1b]8;;https://x\ahere\x1b]8;;\a": "here",
		"a\x1b\nb":                          "a\x1b\nb",
		"cut off\x1b[1":                     "cut off\x1b[1",
	} {
		if got := string(Strip([]byte(text))); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

// grammar is the same as a regular expression.
var grammar = regexp.MustCompile(
	`(?s)^(?:\x1b\[[ -?]*[@-~]|\x1b[\]PX^_][^\x00-\x1f]*(?:\x07|\x1b\\)|\x1b[ -/]+[0-~]|\x1b[0-OQ-WYZ\\` + "`" + `a-~])`,
)

// Whole and byte by byte, the same sequences are found, and those that the grammar has.
func FuzzSequence(f *testing.F) {
	for _, text := range []string{"\x1b[1;31mred", "\x1b]8;;x\x1b\\", "\x1b(B", "\x1b[1\n", "\x1b]0;\x1b[m", "\x1b"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		text = append([]byte{ESC}, bytes.ToValidUTF8(text, nil)...)
		length, open := Sequence(text)
		state, stepped := Escape, 0
		for i := 1; i < min(len(text), MaxSequence) && stepped == 0 && state != Abandoned; i++ {
			if state = state.Next(text[i]); state == Ended {
				stepped = i + 1
			}
		}
		if stepped != length || open != (state != Ended && state != Abandoned && len(text) < MaxSequence) {
			t.Errorf("%q: %d bytes (open: %v), %d byte by byte (state %d)", text, length, open, stepped, state)
		}
		if want := len(grammar.Find(text)); want <= MaxSequence && want != length {
			t.Errorf("%q: %d bytes, %d by the grammar", text, length, want)
		}
		if length > 0 && KindOf(text[:length]) == None {
			t.Errorf("%q has no kind", text[:length])
		}
	})
}

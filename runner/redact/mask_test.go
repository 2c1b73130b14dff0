package redact

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"html"
	"io"
	"net/url"
	"strings"
	"testing"
)

func TestMaskingCommands(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"a command":                       {"::add-mask::mystery\na mystery\n", "a [REDACTED:add-mask]\n"},
		"between lines":                   {"mystery\n::add-mask::mystery\nmystery\n", "mystery\n[REDACTED:add-mask]\n"},
		"indented":                        {" \t ::add-mask::mystery\nmystery", "[REDACTED:add-mask]"},
		"with Windows' line ends":         {"::add-mask::mystery\r\nmystery\r\n", "[REDACTED:add-mask]\r\n"},
		"two":                             {"::add-mask::mystery\n::add-mask::riddles\nmystery, riddles", "[REDACTED:add-mask], [REDACTED:add-mask]"},
		"of two lines":                    {"::add-mask::mystery%0Ariddles%25\nriddles% mystery", "[REDACTED:add-mask] [REDACTED:add-mask]"},
		"of nothing":                      {"::add-mask::\nnothing\n", "nothing\n"},
		"of too little":                   {"::add-mask::tiny\ntiny\n", "tiny\n"},
		"without line break":              {"a\n::add-mask::mystery", "a\n"},
		"not at the start of a line":      {"x ::add-mask::mystery\nmystery\n", "x ::add-mask::mystery\nmystery\n"},
		"another command":                 {"::group::mystery\n::add-path::x\n:\n::\n\n", "::group::mystery\n::add-path::x\n:\n::\n\n"},
		"nearly":                          {"::add-mask:mystery\n::add-mas", "::add-mask:mystery\n::add-mas"},
		"very much indented":              {strings.Repeat(" ", 100) + "::add-mask::mystery\n", strings.Repeat(" ", 100) + "::add-mask::mystery\n"},
		"in the middle of another secret": {"known-se\n::add-mask::mystery\ncret mystery known-secret", "known-se\ncret [REDACTED:add-mask] [REDACTED:KNOWN]"},
		"beside lines that are indented":  {"  at a\n\t:: b\n  \n ::add-mask::mystery\n   mystery\n", "  at a\n\t:: b\n  \n   [REDACTED:add-mask]\n"},
		"of what it prints before":        {"half mys\n::add-mask::mystery\n", "half mys\n"},
	} {
		t.Run(name, func(t *testing.T) {
			for way, size := range map[string]func(int) int{
				"whole":          func(left int) int { return left },
				"a byte at once": func(int) int { return 1 },
				"three at once":  func(int) int { return 3 },
			} {
				if got := streamed(t, New(Secret{"KNOWN", "known-secret"}), c.text, size, MaskCommands()); got != c.want {
					t.Errorf("%s: %q, want %q", way, got, c.want)
				}
			}
			if got := streamed(t, New(), c.text, func(left int) int { return left }); got != c.text {
				t.Errorf("commands are to be kept: %q", got)
			}
		})
	}
}

func TestAMaskCountsForTheOtherWriters(t *testing.T) {
	r := New()
	streamed(t, r, "::add-mask::mystery\n", func(left int) int { return left }, MaskCommands())
	if got := r.String("mystery"); got != "[REDACTED:add-mask]" {
		t.Errorf("%q", got)
	}
}

func TestAMaskIsNeverFlushed(t *testing.T) {
	var out strings.Builder
	w := New().Writer(&out, MaskCommands())
	for _, p := range []string{"a\n::add-ma", "sk::mystery\n", "::add-mask::mys", "tery\n mystery\n  "} {
		fmt.Fprint(w, p)
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if want := "a\n::add-mask::mystery\n [REDACTED:add-mask]\n  "; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

// A command that masks too much gets no further output, rather than one with values that are not masked.
func TestTooManyMasks(t *testing.T) {
	for name, c := range map[string]struct {
		value func(i int) string
		fits  int
	}{
		"values": {func(i int) string { return fmt.Sprintf("mystery-%05d", i) }, maxMasks},
		"bytes":  {func(i int) string { return fmt.Sprintf("%05d", i) + strings.Repeat("mystery ", 8191) }, maxMaskBytes / (5 + 8*8191)},
	} {
		t.Run(name, func(t *testing.T) {
			r := New(Secret{"KNOWN", "known-secret"})
			var out strings.Builder
			w := r.Writer(&out, MaskCommands())
			for i := range c.fits {
				if _, err := fmt.Fprintf(w, "::add-mask::%s\n", c.value(i)); err != nil {
					t.Fatalf("mask %d: %v", i, err)
				}
			}
			for range c.fits + 1 { // the same again costs nothing
				fmt.Fprintf(w, "::add-mask::%s\n", c.value(0))
			}
			fmt.Fprintf(w, "%s\nheld: known-", c.value(c.fits-1))
			if want := "[REDACTED:add-mask]\nheld: "; out.String() != want || r.MasksExceeded() {
				t.Fatalf("%.100q, want %q", &out, want)
			}
			fmt.Fprintf(w, "\n")
			printed := out.String()
			if _, err := fmt.Fprintf(w, "::add-mask::%s\nmore\n", c.value(c.fits)); !errors.Is(err, ErrTooManyMasks) {
				t.Errorf("one more gives %v", err)
			}
			if _, err := fmt.Fprint(w, "more\n"); !errors.Is(err, ErrTooManyMasks) {
				t.Errorf("a Write gives %v", err)
			}
			if err := w.Close(); !errors.Is(err, ErrTooManyMasks) {
				t.Errorf("Close gives %v", err)
			}
			if _, err := fmt.Fprint(r.Writer(&out, MaskCommands()), "more\n"); !errors.Is(err, ErrTooManyMasks) {
				t.Errorf("another command's Write gives %v", err)
			}
			if out.String() != printed || !r.MasksExceeded() {
				t.Errorf("printed after it: %.100q", strings.TrimPrefix(out.String(), printed))
			}
			if got := r.String(c.value(0) + " known-secret"); got != "[REDACTED:add-mask] [REDACTED:KNOWN]" {
				t.Errorf("what is known is not redacted: %.100q", got)
			}
		})
	}
}

// Further masks are looked for in fewer forms, but in all that the usual encoders make.
func TestMasksBeyondTheFirst(t *testing.T) {
	r := New()
	w := r.Writer(io.Discard, MaskCommands())
	for i := range maxFullMasks {
		fmt.Fprintf(w, "::add-mask::filler-%d\n", i)
	}
	const value = `p@ss "w0rd"/é&<x>`
	fmt.Fprintf(w, "::add-mask::%s\n", value)
	for name, form := range map[string]string{
		"raw": value, "hex": hex.EncodeToString([]byte(value)), "HEX": fmt.Sprintf("%X", value),
		"base64 0": base64.StdEncoding.EncodeToString([]byte(value)), "base64 1": base64.StdEncoding.EncodeToString([]byte("u" + value + "x")), "base64 2": base64.URLEncoding.EncodeToString([]byte("us" + value + "x")),
		"query": url.QueryEscape(value), "path": strings.ReplaceAll(url.QueryEscape(value), "+", "%20"), "JSON": goJSON(value, false), "Go's JSON": goJSON(value, true), "Python's JSON": asciiJSON(value),
		"HTML": html.EscapeString(value), "XML": strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(value), "shell": strings.NewReplacer(`"`, `\"`).Replace(value),
	} {
		if got := r.String(form); !strings.Contains(got, "[REDACTED:add-mask]") {
			t.Errorf("%s: %q", name, got)
		}
	}
}

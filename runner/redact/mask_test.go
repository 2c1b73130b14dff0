package redact

import (
	"fmt"
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

package terminal

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestEscape(t *testing.T) {
	for name, c := range map[string]struct{ in, line, lines string }{
		"plain text stays":                       {"src/größe.test.ts › ok 漢字 🎉", "src/größe.test.ts › ok 漢字 🎉", ""},
		"nothing":                                {"", "", ""},
		"an escape sequence":                     {"a\x1b[31mred", "a␛[31mred", ""},
		"a link, and a bell":                     {"\x1b]8;;http://x\a", "␛]8;;http://x␇", ""},
		"C1's own CSI":                           {"a\u009b31mred", "a<U+009B>31mred", ""},
		"a byte that is C1 in Latin-1":           {"a\x9b31mred", "a\uFFFD31mred", ""},
		"delete":                                 {"a\x7f", "a␡", ""},
		"text direction":                         {"a\u202egnp.exe", "a<U+202E>gnp.exe", ""},
		"isolates and marks":                     {"\u2066a\u2069\u200e\u200f\u061c", "<U+2066>a<U+2069><U+200E><U+200F><U+061C>", ""},
		"joined emoji keep their joiner":         {"👩\u200d💻", "👩\u200d💻", ""},
		"a carriage return":                      {"a\rb", "a␍b", ""},
		"a line break":                           {"a\nb", "a␊b", "a\nb"},
		"Windows' line break":                    {"a\r\nb", "a␍␊b", "a\nb"},
		"a tab":                                  {"a\tb", "a␉b", "a\tb"},
		"a line separator":                       {"a\u2028b", "a<U+2028>b", ""},
		"a command":                              {"::set-output name=a::b", `\::set-output name=a::b`, ""},
		"an indented command":                    {" \t ::set-output name=a::b", `\ ␉ ::set-output name=a::b`, "\\ \t ::set-output name=a::b"},
		"a command on a further line":            {"a\n  ::error::b\n", "a␊  ::error::b␊", "a\n\\  ::error::b\n"},
		"a command behind a carriage return":     {"a\r::error::b", "a␍::error::b", ""},
		"a command after what GitHub trims":      {"\u0085::error::b", `\<U+0085>::error::b`, ""},
		"colons within a line":                   {"std::vector::at", "std::vector::at", ""},
		"GitHub's first commands, anywhere":      {"a ##[set-output name=a]b", `a ##\[set-output name=a]b`, ""},
		"Azure's commands, anywhere":             {"a ##vso[task.setvariable]b", `a ##vso\[task.setvariable]b`, ""},
		"a heading":                              {"## [1.0]", "## [1.0]", ""},
		"what is cut in the middle of a letter":  {"gr\xc3", "gr\uFFFD", ""},
		"several lines, each escaped on its own": {"a\n\x1b[1mb\n", "a␊␛[1mb␊", "a\n␛[1mb\n"},
	} {
		if c.lines == "" {
			c.lines = c.line
		}
		if got := Escape(c.in); got != c.line {
			t.Errorf("%s: Escape(%q) is %q, want %q", name, c.in, got, c.line)
		}
		if got := EscapeLines(c.in); got != c.lines {
			t.Errorf("%s: EscapeLines(%q) is %q, want %q", name, c.in, got, c.lines)
		}
	}
}

func TestEscapeStyledKeepsColoursOnly(t *testing.T) {
	for in, want := range map[string]string{
		"plain\ttext\n":                         "plain\ttext\n",
		"\x1b[1;31mred\x1b[0m\n":                "\x1b[1;31mred\x1b[0m\n",
		"\x1b[2J\x1b[31mx\x1b[m\u202e":          "␛[2J\x1b[31mx\x1b[m<U+202E>",
		"\x1b[31\u009bm":                        "␛[31<U+009B>m",
		"\x1b]8;;http://x\x1b\\link":            `␛]8;;http://x␛\link`,
		"\x1b":                                  "␛",
		"a\n::set-env name=a::\x1b[1mb":         "a\n\\::set-env name=a::\x1b[1mb",
		"\x1b[" + strings.Repeat("1", 99) + "m": "␛[" + strings.Repeat("1", 99) + "m",
	} {
		if got := EscapeStyled(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
		var written strings.Builder
		if n, err := Writer(&written).Write([]byte(in)); n != len(in) || err != nil || written.String() != want {
			t.Errorf("Write of %q: %d, %v, %q", in, n, err, &written)
		}
	}
}

func TestEscapeJSONKeepsWhatItMeans(t *testing.T) {
	in := map[string]string{"a\u202eb": "c\u009bd\x7f", "ü": "\t\x1b😀"}
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	escaped := EscapeJSON(append(text, '\n'))
	var out map[string]string
	if err := json.Unmarshal(escaped, &out); err != nil || !maps.Equal(in, out) {
		t.Errorf("%v %v: %s", err, out, escaped)
	}
	if strings.ContainsFunc(strings.TrimSuffix(string(escaped), "\n"), IsUnsafe) || !strings.Contains(string(escaped), "ü") {
		t.Errorf("%q", escaped)
	}
}

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", "plain", "\x1b[2J", "\u009b", "a\n::b::", "##[", "##vso[", "\xff", "\t\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		line := Escape(s)
		if strings.ContainsFunc(line, unicode.IsControl) || !utf8.ValidString(line) {
			t.Errorf("Escape(%q) is %q", s, line)
		}
		lines := EscapeLines(s)
		for _, text := range append(strings.Split(lines, "\n"), line) {
			if strings.HasPrefix(strings.TrimSpace(text), "::") || strings.Contains(text, "##[") ||
				strings.Contains(text, "##vso[") {
				t.Errorf("%q is a command, of %q", text, s)
			}
		}
		if strings.ContainsFunc(strings.NewReplacer("\n", "", "\t", "").Replace(lines), IsUnsafe) {
			t.Errorf("EscapeLines(%q) is %q", s, lines)
		}
		if again := Escape(strings.TrimPrefix(line, `\`)); isSafe(s) && again != s {
			t.Errorf("safe %q became %q", s, again)
		}
	})
}

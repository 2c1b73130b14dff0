package redact

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"io"
	"math/rand/v2"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/runner/logs/cilog"
)

// The forms in which secrets were seen in the logs of other runners, and what is left of those that are not known.
func TestFormsThatLeakElsewhere(t *testing.T) {
	const secret = `pa"ss\wo'rd/+&<x> $y=` + "é%~!"
	std := base64.StdEncoding.EncodeToString
	const known = 23
	found := 0
	for _, f := range []struct {
		name, text string
		known      bool
	}{
		{"as it is", secret, true},
		{"base64", std([]byte(secret)), true},
		{"base64, after one byte", std([]byte("^" + secret))[2:], true},
		{"base64, after two bytes", std([]byte("^^" + secret))[3:], true},
		{"base64 with a newline", std([]byte(secret + "\n")), true},
		{"base64url", base64.RawURLEncoding.EncodeToString([]byte(secret)), true},
		{"base64 of base64", std([]byte(std([]byte(secret)))), true},
		{"hex", hex.EncodeToString([]byte(secret)), true},
		{"hex in capitals", fmt.Sprintf("%X", secret), true},
		{"URL, a space as %20", strings.ReplaceAll(url.QueryEscape(secret), "+", "%20"), true},
		{"URL in small letters", lowerPercent(url.QueryEscape)(secret), true},
		{"a form, a space as +", url.QueryEscape(secret), true},
		{"JSON", goJSON(secret, false), true},
		{`JSON with \u0026`, goJSON(secret, true), true},
		{"JSON in JSON", goJSON(goJSON(secret, false), false), true},
		{"XML", strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;").Replace(secret), true},
		{"HTML with &#39;", html.EscapeString(secret), true},
		{"Go's %q", inner(strconv.Quote(secret)), true},
		{"a shell's '…'", strings.ReplaceAll(secret, "'", `'\''`), true},
		{"YAML's and SQL's '…'", strings.ReplaceAll(secret, "'", "''"), true},
		{`only " escaped`, strings.ReplaceAll(secret, `"`, `\"`), true},
		{"bash's %q", backslashed(secret), true},
		{"colours inside", secret[:4] + "\x1b[31m" + secret[4:9] + "\x1b[0m" + secret[9:], true},
		{"a newline inside", secret[:9] + "\n" + secret[9:], false},
		{"a part, as PowerShell cuts at &", secret[:strings.IndexByte(secret, '&')], false},
	} {
		got := cleaned(t, New(Secret{"S", secret}), "<"+f.text+">")
		masked := got == "<[REDACTED:S]>"
		t.Logf("%-5v %s", masked, f.name)
		if masked != f.known {
			t.Errorf("%s: %q became %q", f.name, f.text, got)
		}
		if masked {
			found++
		}
	}
	if found < known {
		t.Errorf("%d of the forms are known, not %d", found, known)
	}
}

func TestSecretsThatAreAwkward(t *testing.T) {
	for name, c := range map[string]struct {
		secrets    []Secret
		text, want string
	}{
		"a regular expression":              {[]Secret{{"A", `^(.*)+[a-z]{3,}\d$|x`}}, `abc ^(.*)+[a-z]{3,}\d$|x aaa`, "abc [REDACTED:A] aaa"},
		"a format":                          {[]Secret{{"A", "%s%d%!(EXTRA)"}}, "<%s%d%!(EXTRA)>", "<[REDACTED:A]>"},
		"a replacement's own text":          {[]Secret{{"A", "[REDACTED:A]"}}, "<[REDACTED:A]>", "<[REDACTED:A]>"},
		"another's replacement":             {[]Secret{{"A", "secret-1"}, {"B", "[REDACTED:A]"}}, "secret-1 [REDACTED:A]", "[REDACTED:A] [REDACTED:B]"},
		"a part of the replacement":         {[]Secret{{"A", "REDACTED:B"}, {"B", "secret-2"}}, "secret-2 REDACTED:B", "[REDACTED:B] [REDACTED:A]"},
		"it and what is made of it":         {[]Secret{{"A", "secret-1"}, {"B", "c2VjcmV0LTE="}}, "secret-1 c2VjcmV0LTE=", "[REDACTED:A] [REDACTED:A]"},
		"one longer by a byte, many times":  {[]Secret{{"A", "aaaaab"}, {"B", "aaaaaab"}, {"C", "aaaaaaab"}}, "aaaaab aaaaaab aaaaaaab aaaaaaaab", "[REDACTED:A] [REDACTED:B] [REDACTED:C] a[REDACTED:C]"},
		"bytes of all kinds":                {[]Secret{{"A", "\x00\x01\xfe\xff\r\x1b\x7f"}}, "<\x00\x01\xfe\xff\r\x1b\x7f>", "<[REDACTED:A]>"},
		"bytes that are not UTF-8, in JSON": {[]Secret{{"A", "\xff\"quoted\""}}, "<\xff\\\"quoted\\\">", "<[REDACTED:A]>"},
		"a masking command":                 {[]Secret{{"A", "::add-mask::"}}, "<::add-mask::>", "<[REDACTED:A]>"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := cleaned(t, New(c.secrets...), c.text); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestTwoThousandSecrets(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	var secrets []Secret
	for i, value := range cilog.Secrets(2000) {
		secrets = append(secrets, Secret{fmt.Sprint("S", i), value})
	}
	r := New(secrets...)
	r.DisableTokens()
	var text, want strings.Builder
	for range 2000 {
		filler := "fill " + cilog.Hex(rnd, rnd.IntN(100)) + " . "
		s := secrets[rnd.IntN(len(secrets))]
		if unquote(s.Value) != s.Value {
			continue // of one in quotes it is what is between them
		}
		text.WriteString(filler + base64.StdEncoding.EncodeToString([]byte(s.Value)))
		want.WriteString(filler + "[REDACTED:" + s.Name + "]")
	}
	if got := streamed(t, r, text.String(), func(int) int { return rnd.IntN(2 * block) }); got != want.String() {
		t.Error("not what it should be")
	}
}

func TestASecretOf64KiB(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9, 10))
	value := cilog.Hex(rnd, 64<<10)
	r := New(Secret{"S", value})
	for name, form := range map[string]string{
		"raw": value, "base64": base64.StdEncoding.EncodeToString([]byte(value)), "hex": hex.EncodeToString([]byte(value)),
		"base64 of base64": base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString([]byte(value)))),
	} {
		text := "<" + form + ">"
		for _, size := range []int{len(text), 1000, 7} {
			if got := streamed(t, r, text, func(int) int { return size }); got != "<[REDACTED:S]>" {
				t.Errorf("%s in parts of %d: %d bytes, %.80q", name, size, len(got), got)
			}
		}
	}
	if part := value[1000:3000]; strings.Contains(r.String(part), part[400:1600]) {
		t.Error("a part of it is left")
	}
}

// A line of what may become something at every byte costs no memory, however long it is.
func TestMemoryIsBounded(t *testing.T) {
	const most = 4 << 20
	r := New(Secret{"A", "aaaaaab"}, Secret{"PEM", pemKey}, Secret{"LONG", strings.Repeat("b", 60000) + "c"})
	for name, c := range map[string]struct{ start, rest string }{
		"64 MB":                           {"", strings.Repeat(".", 1<<20-6) + "aaaaaa"},
		"the beginning of a short secret": {"", "a"},
		"the beginning of a long secret":  {"", "b"},
		"a token":                         {"ghp_", "b"},
		"a token of dashes":               {"xoxb-", "-"},
		"the id of a key":                 {"AKIAIOSFODNN7EXAMPLE", " "},
		"the id of a key, and its secret": {"AKIAIOSFODNN7EXAMPLE ", "b"},
		"a private key":                   {"-----BEGIN PRIVATE KEY-----\n", "b"},
		"private keys":                    {"", "-----BEGIN PRIVATE KEY-----"},
		"an escape sequence":              {"\x1b]8;;", "b"},
		"escape sequences":                {"", "\x1b["},
		"colours":                         {"", "a\x1b[1m"},
		"base64":                          {"", "QUJD"},
		"base64 in lines":                 {"", strings.Repeat("QUJD", 16) + "\n"},
		"a masking command":               {"::add-mask::", "b"},
		"masking commands":                {"", "::add-mask::\n"},
		"white space":                     {"", " "},
	} {
		t.Run(name, func(t *testing.T) {
			w := r.Writer(io.Discard, MaskCommands())
			part := bytes.Repeat([]byte(c.rest), (1<<20)/len(c.rest))
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if _, err := io.WriteString(w, c.start); err != nil {
				t.Fatal(err)
			}
			parts := 2
			if name == "64 MB" {
				parts = 64
			}
			for range parts {
				if _, err := w.Write(part); err != nil {
					t.Fatal(err)
				}
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			if held := int(after.HeapAlloc) - int(before.HeapAlloc); held > most {
				t.Errorf("%d bytes are held", held)
			}
			if n := slices.Max([]int{cap(w.text), cap(w.clean)}); n > 4*block {
				t.Errorf("%d bytes are kept of a line", n)
			}
		})
	}
}

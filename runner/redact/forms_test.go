package redact

import (
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"html"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/carlin-cicd/runner/steps/ansi"
)

// The forms of a secret in the wild, each made by something else than the code under test where there is such a
// thing in Go. Everything between < and > has to go.
func TestEveryFormOfASecretIsReplaced(t *testing.T) {
	std, raw64 := base64.StdEncoding.EncodeToString, base64.RawStdEncoding.EncodeToString
	replace := func(oldnew ...string) func(string) string { return strings.NewReplacer(oldnew...).Replace }
	forms := []struct {
		name string
		of   func(s string) string
	}{
		{"raw", func(s string) string { return s }},
		{"base64", func(s string) string { return std([]byte(s)) }},
		{"base64 without padding", func(s string) string { return raw64([]byte(s)) }},
		{"base64 of it and a newline", func(s string) string { return std([]byte(s + "\n")) }},
		{"base64url", func(s string) string { return base64.URLEncoding.EncodeToString([]byte(s)) }},
		{"base64url without padding", func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }},
		{"hex", func(s string) string { return hex.EncodeToString([]byte(s)) }},
		{"hex in capitals", func(s string) string { return fmt.Sprintf("%X", s) }},
		{"a path of a URL", url.PathEscape},
		{"a query of a URL", url.QueryEscape},
		{"a query, in small letters", lowerPercent(url.QueryEscape)},
		{
			"encodeURIComponent",
			replaceAll(url.QueryEscape, "+", "%20", "%21", "!", "%27", "'", "%28", "(", "%29", ")", "%2A", "*"),
		},
		{"strict percent encoding", replaceAll(url.QueryEscape, "+", "%20")},
		{"percent encoding in small letters", lowerPercent(replaceAll(url.QueryEscape, "+", "%20"))},
		{"a form", replaceAll(url.QueryEscape, "%2A", "*", "~", "%7E")},
		{
			"a password in a URL",
			func(s string) string { return strings.TrimPrefix(url.UserPassword("", s).String(), ":") },
		},
		{"Go's JSON", func(s string) string { return goJSON(s, true) }},
		{"JSON", func(s string) string { return goJSON(s, false) }},
		{"JSON in JSON", func(s string) string { return goJSON(goJSON(s, false), false) }},
		{"Go's JSON in Go's JSON", func(s string) string { return goJSON(goJSON(s, true), true) }},
		{"PHP's JSON", replaceAll(asciiJSON, "/", `\/`)},
		{"Python's JSON", asciiJSON},
		{"base64 of JSON", func(s string) string { return std([]byte(goJSON(s, false))) }},
		{"XML", replace("&", "&amp;", "<", "&lt;", ">", "&gt;")},
		{"Go's XML", func(s string) string {
			var b strings.Builder
			_ = xml.EscapeText(&b, []byte(s))
			return b.String()
		}},
		{"an XML attribute", replace("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")},
		{"an XML attribute, named", replace("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;")},
		{"HTML with &#39; and &#34;", html.EscapeString},
		{"HTML with &#39; and &quot;", replaceAll(html.EscapeString, "&#34;", "&quot;")},
		{"HTML with &#x27;", replaceAll(html.EscapeString, "&#34;", "&quot;", "&#39;", "&#x27;")},
		{"Go's %q", func(s string) string { return inner(strconv.Quote(s)) }},
		{"Go's %+q", func(s string) string { return inner(strconv.QuoteToASCII(s)) }},
		{"Python's repr", replace(`\`, `\\`, "'", `\'`)},
		{"shell, single quotes", replace("'", `'\''`)},
		{"shell, Python's single quotes", replace("'", `'"'"'`)},
		{"shell, double quotes", replace(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`")},
		{"shell, only quotes escaped", replace(`"`, `\"`)},
		{"SQL", replace("'", "''")},
		{"CSV", replace(`"`, `""`)},
		{"a workflow command", replace("%", "%25")},
		{"each byte percent-encoded", eachFormatted("%%%02X")},
		{"each byte percent-encoded, in small letters", eachFormatted("%%%02x")},
		{"percent-encoded twice", func(s string) string { return url.QueryEscape(url.QueryEscape(s)) }},
		{"a path, percent-encoded twice", func(s string) string { return strict(strict(s)) }},
		{"base64 of percent-encoded", func(s string) string { return std([]byte(strict(s))) }},
		{"JSON in JSON in JSON", func(s string) string { return goJSON(goJSON(goJSON(s, false), false), false) }},
		{"Python's JSON in JSON in JSON", func(s string) string { return goJSON(goJSON(asciiJSON(s), false), false) }},
		{"base64 of base64 of base64", func(s string) string { return std([]byte(std([]byte(std([]byte(s)))))) }},
		{"base32", func(s string) string { return base32.StdEncoding.EncodeToString([]byte(s)) }},
		{"base32 without padding", func(s string) string {
			return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString([]byte(s))
		}},
		{"hex with colons", func(s string) string { return net.HardwareAddr(s).String() }},
		{
			"hex with colons, as openssl has it",
			func(s string) string { return strings.ToUpper(net.HardwareAddr(s).String()) },
		},
		{"hex with spaces", func(s string) string { return fmt.Sprintf("% x", s) }},
		{"hex with spaces, in capitals", func(s string) string { return fmt.Sprintf("% X", s) }},
		{"hex with dashes", func(s string) string { return strings.ReplaceAll(fmt.Sprintf("% X", s), " ", "-") }},
		{"hexadecimal escapes", eachFormatted(`\x%02x`)},
		{"octal escapes", eachFormatted(`\%03o`)},
		{"Python's bytes", pythonBytesOf},
		{"git's paths", func(s string) string {
			return eachBeyondASCII(replace(`\`, `\\`, `"`, `\"`)(s), `\%03o`)
		}},
		{"quoted-printable", func(s string) string {
			var b strings.Builder
			w := quotedprintable.NewWriter(&b)
			_, _ = w.Write([]byte(s))
			_ = w.Close()
			return b.String()
		}},
		{"a header of a mail", func(s string) string {
			return strings.ReplaceAll(
				strings.TrimSuffix(strings.TrimPrefix(mime.QEncoding.Encode("utf-8", s+"é"), "=?utf-8?q?"), "=C3=A9?="),
				"_",
				"=20",
			)
		}},
		{"UTF-16", func(s string) string { return utf16Of(s, binary.LittleEndian) }},
		{"UTF-16, big endian", func(s string) string { return utf16Of(s, binary.BigEndian) }},
		{"a command of PowerShell", func(s string) string { return std([]byte(utf16Of(s, binary.LittleEndian))) }},
		{
			"zero-width characters inside",
			func(s string) string { return s[:1] + "\u200b" + s[1:3] + "\u2060\ufeff" + s[3:5] + "\u200d" + s[5:] },
		},
		{
			"zero-width characters inside base64",
			func(s string) string { e := std([]byte(s)); return e[:5] + "\u200c" + e[5:] },
		},
		{
			"colours inside",
			func(s string) string { return s[:3] + "\x1b[01;31m\x1b[K" + s[3:5] + "\x1b[m\x1b[K" + s[5:] },
		},
		{"colours inside base64", func(s string) string {
			e := std([]byte(s))
			return e[:4] + "\x1b[1m" + e[4:]
		}},
		{"colours at both ends of hex", func(s string) string {
			h := hex.EncodeToString([]byte(s))
			return h[:1] + "\x1b[1m" + h[1:len(h)-1] + "\x1b[0m" + h[len(h)-1:]
		}},
		{"a link inside", func(s string) string { return s[:2] + "\x1b]8;;https://example.com\x1b\\" + s[2:] }},
	}
	for _, secret := range []string{
		"0123456789abcdef0123456789abcdef",
		"Zm9vYmFyYmF6cXV4/Zm9v+mFyYmF6cXV4cXV1eA==",
		"s3cr3t",
		"seven77",
		`pa"ss\wo'rd/+&<x> $y=é%~!*()😀` + "`{z}",
		"tail?tail>tail~",
		"correct horse battery staple",
		"ünï-çødé-ßtring",
	} {
		for _, f := range forms {
			t.Run(f.name+" of "+secret, func(t *testing.T) {
				r := New(Secret{"S", secret})
				text := "before <" + f.of(secret) + "> after\n"
				if got := cleaned(t, r, text); got != "before <[REDACTED:S]> after\n" {
					t.Errorf("%q became %q", text, got)
				}
			})
		}
	}
}

// What encoders make of a secret together with what is around it has parts in which both have bits. Nothing is left
// of the secret when those are decoded alone.
func TestEncodedTogetherWithOtherText(t *testing.T) {
	for _, secret := range []string{"s3cr3t", "seven77", "eight888", `pa"ss\wo'rd/+&`, "0123456789abcdef0123456789abcdef"} {
		r := New(Secret{"S", secret})
		for before := range 4 {
			for after := range 4 {
				text := strings.Repeat("^", before) + secret + strings.Repeat("^", after)
				for name, enc := range map[string]*base64.Encoding{"std": base64.StdEncoding, "url": base64.URLEncoding, "raw": base64.RawStdEncoding} {
					got := cleaned(t, r, enc.EncodeToString([]byte(text)))
					left := strings.Split(got, "[REDACTED:S]")
					if len(left) != 2 || len(left[0]) > (8*before+5)/6 ||
						len(strings.Trim(left[1], "=")) > (8*after+9)/6 {
						t.Errorf("%s base64 of %q became %q", name, text, got)
					}
				}
				inside := base64.StdEncoding.EncodeToString([]byte(text))
				for move := range 3 {
					twice := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("^", move) + inside))
					if got := cleaned(t, r, twice); !strings.Contains(got, "[REDACTED:S]") ||
						len(got) > len("[REDACTED:S]")+24 {
						t.Errorf("base64 of %q, twice, became %q", text, got)
					}
				}
			}
		}
	}
}

func TestEncodedAndWrapped(t *testing.T) {
	secret := strings.Repeat("secret0123456789", 12)
	for _, width := range []int{60, 64, 76} {
		for _, newline := range []string{"\n", "\r\n"} {
			for name, encoded := range map[string]string{
				"base64":            base64.StdEncoding.EncodeToString([]byte(secret)),
				"base64 with other": base64.StdEncoding.EncodeToString([]byte("some text before it, and of it " + secret + ", and some after")),
				"hex":               hex.EncodeToString([]byte(secret)),
			} {
				t.Run(fmt.Sprintf("%s at %d with %q", name, width, newline), func(t *testing.T) {
					var lines []string
					for rest := encoded; rest != ""; rest = rest[min(width, len(rest)):] {
						lines = append(lines, rest[:min(width, len(rest))])
					}
					got := cleaned(t, New(Secret{"S", secret}), "<"+newline+strings.Join(lines, newline)+newline+">")
					if before, after, ok := strings.Cut(got, "[REDACTED:S]"); !ok || len(before) > 50 ||
						len(after) > 30 ||
						strings.Contains(after, "[REDACTED") {
						t.Errorf("%q", got)
					}
				})
			}
		}
	}
}

func TestASecretInColours(t *testing.T) {
	r := New(Secret{"A", "secret-1"}, Secret{"B", "m-other-2"}, Secret{"C", "31mabcd-no"}, Secret{"D", "mabcdef"})
	for text, want := range map[string]string{
		"\x1b[32msecret-1\x1b[0m":             "\x1b[32m[REDACTED:A]\x1b[0m",
		"s\x1b[1me\x1b[2mcret\x1b]0;t\a-1":    "[REDACTED:A]",
		"secret\x1b[1m-2 secret-1":            "secret\x1b[1m-2 [REDACTED:A]",
		"\x1b[1m-other-2":                     "\x1b[1[REDACTED:B]", // as it is, it can be read
		"sec\x1b(Bret-1 \x1b[":                "[REDACTED:A] \x1b[",
		"sec\x1b[31;\nret-1":                  "sec\x1b[31;\nret-1",    // no sequence
		"sec\x1b[3\nxret-1":                   "sec\x1b[3\nxret-1",     // nor this, though a letter follows the line break
		"sec\x1bret-1":                        "sec\x1bret-1",          // ESC r is one, and takes the r
		"\x1b[31mabc\x1b[0mdef":               "\x1b[31mabc\x1b[0mdef", // the first m is the sequence's, though C may begin in it
		"sec\x1b[1m\x1b[2mret-1secr\x1b7et-1": "[REDACTED:A][REDACTED:A]",
	} {
		if got := cleaned(t, r, text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func strict(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// eachFormatted returns a form that has a part for each byte.
func eachFormatted(format string) func(string) string {
	return func(s string) string {
		var b strings.Builder
		for _, c := range []byte(s) {
			fmt.Fprintf(&b, format, c)
		}
		return b.String()
	}
}

func eachBeyondASCII(s, format string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c < 0x80 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, format, c)
		}
	}
	return b.String()
}

// pythonBytesOf is what is between the quotes of repr(s.encode()).
func pythonBytesOf(s string) string {
	quoted := eachBeyondASCII(strings.ReplaceAll(s, `\`, `\\`), `\x%02x`)
	if strings.Contains(s, "'") && strings.Contains(s, `"`) {
		quoted = strings.ReplaceAll(quoted, "'", `\'`)
	}
	return quoted
}

func utf16Of(s string, order binary.AppendByteOrder) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, unit)
	}
	return string(b)
}

func goJSON(s string, escapeHTML bool) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(escapeHTML)
	if err := e.Encode(s); err != nil {
		panic(err)
	}
	return inner(strings.TrimSuffix(b.String(), "\n"))
}

func asciiJSON(s string) string {
	var b strings.Builder
	for _, c := range goJSON(s, false) {
		if c < 0x80 {
			b.WriteRune(c)
			continue
		}
		for _, unit := range utf16.Encode([]rune{c}) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String()
}

func inner(quoted string) string { return quoted[1 : len(quoted)-1] }

func replaceAll(f func(string) string, oldnew ...string) func(string) string {
	return func(s string) string { return strings.NewReplacer(oldnew...).Replace(f(s)) }
}

func lowerPercent(f func(string) string) func(string) string {
	return func(s string) string {
		b := []byte(f(s))
		for i := range b {
			if i+2 < len(b) && b[i] == '%' {
				copy(b[i+1:], bytes.ToLower(b[i+1:i+3]))
			}
		}
		return string(b)
	}
}

// With many secrets the tables are others: everything is still found, also around an escape sequence at any place.
func TestAllFormsOfManySecretsAreFound(t *testing.T) {
	secrets := ciSecrets(300)
	r := New(secrets...)
	r.build()
	if g := r.index.groups[len(r.index.groups)-1]; len(g.heads) < manyHeads {
		t.Fatalf("%d heads are not many", len(g.heads))
	}
	for i, s := range secrets {
		for n, form := range formsOf(s.Value) {
			at := 1 + (7*i+n)%(len(form)-1)
			for _, text := range []string{form, form[:at] + "\x1b[0;1m" + form[at:]} {
				clean := r.String("before " + text + " after")
				if strings.Contains(string(ansi.Strip([]byte(clean))), form) {
					t.Fatalf("%q is left of %q", clean, text)
				}
			}
		}
	}
}

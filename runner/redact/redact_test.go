package redact

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

const awkward = `pa"ss\wo'rd/+&<x> $y=é`

func TestEveryFormOfASecretIsReplaced(t *testing.T) {
	marshal := func(v any) string { b, _ := json.Marshal(v); return string(b) }
	encode := base64.StdEncoding.EncodeToString
	for name, form := range map[string]func(string) string{
		"raw":                               func(s string) string { return s },
		"in a line":                         func(s string) string { return "before " + s + " after" },
		"base64":                            func(s string) string { return encode([]byte(s)) },
		"base64 of it and a newline":        func(s string) string { return encode([]byte(s + "\n")) },
		"base64 with one byte before":       func(s string) string { return encode([]byte("x" + s + "tail")) },
		"base64 with two bytes before":      func(s string) string { return encode([]byte("xy" + s + "tail")) },
		"base64 of user:secret":             func(s string) string { return encode([]byte("user:" + s)) },
		"base64url":                         func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) },
		"hex":                               func(s string) string { return hex.EncodeToString([]byte(s)) },
		"upper-case hex":                    func(s string) string { return strings.ToUpper(hex.EncodeToString([]byte(s))) },
		"in a path":                         url.PathEscape,
		"in a query":                        url.QueryEscape,
		"in a query, lower case":            func(s string) string { return lowerEscapes(url.QueryEscape(s)) },
		"encodeURIComponent":                component,
		"in JSON":                           func(s string) string { return marshal(map[string]string{"k": s}) },
		"in JSON, JavaScript's way":         func(s string) string { return `"` + jsonString(s, false) + `"` },
		"in JSON within JSON":               func(s string) string { return marshal(marshal(s)) },
		"in JSON within JSON, JavaScript's": func(s string) string { return jsonString(jsonString(s, false), false) },
		"Go's %q":                           strconv.Quote,
		"Go's %+q":                          strconv.QuoteToASCII,
		"in HTML":                           html.EscapeString,
		"in XML":                            func(s string) string { return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s) },
		"in an XML attribute": func(s string) string {
			return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;").Replace(s)
		},
		"quoted for a shell":          func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" },
		"quoted for a shell, doubled": func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'"'"'`) + "'" },
		"in SQL":                      func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" },
	} {
		for _, secret := range []string{awkward, "ghp_0123456789abcdefghijABCDEFGHIJ456789", "s3cr3t"} {
			t.Run(name+" "+secret, func(t *testing.T) {
				text := "a " + form(secret) + " z\n"
				for _, out := range both(New(Secret{"TOKEN", secret}), text) {
					if !strings.Contains(out, "[REDACTED:TOKEN]") || strings.Contains(out, secret) {
						t.Errorf("%q became %q", text, out)
					}
				}
			})
		}
	}
}

// both redacts a text in one write and byte by byte.
func both(r *Redactor, text string) []string {
	return []string{stream(r, text, func(int) int { return len(text) }), stream(r, text, func(int) int { return 1 }), r.String(text)}
}

func stream(r *Redactor, text string, size func(left int) int) string {
	var out bytes.Buffer
	w := r.Writer(&out)
	for len(text) > 0 {
		n := min(max(size(len(text)), 1), len(text))
		w.Write([]byte(text[:n]))
		text = text[n:]
	}
	w.Close()
	return out.String()
}

func TestOverlapsAndSplits(t *testing.T) {
	for name, c := range map[string]struct {
		secrets    []Secret
		text, want string
	}{
		"nothing to replace":               {[]Secret{{"A", "secret-1"}}, "plain text\n", "plain text\n"},
		"a prefix of itself before it":     {[]Secret{{"A", "sk-sk-live"}}, "sk-sk-sk-live", "sk-[REDACTED:A]"},
		"a repetition before it":           {[]Secret{{"A", "aaaaab"}}, "aaaaaaab.", "aa[REDACTED:A]."},
		"two that overlap":                 {[]Secret{{"A", "abcdef12"}, {"B", "def12xyz"}}, "<abcdef12xyz>", "<[REDACTED:A]>"},
		"one inside of the other":          {[]Secret{{"A", "inside"}, {"B", "outside-inside-out"}}, "outside-inside-out inside", "[REDACTED:B] [REDACTED:A]"},
		"one that begins like the other":   {[]Secret{{"A", "abcdef"}, {"B", "abcdefghi"}}, "abcdefghi abcdef", "[REDACTED:B] [REDACTED:A]"},
		"side by side":                     {[]Secret{{"A", "secret-1"}}, "secret-1secret-1", "[REDACTED:A][REDACTED:A]"},
		"a chain of overlaps":              {[]Secret{{"A", "ababab"}}, "xabababababy", "x[REDACTED:A]y"},
		"its beginning at the end":         {[]Secret{{"A", "secret-1"}}, "tell no secret-", "tell no secret-"},
		"lines of a key":                   {[]Secret{{"KEY", "-----BEGIN X-----\nMIIabcdefgh\nijklmnop==\n-----END X-----\n"}}, "MIIabcdefgh\r\n  ijklmnop==\n", "[REDACTED:KEY]\r\n  [REDACTED:KEY]\n"},
		"the strings of a JSON secret":     {[]Secret{{"DB", `{"user":"admin-user","password":"hunter2hunter2","port":5432,"tls":true}`}}, `{ hunter2hunter2 5432 true user }`, `{ [REDACTED:DB] 5432 true user }`},
		"the whole of a JSON secret":       {[]Secret{{"DB", `{"password":"hunter2"}`}}, `x {"password":"hunter2"} y`, `x [REDACTED:DB] y`},
		"the first name of a common value": {[]Secret{{"B", "same-value"}, {"A", "same-value"}}, "same-value", "[REDACTED:A]"},
	} {
		t.Run(name, func(t *testing.T) {
			for i, got := range both(New(c.secrets...), c.text) {
				if got != c.want {
					t.Errorf("way %d: %q, want %q", i, got, c.want)
				}
			}
		})
	}
}

func TestShortAndCommonValuesAreNamedAndLeftAlone(t *testing.T) {
	r := New(Secret{"PIN", "12345"}, Secret{"FLAG_TOKEN", "true"}, Secret{"EMPTY", ""}, Secret{"STAGE_KEY", "production"}, Secret{"GOOD", "abcdef"})
	if got := strings.Join(r.Short(), " "); got != "PIN FLAG_TOKEN STAGE_KEY" {
		t.Errorf("short ones are %s", got)
	}
	if got := r.String("true 12345 { production abcdef"); got != "true 12345 { production [REDACTED:GOOD]" {
		t.Errorf("%q", got)
	}
}

func TestASecretCountsFromWhenItIsAdded(t *testing.T) {
	r := New()
	var out bytes.Buffer
	w := r.Writer(&out)
	fmt.Fprintln(w, "late-secret")
	r.Add(Secret{"LATE", "late-secret"})
	fmt.Fprintln(w, "late-secret")
	w.Close()
	if out.String() != "late-secret\n[REDACTED:LATE]\n" {
		t.Errorf("%q", out.String())
	}
}

func TestOnlyWhatMayBecomeASecretIsHeldBack(t *testing.T) {
	var out bytes.Buffer
	w := New(Secret{"A", "secret-1"}).Writer(&out)
	fmt.Fprint(w, "password? ")
	if out.String() != "password? " {
		t.Errorf("a prompt is held back: %q", out.String())
	}
	fmt.Fprint(w, "it is sec")
	if out.String() != "password? it is " {
		t.Errorf("%q", out.String())
	}
}

func TestSecretNames(t *testing.T) {
	for name, want := range map[string]bool{
		"NPM_TOKEN": true, "GITHUB_TOKEN": true, "AWS_SECRET_ACCESS_KEY": true, "DB_PASSWORD": true, "API_KEY": true, "PASSWORD": true, "TOKEN": true, "CLIENT_SECRETS": true,
		"GOOGLE_CREDENTIALS": true, "npm_token": true, "PGPASSWORD": true, "AWS_ACCESS_KEY_ID": false, "PUBLIC_KEY": false, "PWD": false, "DB_PWD": true, "SSH_AUTH_SOCK": false,
		"TOKENIZER": false, "MONKEY": false, "SECRET_FILE": false, "PATH": false, "SENTRY_DSN": true, "SLACK_WEBHOOK_URL": true,
	} {
		if got := SecretName(name); got != want {
			t.Errorf("%s is secret: %v", name, got)
		}
	}
}

// For any secrets, text and cuts: cut or whole, the output is the same; no secret is in it; a text without secrets is itself.
func check(t *testing.T, secrets []Secret, text string, size func(int) int) {
	t.Helper()
	r := New(secrets...)
	whole := r.String(text)
	if got := stream(r, text, size); got != whole {
		t.Fatalf("cut: %q\nwhole: %q\ntext: %q\nsecrets: %q", got, whole, text, secrets)
	}
	found := false
	for _, s := range secrets {
		if tooCommon(s.Value) || strings.ContainsAny(s.Value, "\r\n") {
			continue
		}
		found = found || strings.Contains(text, s.Value)
		if rest := replacement.Replace(whole); strings.Contains(rest, s.Value) {
			t.Fatalf("%q is still in %q", s.Value, whole)
		}
	}
	if !found && !strings.Contains(whole, "[REDACTED:") && whole != text {
		t.Fatalf("%q became %q", text, whole)
	}
}

var replacement = strings.NewReplacer("[REDACTED:S0]", "\x01", "[REDACTED:S1]", "\x01", "[REDACTED:S2]", "\x01")

func TestRandomSecretsTextsAndCuts(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	word := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "ab\"c"[rng.IntN(4)]
		}
		return string(b)
	}
	for range 3000 {
		var secrets []Secret
		for i := range 1 + rng.IntN(3) {
			secrets = append(secrets, Secret{"S" + strconv.Itoa(i), word(6 + rng.IntN(4))})
		}
		text := word(rng.IntN(60))
		for range rng.IntN(4) {
			s := secrets[rng.IntN(len(secrets))].Value
			text += s[:rng.IntN(len(s)+1)] + s + word(rng.IntN(5))
		}
		check(t, secrets, text, func(left int) int { return rng.IntN(left + 1) })
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("abcdef12", "def12xyz", "abcdef12xyz", uint64(1))
	f.Add("aaaaab", "aaaaaa", "aaaaaaaaab", uint64(2))
	f.Fuzz(func(t *testing.T, a, b, text string, seed uint64) {
		rng := rand.New(rand.NewPCG(seed, 0))
		check(t, []Secret{{"S0", a}, {"S1", b}}, text+a+text+b, func(left int) int { return rng.IntN(min(left, 9) + 1) })
	})
}

func lines(size int) []byte {
	rng := rand.New(rand.NewPCG(7, 7))
	var b bytes.Buffer
	for b.Len() < size {
		fmt.Fprintf(&b, "2026-11-22T10:00:%02d.%03dZ  PASS  packages/app/src/module-%d/handler.test.ts (%d.%d s) resolved dependency react@19.%d.0 from cache\n", rng.IntN(60), rng.IntN(1000), rng.IntN(500), rng.IntN(9), rng.IntN(99), rng.IntN(30))
	}
	return b.Bytes()
}

// BenchmarkWriter redacts CI-like lines in blocks as they come from a pipe.
func BenchmarkWriter(b *testing.B) {
	text := lines(8 << 20)
	for _, n := range []int{0, 10, 100, 1000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			rng := rand.New(rand.NewPCG(3, 3))
			var secrets []Secret
			for i := range n {
				raw := make([]byte, 15+rng.IntN(15))
				for j := range raw {
					raw[j] = byte(rng.IntN(256))
				}
				secrets = append(secrets, Secret{"S" + strconv.Itoa(i), base64.StdEncoding.EncodeToString(raw)})
			}
			r := New(secrets...)
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				w := r.Writer(discard{})
				for rest := text; len(rest) > 0; {
					n := min(len(rest), 256<<10)
					w.Write(rest[:n])
					rest = rest[n:]
				}
				w.Close()
			}
		})
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

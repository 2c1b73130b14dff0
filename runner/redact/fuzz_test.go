package redact

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/runner/logs/cilog"

	"github.com/carlin-cicd/runner/steps/ansi"
)

// For any secrets, text and cuts:
//
//   - cut or whole, the output is the same;
//   - no secret is in it, in any form that is looked for, nor is one once escape sequences and zero-width
//     characters are dropped;
//   - a text that has none is itself;
//   - in texts without escape sequences and the like, it is what comparing everything everywhere gives.
func checkProperties(t *testing.T, secrets []Secret, text string, size func(int) int) {
	t.Helper()
	r := New(secrets...)
	whole := r.String(text)
	if got := streamed(t, r, text, size); got != whole {
		t.Fatalf("cut:   %q\nwhole: %q\ntext:  %q\nsecrets: %q", got, whole, text, secrets)
	}
	if got := streamed(t, r, text, func(int) int { return 1 }); got != whole {
		t.Fatalf("bytes: %q\nwhole: %q\ntext:  %q\nsecrets: %q", got, whole, text, secrets)
	}

	found := false
	kept := strings.Split(whole, "[REDACTED:S]")
	for p := range r.names {
		found = found || strings.Contains(text, p) || strings.Contains(withoutSeams(text), p)
		for _, k := range kept {
			if strings.Contains(k, p) {
				t.Fatalf("%q is in %q\ntext: %q", p, whole, text)
			}
		}
	}
	if withoutSeams(text) != text || strings.ContainsRune(text, ansi.ESC) ||
		len(text) >= wrapped && strings.ContainsAny(text, "\r\n") {
		return
	}
	r.DisableTokens()
	whole = r.String(text)
	if !found && whole != text {
		t.Fatalf("%q became %q", text, whole)
	}
	if want := naive(r, text); whole != want {
		t.Fatalf("%q became\n%q, not\n%q\nsecrets: %q", text, whole, want, secrets)
	}
}

// naive replaces what any pattern covers.
func naive(r *Redactor, text string) string {
	covers := make([]int, len(text)+1) // where the longest match ends that begins here
	for i := range len(text) {
		for p := range r.names {
			if strings.HasPrefix(text[i:], p) {
				covers[i] = max(covers[i], i+len(p))
			}
		}
	}
	var b strings.Builder
	end := 0
	for i := range len(text) {
		switch {
		case covers[i] > 0 && i >= end:
			b.WriteString("[REDACTED:S]")
			end = covers[i]
		case covers[i] > end:
			end = covers[i]
		case i >= end:
			b.WriteByte(text[i])
		}
	}
	return b.String()
}

func withoutSeams(text string) string {
	b := []byte(text)
	for i := 0; i < len(b); {
		if n, _ := ansi.Sequence(b[i:]); b[i] == ansi.ESC && n > 0 {
			b = slices.Delete(b, i, i+n)
		} else if len(b[i:]) >= 3 && isZeroWidth([3]byte(b[i:])) {
			b = slices.Delete(b, i, i+3)
		} else {
			i++
		}
	}
	return string(b)
}

func TestRandomSecretsTextsAndCuts(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	pick := func(alphabet []string, n int) string {
		var b strings.Builder
		for range n {
			b.WriteString(alphabet[rnd.IntN(len(alphabet))])
		}
		return b.String()
	}
	alphabets := [][]string{
		{"a", "b"},
		{"a", "b", `"`, "c"},
		{"a", "b", "\n", `\`},
		{"a", "b", "\x1b[1m", "\x1b[", "m", "\x1b]", "\a", "1"},
		{"secret", "s", "\x1b[31m", "\x1b", "[", "\r\n", "=", "Zm9v", strings.Repeat("A", 47), strings.Repeat("B", 30)},
		{"é", "ü", "\xc3", "\xa9", "&", "%"},
		{"a", "b", "\u200b", "\ufeff", "\u2060"},
		{"a", "\u200d", "\xe2", "\x80", "\x8b", "\x81", "\xbf", "\x1b[m", "c"},
		{
			"AKIA",
			"IOSFODNN7EXAMPLE",
			" ",
			"wJalrXUtnFEMI/K7MDEN",
			"ghp_",
			"0123456789abcdefghij",
			"-----",
			"BEGIN ",
			"END ",
			"PRIVATE KEY",
			"\n",
			"\x1b[m",
		},
		{
			"eyJh",
			"bGciOiJIUzI1NiJ9",
			".",
			"eyJzdWIiOiIxMjM0NTY3ODkwIn0",
			" ",
			"sk_live_",
			"hooks.slack.com/",
			"/services/",
			"AIza",
			"0123456789abcdef",
			"\u200b",
		},
	}
	const rounds = 40
	for _, alphabet := range alphabets {
		for range rounds {
			secrets := make([]Secret, 1+rnd.IntN(3))
			for i := range secrets {
				secrets[i] = Secret{"S", pick(alphabet, 3+rnd.IntN(20))}
			}
			text := pick(alphabet, rnd.IntN(40))
			for range rnd.IntN(4) {
				s := secrets[rnd.IntN(len(secrets))].Value
				forms := append(formsOf(s), s)
				f := forms[rnd.IntN(len(forms))]
				text += f[:rnd.IntN(len(f)+1)] + f + pick(alphabet, rnd.IntN(5))
			}
			checkProperties(t, secrets, text, func(left int) int { return rnd.IntN(min(left, 12) + 1) })
		}
	}
}

// Texts longer than a block, with many secrets of all lengths, at random places.
func TestLongTextsWithManySecrets(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	var secrets []Secret
	for n := minimum; n < 80; n++ {
		secrets = append(secrets, Secret{"S" + strconv.Itoa(n), cilog.Hex(rnd, n)})
	}
	var text, want strings.Builder
	for range 5000 {
		filler := "fill " + cilog.Hex(rnd, rnd.IntN(100)) + " . "
		s := secrets[rnd.IntN(len(secrets))]
		text.WriteString(filler + s.Value)
		want.WriteString(filler + "[REDACTED:" + s.Name + "]")
	}
	r := New(secrets...)
	if got := r.String(text.String()); got != want.String() {
		t.Error("whole: not what it should be")
	}
	if got := streamed(t, r, text.String(), func(left int) int { return rnd.IntN(3 * block) }); got != want.String() {
		t.Error("cut: not what it should be")
	}
}

// What is held back is no more than the longest end that some pattern begins with.
func TestNoMoreIsHeldBackThanHasToBe(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 500 {
		var secret, text strings.Builder
		for range 6 + rnd.IntN(6) {
			secret.WriteByte("ab!"[rnd.IntN(3)])
		}
		for range rnd.IntN(40) {
			text.WriteByte("ab!"[rnd.IntN(3)])
		}
		r := New(Secret{"S", secret.String()})
		var out strings.Builder
		w := r.Writer(&out)
		if _, err := w.Write([]byte(text.String())); err != nil {
			t.Fatal(err)
		}
		held := 0
		for p := range r.names {
			for n := range min(len(p), text.Len()+1) {
				if strings.HasSuffix(text.String(), p[:n]) {
					held = max(held, n)
				}
			}
		}
		want := text.String()[:text.Len()-held]
		got := out.String()
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), "[REDACTED") && got != want {
			t.Fatalf("of %q, %q came at once, not %q; secret %q", text.String(), got, want, secret.String())
		}
	}
}

func FuzzWriter(f *testing.F) {
	f.Add("abcdef12", "def12xyz", "abcdef12xyz", uint64(1))
	f.Add("aaaaab", "aaaaaa", "aaaaaaaaab", uint64(2))
	f.Add("secret-1", "other-2", "sec\u200bret-1 oth\xe2\x80\x1b[m\xef\xbb\xbfer-2\xe2\x80", uint64(7))
	f.Add("secret-1", "31m-secret", "sec\x1b[31m-secret-1\x1b[", uint64(3))
	f.Add("line-one\nline-two", `{"a":"b\"c\"d\u0026e"}`, "bGluZS1vbmUKbGluZS10d28=", uint64(4))
	f.Add("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "https://a:b-c-d-e@f", "AKIAIOSFODNN7EXAMPLE ", uint64(5))
	f.Add(
		"-----BEGIN PRIVATE KEY-----\nMIIEow==\n-----END PRIVATE KEY-----\n",
		"MIIEow==",
		"-----BEGIN PRIVATE KEY-----\nMIIE",
		uint64(6),
	)
	f.Fuzz(func(t *testing.T, a, b, text string, seed uint64) {
		if len(a)+len(b)+len(text) > 2000 {
			return // the reference is slow
		}
		rnd := rand.New(rand.NewPCG(seed, 0))
		forms := append(append(formsOf(a), formsOf(b)...), text)
		form := forms[rnd.IntN(len(forms))]
		checkProperties(
			t,
			[]Secret{{"S", a}, {"S", b}},
			text+a+form+text+b,
			func(left int) int { return rnd.IntN(min(left, 9) + 1) },
		)
	})
}

// Whatever lines there are, commands that are cut are the same commands, and no masked value is left after its
// command.
func FuzzMaskCommands(f *testing.F) {
	f.Add("::add-mask::mystery\na mystery\n", uint64(1))
	f.Add("a\n\t::add-mask::%0A%25mystery\r\n::add-mask::\n::", uint64(2))
	f.Fuzz(func(t *testing.T, text string, seed uint64) {
		if len(text) > 2000 {
			return
		}
		rnd := rand.New(rand.NewPCG(seed, 0))
		whole := streamed(t, New(), text, func(left int) int { return left }, MaskCommands())
		cut := streamed(t, New(), text, func(left int) int { return rnd.IntN(min(left, 9) + 1) }, MaskCommands())
		if whole != cut {
			t.Fatalf("cut:   %q\nwhole: %q\ntext:  %q", cut, whole, text)
		}
		if !strings.Contains(text, maskCommand) && whole != New().String(text) {
			t.Fatalf("%q became %q", text, whole)
		}
	})
}

func FuzzSecretName(f *testing.F) {
	f.Add("NPM_TOKEN")
	f.Fuzz(func(t *testing.T, name string) {
		if IsSecretName(name) != IsSecretName(strings.ReplaceAll(name, "_", "-")) {
			t.Errorf("%q: with dashes it is another", name)
		}
	})
}

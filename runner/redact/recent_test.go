package redact

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/runner/logs/cilog"
)

// What is found does not depend on when a secret was added: before the matcher was made, after it, or one by one.
func TestRecentFindsTheSame(t *testing.T) {
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 17))
		alphabet := []string{"ab", "abcdef", "abcdefghijklmnopqrstuvwxyz0123456789", "ab+/ \n\"é"}[seed%4]
		word := func(n int) string {
			var b strings.Builder
			letters := []rune(alphabet)
			for range n {
				b.WriteRune(letters[rnd.IntN(len(letters))])
			}
			return b.String()
		}
		var secrets []Secret
		for i := range 1 + rnd.IntN(12) {
			value := word(6 + rnd.IntN(30))
			if i > 0 && rnd.IntN(2) == 0 { // some begin with others
				value = secrets[rnd.IntN(i)].Value + word(1+rnd.IntN(9))
			}
			secrets = append(secrets, Secret{fmt.Sprintf("S%02d", i), value})
		}
		var text strings.Builder
		for range 40 {
			s := secrets[rnd.IntN(len(secrets))].Value
			switch rnd.IntN(6) {
			case 0:
				text.WriteString(s)
			case 1:
				text.WriteString(s[:rnd.IntN(len(s))])
			case 2:
				forms := formsOf(s)
				text.WriteString(forms[rnd.IntN(len(forms))])
			case 3:
				text.WriteString(s[:len(s)/2] + "\x1b[31m" + s[len(s)/2:])
			default:
				text.WriteString(word(rnd.IntN(10)))
			}
		}
		want := New(secrets...).String(text.String())

		after := New()
		after.build()
		after.Add(secrets...)
		some := New(secrets[:len(secrets)/2]...)
		some.build()
		rnd.Shuffle(len(secrets), func(i, j int) { secrets[i], secrets[j] = secrets[j], secrets[i] })
		for _, s := range secrets {
			some.Add(s)
		}
		for name, r := range map[string]*Redactor{"after": after, "some after": some} {
			if got := r.String(text.String()); got != want {
				t.Fatalf("seed %d, added %s: %q, want %q\nof %q\n%q", seed, name, got, want, &text, secrets)
			}
			for _, size := range []int{1, 7, 64} {
				if got := streamed(t, r, text.String(), func(int) int { return 1 + rnd.IntN(size) }); got != want {
					t.Fatalf("seed %d, added %s, streamed: %q, want %q\nof %q", seed, name, got, want, &text)
				}
			}
		}
	}
}

// A line passes at once unless its end is the beginning of a secret.
func TestRecentHoldsBackNoMoreThanItHasTo(t *testing.T) {
	r := New()
	r.build()
	for i := range 500 {
		r.Add(Secret{"S", fmt.Sprintf("token-%d-%s", i, cilog.Hex(rand.New(rand.NewPCG(uint64(i), 1)), 32))})
	}
	for text, held := range map[string]string{
		"a line\n": "", "x token-12\n": "", "x t": "t", "x tok": "tok", "x token-12": "token-12", "x token-19-": "token-19-", "x token-1999z": "", "token-\n": "", "tok\n": "",
	} {
		var out strings.Builder
		w := r.Writer(&out)
		fmt.Fprint(w, text)
		if got := strings.TrimPrefix(text, out.String()); got != held {
			t.Errorf("of %q, %q is held back, want %q", text, got, held)
		}
	}
}

func TestRecentIsMergedAfterEnoughText(t *testing.T) {
	r := New(ciSecrets(10)...)
	r.build()
	r.Add(Secret{"LATE", "late-secret"})
	w := r.Writer(io.Discard)
	line := []byte(strings.Repeat("nothing at all, ", 64) + "\n")
	for n := 0; !r.index.recent.isEmpty(); n += len(line) {
		if n > 2*buildAfter*len(r.names) {
			t.Fatal("it is not merged")
		}
		if _, err := w.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	if got := r.String("a late-secret"); got != "a [REDACTED:LATE]" || r.index.recent.longest != 0 {
		t.Errorf("%q", got)
	}
}

// BenchmarkMasks masks 10,000 values by commands, with a line after each. A step may do so.
func BenchmarkMasks(b *testing.B) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for name, suffix := range map[string]string{"hexadecimal": "", "with-symbols": `/"é`} {
		var lines [][]byte
		for i := range maxMasks {
			lines = append(lines, fmt.Appendf(nil, "::add-mask::%s%s\nline %d\n", cilog.Hex(rnd, 40), suffix, i))
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			before := cilog.CPU()
			for b.Loop() {
				w := New().Writer(io.Discard, MaskCommands())
				for _, l := range lines {
					if _, err := w.Write(l); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric((cilog.CPU()-before).Seconds()/float64(b.N), "cpu-s")
		})
	}
}

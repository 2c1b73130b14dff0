package redact

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/runner/logs/cilog"
)

// ciSecrets are n secrets of the kinds that CI knows, in turns.
func ciSecrets(n int) []Secret {
	secrets := make([]Secret, n)
	for i, value := range cilog.Secrets(n) {
		secrets[i] = Secret{fmt.Sprintf("SECRET_%d", i), value}
	}
	return secrets
}

func redactLog(tb testing.TB, r *Redactor) {
	w := r.Writer(io.Discard)
	for p := range slices.Chunk(cilog.Log(), cilog.Block) {
		if _, err := w.Write(p); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
}

// BenchmarkWriter redacts blocks as a pipe returns them: no secrets and no tokens, tokens only, and numbers of
// secrets, each in all its forms. The shortest secrets set the speed.
func BenchmarkWriter(b *testing.B) {
	cilog.Log()
	nothing, short := New(), New(ciSecrets(100)...)
	nothing.DisableTokens()
	short.Add(Secret{"SHORT", "s3cr3t"}, Secret{"MEDIUM", "hunter2hunter"})
	for _, c := range []struct {
		name string
		r    *Redactor
	}{
		{"nothing", nothing},
		{"tokens", New()},
		{"10-secrets", New(ciSecrets(10)...)},
		{"100-secrets", New(ciSecrets(100)...)},
		{"100-secrets-and-short-ones", short},
		{"1000-secrets", New(ciSecrets(1000)...)},
	} {
		r := c.r
		b.Run(c.name, func(b *testing.B) {
			r.build()
			b.SetBytes(int64(len(cilog.Log())))
			b.ReportAllocs()
			for b.Loop() {
				redactLog(b, r)
			}
		})
	}
}

// BenchmarkLines is a line a write, as programs write that do not buffer.
func BenchmarkLines(b *testing.B) {
	lines := bytes.SplitAfter(cilog.Log()[:4<<20], []byte("\n"))
	for _, n := range []int{0, 10, 100} {
		b.Run(fmt.Sprintf("%d-secrets", n), func(b *testing.B) {
			w := New(ciSecrets(n)...).Writer(io.Discard)
			b.SetBytes(4 << 20)
			for b.Loop() {
				for _, l := range lines {
					_, _ = w.Write(l)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(lines)), "ns/line")
		})
	}
}

// BenchmarkNew is the time that a run starts later for its secrets.
func BenchmarkNew(b *testing.B) {
	for _, n := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprintf("%d-secrets", n), func(b *testing.B) {
			secrets := ciSecrets(n)
			b.ReportAllocs()
			for b.Loop() {
				New(secrets...).build()
			}
		})
	}
}

// withPatterns returns a redactor that looks for n of the forms of secrets, which are taken evenly from among all.
func withPatterns(n int) *Redactor {
	all := New(ciSecrets(100)...).names
	texts := slices.Sorted(maps.Keys(all))
	r := New()
	for i := range n {
		text := texts[i*len(texts)/n]
		r.names[text] = all[text]
	}
	r.index = index{}
	return r
}

// BenchmarkRatio reports how many times the CPU time of the obvious ways that of ours goes into, with 100
// secrets. Theirs look for the secrets as they are only, ours for all forms; and how the speed depends on the
// number of secrets, and of patterns, of which a secret has some 50. Medians of five rounds that take turns, so
// that a busy machine hits all.
func BenchmarkRatio(b *testing.B) {
	secrets := ciSecrets(100)
	var oldnew []string
	for _, s := range secrets {
		oldnew = append(oldnew, s.Value, "[REDACTED:"+s.Name+"]")
	}
	replacer := strings.NewReplacer(oldnew...)
	ten, hundred, thousand := New(ciSecrets(10)...), New(secrets...), New(ciSecrets(1000)...)
	tenPatterns, thousandPatterns := withPatterns(10), withPatterns(1000)
	part := cilog.Log()[:8<<20]
	peers := []struct {
		name  string
		bytes int
		run   func()
	}{
		{"10", len(cilog.Log()), func() { redactLog(b, ten) }},
		{"100", len(cilog.Log()), func() { redactLog(b, hundred) }},
		{"1000", len(cilog.Log()), func() { redactLog(b, thousand) }},
		{"10-patterns", len(cilog.Log()), func() { redactLog(b, tenPatterns) }},
		{"1000-patterns", len(cilog.Log()), func() { redactLog(b, thousandPatterns) }},
		{"ReplaceAll", len(part), func() {
			for p := range slices.Chunk(part, cilog.Block) {
				for _, s := range secrets {
					p = bytes.ReplaceAll(p, []byte(s.Value), []byte("[REDACTED:"+s.Name+"]"))
				}
			}
		}},
		{"Replacer", len(part), func() {
			for p := range slices.Chunk(part, cilog.Block) {
				_, _ = replacer.WriteString(io.Discard, string(p))
			}
		}},
	}
	speeds := make([][]float64, len(peers)) // MB per second of CPU
	for b.Loop() {
		for range 5 {
			for i, p := range peers {
				before := cilog.CPU()
				p.run()
				speeds[i] = append(speeds[i], float64(p.bytes)/1e6/(cilog.CPU()-before).Seconds())
			}
		}
	}
	speed := map[string]float64{}
	for i, p := range peers {
		slices.Sort(speeds[i])
		speed[p.name] = speeds[i][len(speeds[i])/2]
		b.ReportMetric(speed[p.name], p.name+"-cpu-MB/s")
	}
	b.ReportMetric(speed["100"]/speed["ReplaceAll"], "x-ReplaceAll")
	b.ReportMetric(speed["100"]/speed["Replacer"], "x-Replacer")
	b.ReportMetric(speed["1000"]/speed["10"], "1000/10")
	b.ReportMetric(speed["1000-patterns"]/speed["10-patterns"], "1000/10-patterns")
	b.ReportMetric(0, "ns/op")
}

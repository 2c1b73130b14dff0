package redact

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	ciBytes   = 67 << 20
	pipeBlock = 256 << 10 // what a read of the command's pipe returns at most
)

// ciLog is a deterministic log of the kind that CI makes: package manager, compiler, tests, container build; one line in
// eight coloured, some with hashes, some beyond ASCII; 108 bytes a line on average.
var ciLog = sync.OnceValue(func() []byte {
	rnd := rand.New(rand.NewPCG(3, 4))
	packages := []string{"@babel/core", "webpack", "typescript", "eslint-plugin-import", "jest-junit", "@aws-sdk/client-s3", "react-dom", "esbuild"}
	words := []string{"resolves", "the", "stack", "when", "branch", "renders", "cache", "returns", "an", "error", "for", "unknown", "tokens"}
	pick := func(list []string) string { return list[rnd.IntN(len(list))] }
	sentence := func(n int) string {
		chosen := make([]string, n)
		for i := range chosen {
			chosen[i] = pick(words)
		}
		return strings.Join(chosen, " ")
	}
	hash := func(n int) string { return randomHex(rnd, n) }
	out := bytes.NewBuffer(make([]byte, 0, ciBytes+1024))
	for out.Len() < ciBytes {
		switch rnd.IntN(16) {
		case 0, 1:
			fmt.Fprintf(out, "npm http fetch GET 200 https://registry.example.com/%s/-/%s-%d.%d.%d.tgz %dms (cache miss)\n", pick(packages), pick(packages), rnd.IntN(20), rnd.IntN(30), rnd.IntN(9), rnd.IntN(900))
		case 2:
			fmt.Fprintf(out, "\x1b[32m  ✓\x1b[39m \x1b[2m%s (%d ms)\x1b[22m\n", sentence(13), rnd.IntN(400))
		case 3:
			fmt.Fprintf(out, "\x1b[0m\x1b[7m\x1b[1m\x1b[32m PASS \x1b[39m\x1b[22m\x1b[27m\x1b[0m \x1b[2mpackages/%s/src/\x1b[22m\x1b[1m%s.test.ts\x1b[22m\n", pick(packages), hash(12))
		case 4, 5, 6:
			fmt.Fprintf(out, "packages/%s/src/components/%s/%s.tsx(%d,%d): warning TS%d: Property '%s' does not exist on type '%s'.\n", pick(packages), hash(8), pick(words), rnd.IntN(900), rnd.IntN(80), 2000+rnd.IntN(700), pick(words), sentence(3))
		case 7, 8:
			fmt.Fprintf(out, "#%d %d.%03d Step %d/%d : RUN --mount=type=cache,target=/root/.cache pnpm install --frozen-lockfile --filter %s\n", rnd.IntN(40), rnd.IntN(90), rnd.IntN(1000), rnd.IntN(20), 20, pick(packages))
		case 9:
			fmt.Fprintf(out, "    at Object.<anonymous> (/workspace/packages/%s/src/%s.ts:%d:%d)\n", pick(packages), hash(10), rnd.IntN(500), rnd.IntN(80))
		case 10:
			fmt.Fprintf(out, "{\"level\":\"info\",\"time\":%d,\"msg\":\"%s\",\"requestId\":\"%s\",\"durationMs\":%d}\n", 1700000000000+rnd.IntN(1e9), sentence(6), hash(32), rnd.IntN(5000))
		case 11:
			fmt.Fprintf(out, "── %s — größe %d kB · %s\n", pick(packages), rnd.IntN(9000), sentence(8))
		case 12:
			out.WriteString("\n")
		default:
			fmt.Fprintf(out, "dist/assets/%s-%s.js   %d.%02d kB │ gzip: %d.%02d kB │ map: %d.%02d kB  sha256:%s\n", pick(words), hash(8), rnd.IntN(900), rnd.IntN(100), rnd.IntN(300), rnd.IntN(100), rnd.IntN(2000), rnd.IntN(100), hash(64))
		}
	}
	return out.Bytes()
})

func randomHex(rnd *rand.Rand, n int) string { return hex.EncodeToString(randomBytes(rnd, n))[:n] }

func randomBytes(rnd *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rnd.IntN(256))
	}
	return b
}

// ciSecrets are n secrets of the kinds that CI knows, in turns.
func ciSecrets(n int) []Secret {
	rnd := rand.New(rand.NewPCG(5, 6))
	letters := func(n int, alphabet string) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = alphabet[rnd.IntN(len(alphabet))]
		}
		return string(b)
	}
	const upper, lower, digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz", "0123456789"
	secrets := make([]Secret, n)
	for i := range secrets {
		var value string
		switch i % 5 {
		case 0:
			value = randomHex(rnd, 32)
		case 1:
			value = base64.StdEncoding.EncodeToString(randomBytes(rnd, 30))
		case 2:
			value = "ghp_" + letters(36, upper+lower+digits)
		case 3:
			value = "AKIA" + letters(16, upper+digits)
		default:
			value = letters(16, upper+lower+digits+`!"#$%&'()*+,-./:;<=>?@[\]^_{|}~`)
		}
		secrets[i] = Secret{fmt.Sprintf("SECRET_%d", i), value}
	}
	return secrets
}

func redactLog(tb testing.TB, r *Redactor) {
	w := r.Writer(io.Discard)
	for p := range slices.Chunk(ciLog(), pipeBlock) {
		if _, err := w.Write(p); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
}

// BenchmarkWriter redacts blocks as a pipe returns them: no secrets and no tokens, tokens only, and numbers of secrets,
// each in all its forms. The shortest secrets set the speed.
func BenchmarkWriter(b *testing.B) {
	ciLog()
	nothing, short := New(), New(ciSecrets(100)...)
	nothing.KeepTokens()
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
			r.current()
			b.SetBytes(int64(len(ciLog())))
			b.ReportAllocs()
			for b.Loop() {
				redactLog(b, r)
			}
		})
	}
}

// BenchmarkLines is a line a write, as programs write when nobody buffers.
func BenchmarkLines(b *testing.B) {
	lines := bytes.SplitAfter(ciLog()[:4<<20], []byte("\n"))
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
				New(secrets...).current()
			}
		})
	}
}

// BenchmarkRatio reports how many times the CPU time of the obvious ways that of ours goes into, with 100 secrets. Theirs
// look for the secrets as they are only, ours for all forms. Medians of five rounds that take turns, so that a busy
// machine hits all.
func BenchmarkRatio(b *testing.B) {
	secrets := ciSecrets(100)
	var oldnew []string
	for _, s := range secrets {
		oldnew = append(oldnew, s.Value, "[REDACTED:"+s.Name+"]")
	}
	replacer := strings.NewReplacer(oldnew...)
	ten, hundred, thousand := New(ciSecrets(10)...), New(secrets...), New(ciSecrets(1000)...)
	part := ciLog()[:8<<20]
	peers := []struct {
		name  string
		bytes int
		run   func()
	}{
		{"10", len(ciLog()), func() { redactLog(b, ten) }},
		{"100", len(ciLog()), func() { redactLog(b, hundred) }},
		{"1000", len(ciLog()), func() { redactLog(b, thousand) }},
		{"ReplaceAll", len(part), func() {
			for p := range slices.Chunk(part, pipeBlock) {
				for _, s := range secrets {
					p = bytes.ReplaceAll(p, []byte(s.Value), []byte("[REDACTED:"+s.Name+"]"))
				}
			}
		}},
		{"Replacer", len(part), func() {
			for p := range slices.Chunk(part, pipeBlock) {
				_, _ = replacer.WriteString(io.Discard, string(p))
			}
		}},
	}
	speeds := make([][]float64, len(peers)) // MB per second of CPU
	for b.Loop() {
		for range 5 {
			for i, p := range peers {
				before := cpuTime(b)
				p.run()
				speeds[i] = append(speeds[i], float64(p.bytes)/1e6/(cpuTime(b)-before).Seconds())
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
	b.ReportMetric(0, "ns/op")
}

// cpuTime is that of this process, user and system.
func cpuTime(tb testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

package logs

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	ciBytes = 67 << 20
	block   = 256 << 10 // what a read of the command's pipe returns at most
)

// ciLog is a deterministic log of the kind that CI makes: package manager, compiler, tests,
// container build; one line in eight coloured, some beyond ASCII.
var ciLog = sync.OnceValue(func() []byte {
	rnd := rand.New(rand.NewPCG(1, 2))
	packages := []string{"@babel/core", "webpack", "typescript", "eslint-plugin-import", "jest-junit", "@aws-sdk/client-s3", "react-dom", "esbuild"}
	words := []string{"resolves", "the", "stack", "when", "branch", "renders", "cache", "returns", "an", "error", "for", "unknown", "tokens"}
	pick := func(list []string) string { return list[rnd.IntN(len(list))] }
	sentence := func(n int) string {
		var b []byte
		for range n {
			b = append(append(b, pick(words)...), ' ')
		}
		return string(b[:len(b)-1])
	}
	hex := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "0123456789abcdef"[rnd.IntN(16)]
		}
		return string(b)
	}
	out := bytes.NewBuffer(make([]byte, 0, ciBytes+1024))
	for out.Len() < ciBytes {
		switch rnd.IntN(16) {
		case 0, 1:
			fmt.Fprintf(out, "npm http fetch GET 200 https://registry.example.com/%s/-/%s-%d.%d.%d.tgz %dms (cache miss)\n", pick(packages), pick(packages), rnd.IntN(20), rnd.IntN(30), rnd.IntN(9), rnd.IntN(900))
		case 2:
			fmt.Fprintf(out, "\x1b[32m  ✓\x1b[39m \x1b[2m%s %s (%d ms)\x1b[22m\n", sentence(9), sentence(4), rnd.IntN(400))
		case 3:
			fmt.Fprintf(out, "\x1b[0m\x1b[7m\x1b[1m\x1b[32m PASS \x1b[39m\x1b[22m\x1b[27m\x1b[0m \x1b[2mpackages/%s/src/\x1b[22m\x1b[1m%s.test.ts\x1b[22m\n", pick(packages), hex(12))
		case 4, 5, 6:
			fmt.Fprintf(out, "packages/%s/src/components/%s/%s.tsx(%d,%d): warning TS%d: Property '%s' does not exist on type '%s'.\n", pick(packages), hex(8), pick(words), rnd.IntN(900), rnd.IntN(80), 2000+rnd.IntN(700), pick(words), sentence(3))
		case 7, 8:
			fmt.Fprintf(out, "#%d %d.%03d Step %d/%d : RUN --mount=type=cache,target=/root/.cache pnpm install --frozen-lockfile --filter %s\n", rnd.IntN(40), rnd.IntN(90), rnd.IntN(1000), rnd.IntN(20), 20, pick(packages))
		case 9:
			fmt.Fprintf(out, "    at Object.<anonymous> (/workspace/packages/%s/src/%s.ts:%d:%d)\n", pick(packages), hex(10), rnd.IntN(500), rnd.IntN(80))
		case 10:
			fmt.Fprintf(out, "{\"level\":\"info\",\"time\":%d,\"msg\":\"%s\",\"requestId\":\"%s\",\"durationMs\":%d}\n", 1700000000000+rnd.IntN(1e9), sentence(6), hex(32), rnd.IntN(5000))
		case 11:
			fmt.Fprintf(out, "── %s — größe %d kB · %s\n", pick(packages), rnd.IntN(9000), sentence(8))
		case 12:
			out.WriteString("\n")
		default:
			fmt.Fprintf(out, "dist/assets/%s-%s.js   %d.%02d kB │ gzip: %d.%02d kB │ map: %d.%02d kB  sha256:%s\n", pick(words), hex(8), rnd.IntN(900), rnd.IntN(100), rnd.IntN(300), rnd.IntN(100), rnd.IntN(2000), rnd.IntN(100), hex(64))
		}
	}
	return out.Bytes()
})

func ciAttrs() []slog.Attr {
	return []slog.Attr{
		slog.String("step", "test"),
		slog.String("run_id", "01JDB3Z6W2V8N4T9QK5E7XHMRC"),
		slog.String("branch", "feature/faster-logs"),
		slog.String("sha", "4f2d8c1b9a7e6f5d3c2b1a0987654321fedcba98"),
		slog.String("environment", "staging"),
		slog.String("task", "7b1e4c9d2f8a4e6b9c3d5f7a1b2c4d6e"),
	}
}

func runCommand(tb testing.TB, o Options) {
	log := ciLog()
	c := New(io.Discard, o).Command()
	for p := range slices.Chunk(log, block) {
		if _, err := c.Write(p); err != nil {
			tb.Fatal(err)
		}
	}
	if err := c.Close(); err != nil {
		tb.Fatal(err)
	}
}

func runScannerSlog(tb testing.TB) {
	attrs := append(ciAttrs(), slog.String("source", "command"))
	logger := slog.New(slog.NewJSONHandler(io.Discard, nil).WithAttrs(attrs))
	lines := bufio.NewScanner(bytes.NewReader(ciLog()))
	lines.Buffer(make([]byte, 64<<10), 1<<20)
	for lines.Scan() {
		logger.Info(lines.Text())
	}
	if err := lines.Err(); err != nil {
		tb.Fatal(err)
	}
}

func benchmark(b *testing.B, run func()) {
	log := ciLog()
	b.SetBytes(int64(len(log)))
	b.ReportAllocs()
	for b.Loop() {
		run()
	}
}

func BenchmarkCommandJSON(b *testing.B) {
	benchmark(b, func() { runCommand(b, Options{Attrs: ciAttrs()}) })
}

func BenchmarkCommandText(b *testing.B) {
	benchmark(b, func() { runCommand(b, Options{Format: Text, Color: true}) })
}

func BenchmarkCommandTextAndFile(b *testing.B) {
	benchmark(b, func() { runCommand(b, Options{Format: Text, Attrs: ciAttrs(), File: io.Discard}) })
}

func BenchmarkScannerSlog(b *testing.B) {
	benchmark(b, func() { runScannerSlog(b) })
}

// BenchmarkLongLine is one line without newline: the way of everything that is not ordinary.
func BenchmarkLongLine(b *testing.B) {
	p := bytes.Repeat([]byte("0123456789abcde\" ü"), block/19)
	b.SetBytes(int64(len(p)))
	c := New(io.Discard, Options{Attrs: ciAttrs()}).Command()
	for b.Loop() {
		_, _ = c.Write(p)
	}
}

func BenchmarkRecord(b *testing.B) {
	logger := slog.New(New(io.Discard, Options{Attrs: ciAttrs()}).Handler())
	b.ReportAllocs()
	for b.Loop() {
		logger.Info("published", "kind", "coverage", "files", 312, "bytes", 4123987)
	}
}

// BenchmarkRatio reports how many times the CPU time of the obvious way (bufio.Scanner, slog) that
// of ours goes into: medians of five rounds that take turns, so that a busy machine hits both.
func BenchmarkRatio(b *testing.B) {
	ciLog()
	var ours, theirs []float64
	for b.Loop() {
		for range 5 {
			ours = append(ours, cpuSeconds(b, func() { runCommand(b, Options{Attrs: ciAttrs()}) }))
			theirs = append(theirs, cpuSeconds(b, func() { runScannerSlog(b) }))
		}
	}
	b.ReportMetric(median(theirs)/median(ours), "x")
	b.ReportMetric(float64(len(ciLog()))/1e6/median(ours), "ours-cpu-MB/s")
	b.ReportMetric(float64(len(ciLog()))/1e6/median(theirs), "theirs-cpu-MB/s")
	b.ReportMetric(0, "ns/op")
}

func cpuSeconds(tb testing.TB, run func()) float64 {
	before := usage(tb)
	run()
	return (usage(tb) - before).Seconds()
}

// usage is the CPU time of this process, user and system.
func usage(tb testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

package logs

import (
	"bufio"
	"bytes"
	"io"
	"log/slog"
	"slices"
	"testing"

	"github.com/carlin-cicd/runner/runner/logs/cilog"
)

func runCommand(tb testing.TB, o Options) {
	log := cilog.Log()
	c := New(io.Discard, o).Command()
	for p := range slices.Chunk(log, cilog.Block) {
		if _, err := c.Write(p); err != nil {
			tb.Fatal(err)
		}
	}
	if err := c.Close(); err != nil {
		tb.Fatal(err)
	}
}

func runScannerSlog(tb testing.TB) {
	attrs := append(cilog.Attributes(), slog.String("source", "command"))
	logger := slog.New(slog.NewJSONHandler(io.Discard, nil).WithAttrs(attrs))
	lines := bufio.NewScanner(bytes.NewReader(cilog.Log()))
	lines.Buffer(make([]byte, 64<<10), 1<<20)
	for lines.Scan() {
		logger.Info(lines.Text())
	}
	if err := lines.Err(); err != nil {
		tb.Fatal(err)
	}
}

func benchmark(b *testing.B, run func()) {
	log := cilog.Log()
	b.SetBytes(int64(len(log)))
	b.ReportAllocs()
	for b.Loop() {
		run()
	}
}

func BenchmarkCommandJSON(b *testing.B) {
	benchmark(b, func() { runCommand(b, Options{Attrs: cilog.Attributes()}) })
}

func BenchmarkCommandText(b *testing.B) {
	benchmark(b, func() { runCommand(b, Options{Format: Text, Color: true}) })
}

func BenchmarkCommandTextAndFile(b *testing.B) {
	benchmark(b, func() { runCommand(b, Options{Format: Text, Attrs: cilog.Attributes(), File: io.Discard}) })
}

func BenchmarkScannerSlog(b *testing.B) {
	benchmark(b, func() { runScannerSlog(b) })
}

// BenchmarkLongLine is one line without newline: the way of everything that is not ordinary.
func BenchmarkLongLine(b *testing.B) {
	p := bytes.Repeat([]byte("0123456789abcde\" ü"), cilog.Block/19)
	b.SetBytes(int64(len(p)))
	c := New(io.Discard, Options{Attrs: cilog.Attributes()}).Command()
	for b.Loop() {
		_, _ = c.Write(p)
	}
}

func BenchmarkRecord(b *testing.B) {
	logger := slog.New(New(io.Discard, Options{Attrs: cilog.Attributes()}).Handler())
	b.ReportAllocs()
	for b.Loop() {
		logger.Info("published", "kind", "coverage", "files", 312, "bytes", 4123987)
	}
}

// BenchmarkRatio reports how many times the CPU time of the obvious way (bufio.Scanner, slog) that
// of ours goes into: medians of five rounds that take turns, so that a busy machine hits both.
func BenchmarkRatio(b *testing.B) {
	cilog.Log()
	var ours, theirs []float64
	for b.Loop() {
		for range 5 {
			ours = append(ours, cpuSeconds(func() { runCommand(b, Options{Attrs: cilog.Attributes()}) }))
			theirs = append(theirs, cpuSeconds(func() { runScannerSlog(b) }))
		}
	}
	b.ReportMetric(median(theirs)/median(ours), "x")
	b.ReportMetric(float64(len(cilog.Log()))/1e6/median(ours), "ours-cpu-MB/s")
	b.ReportMetric(float64(len(cilog.Log()))/1e6/median(theirs), "theirs-cpu-MB/s")
	b.ReportMetric(0, "ns/op")
}

func cpuSeconds(run func()) float64 {
	before := cilog.CPU()
	run()
	return (cilog.CPU() - before).Seconds()
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

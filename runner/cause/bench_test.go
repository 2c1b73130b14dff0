package cause

import (
	"bytes"
	"io"
	"slices"
	"testing"

	"github.com/carlin-cicd/runner/runner/logs"
	"github.com/carlin-cicd/runner/runner/logs/cilog"
	"github.com/carlin-cicd/runner/runner/redact"
)

func BenchmarkWatch(b *testing.B) {
	log := cilog.Log()
	b.SetBytes(int64(len(log)))
	b.ReportAllocs()
	for b.Loop() {
		var w Watch
		for p := range slices.Chunk(log, cilog.Block) {
			_, _ = w.Write(p)
		}
	}
}

// BenchmarkWatchErrors is a flood of errors, each of which is read.
func BenchmarkWatchErrors(b *testing.B) {
	log := bytes.Repeat([]byte("src/components/price.ts(12,34): error TS2322: Type 'string' is not assignable to type 'number'.\n"), 100_000)
	b.SetBytes(int64(len(log)))
	b.ReportAllocs()
	for b.Loop() {
		var w Watch
		for p := range slices.Chunk(log, cilog.Block) {
			_, _ = w.Write(p)
		}
	}
}

// BenchmarkEnd is the time that the end of a command takes: its tail is read.
func BenchmarkEnd(b *testing.B) {
	tail := cilog.Log()[:192<<10]
	b.SetBytes(int64(len(tail)))
	for b.Loop() {
		var w Watch
		_, _ = w.Write(tail)
		w.End(tail, 1, 0, true)
	}
}

// BenchmarkLogPath reports the CPU time of the log path (redaction with 100 secrets, JSON) with a Watch beside it,
// relative to that without: medians of five rounds that take turns, so that a busy machine hits both.
func BenchmarkLogPath(b *testing.B) {
	log := cilog.Log()
	var secrets []redact.Secret
	for _, value := range cilog.Secrets(100) {
		secrets = append(secrets, redact.Secret{Name: "SECRET", Value: value})
	}
	path := func(beside ...io.Writer) float64 {
		before := cilog.CPU()
		c := logs.New(io.Discard, logs.Options{Attrs: cilog.Attributes()}).Command()
		w := redact.New(secrets...).Writer(io.MultiWriter(append(beside, c)...), redact.MaskCommands())
		for p := range slices.Chunk(log, cilog.Block) {
			if _, err := w.Write(p); err != nil {
				b.Fatal(err)
			}
		}
		_, _ = w.Close(), c.Close()
		return (cilog.CPU() - before).Seconds()
	}
	var with, without []float64
	for b.Loop() {
		for range 5 {
			with = append(with, path(new(Watch)))
			without = append(without, path())
		}
	}
	median := func(v []float64) float64 { return slices.Sorted(slices.Values(v))[len(v)/2] }
	b.ReportMetric(median(with)/median(without), "x")
	b.ReportMetric(float64(len(log))/1e6/median(with), "with-cpu-MB/s")
	b.ReportMetric(float64(len(log))/1e6/median(without), "without-cpu-MB/s")
	b.ReportMetric(0, "ns/op")
}

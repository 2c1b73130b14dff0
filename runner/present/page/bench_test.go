package page

import (
	"bytes"
	"io"
	"syscall"
	"testing"
	"time"
)

// The page of a run of 5,000 tests that printed 100,000 lines: at most 150 ms of CPU and 24 MiB.
func BenchmarkPageOfALargeRun(b *testing.B) {
	p := big()
	var size int
	b.ReportAllocs()
	begin := cpuTime(b)
	for b.Loop() {
		var out bytes.Buffer
		if err := Write(&out, p.Run, p.Log); err != nil {
			b.Fatal(err)
		}
		size = out.Len()
	}
	b.ReportMetric(float64((cpuTime(b)-begin).Microseconds())/1000/float64(b.N), "cpu-ms/op")
	b.ReportMetric(float64(size)/1000, "page-KB")
}

// What the tail of the log costs while the commands print.
func BenchmarkTail(b *testing.B) {
	line := bytes.Repeat([]byte("x"), 79)
	line = append(line, '\n')
	tail := NewTail(192 << 10)
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		if _, err := tail.Write(line); err != nil {
			b.Fatal(err)
		}
	}
	_, _ = io.Discard.Write(tail.Log().Text)
}

// cpuTime is what the process has used.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

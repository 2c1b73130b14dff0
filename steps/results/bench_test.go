package results

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/joshdk/go-junit"
)

// The peak memory of a reader is measured in a process of its own.
func TestMain(m *testing.M) {
	if report := os.Getenv("READ_REPORT"); report != "" {
		os.Exit(readAndMeasure(report, os.Getenv("READ_WITH")))
	}
	os.Exit(m.Run())
}

// readAndMeasure prints the number of cases, the nanoseconds it took, and the peak of memory in KiB.
func readAndMeasure(report, with string) int {
	begun := time.Now()
	var total int
	switch with {
	case "go-junit":
		suites, err := junit.IngestFile(report)
		if err != nil {
			return 1
		}
		for _, s := range suites {
			total += s.Totals.Tests
		}
	default:
		r, err := Read(Options{Root: filepath.Dir(report), Globs: []string{filepath.Base(report)}})
		if err != nil || len(r.Problems) > 0 {
			return 1
		}
		total = r.Total
	}
	took := time.Since(begun)
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 1
	}
	for line := range strings.Lines(string(status)) {
		if peak, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			fmt.Println(total, took.Nanoseconds(), strings.Fields(peak)[0])
			return 0
		}
	}
	return 1
}

// measure reads a report in a process of its own.
func measure(tb testing.TB, report, with string) (cases int, took time.Duration, peakKiB int64) {
	tb.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "READ_REPORT="+report, "READ_WITH="+with)
	out, err := child.Output()
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := fmt.Sscan(string(out), &cases, &took, &peakKiB); err != nil {
		tb.Fatalf("%s: %v", out, err)
	}
	return cases, took, peakKiB
}

// casesPerSuite cases of a report of writeReport take about 60 KB.
const casesPerSuite = 200

// writeReport writes a report of suites with a failure and a skipped case each.
func writeReport(tb testing.TB, suites int) (path string, size int64) {
	tb.Helper()
	path = filepath.Join(tb.TempDir(), "junit.xml")
	f, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	output := strings.Repeat("a line of a test, with a &lt;tag&gt; in it\n", 3)
	fmt.Fprintf(w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"tests\">\n")
	for i := range suites {
		fmt.Fprintf(
			w,
			"  <testsuite name=\"suite %d\" tests=\"%d\" failures=\"1\" skipped=\"1\" errors=\"0\" time=\"12.5\">\n",
			i,
			casesPerSuite,
		)
		for j := range casesPerSuite {
			fmt.Fprintf(
				w,
				"    <testcase classname=\"packages/ledger suite %d\" name=\"ledger books entry %d of %d\" time=\"0.%03d\" file=\"src/ledger%d.test.ts\">",
				i,
				j,
				i,
				(i*7+j)%1000,
				i,
			)
			switch j {
			case 7:
				fmt.Fprintf(
					w,
					"<failure message=\"expected 1 to be 2\">%s</failure>",
					strings.Repeat("Error: expected 1 to be 2\n    at src/ledger.ts:1:1\n", 5),
				)
			case 8:
				fmt.Fprintf(w, "<skipped/>")
			default:
				fmt.Fprintf(w, "<system-out>%s</system-out>", output)
			}
			fmt.Fprintf(w, "</testcase>\n")
		}
		fmt.Fprintf(w, "  </testsuite>\n")
	}
	fmt.Fprintf(w, "</testsuites>\n")
	if err := w.Flush(); err != nil {
		tb.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		tb.Fatal(err)
	}
	return path, info.Size()
}

func BenchmarkReport90MB(b *testing.B) {
	path, size := writeReport(b, 1500)
	for _, with := range []string{"go-junit", "ours"} {
		b.Run(with, func(b *testing.B) {
			var total time.Duration
			var peak int64
			for b.Loop() {
				cases, took, kib := measure(b, path, with)
				if cases != 300_000 {
					b.Fatalf("%d cases", cases)
				}
				total, peak = total+took, max(peak, kib)
			}
			b.ReportMetric(float64(size)*float64(b.N)/1e6/total.Seconds(), "MB/s")
			b.ReportMetric(float64(peak)/1024, "peak-MiB")
			b.ReportMetric(total.Seconds()/float64(b.N), "s/op")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func BenchmarkReport180KB(b *testing.B) {
	path, size := writeReport(b, 3)
	text, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("go-junit", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			if _, err := junit.Ingest(text); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("ours", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			if _, err := readReport(bytes.NewReader(text), func(*testCase) {}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

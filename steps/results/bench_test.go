package results

import (
	"bufio"
	"bytes"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/joshdk/go-junit"
)

// A process of its own tells how much memory a reader takes at most.
func TestMain(m *testing.M) {
	if report := os.Getenv("READ_REPORT"); report != "" {
		os.Exit(readAndTell(report, os.Getenv("READ_WITH")))
	}
	os.Exit(m.Run())
}

// readAndTell prints the number of cases, the nanoseconds it took, and the peak of memory in KiB.
func readAndTell(report, with string) int {
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
		r, err := Read(filepath.Dir(report), []string{filepath.Base(report)}, time.Time{})
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

// writeReport writes a report of suites of 200 cases, of about 90 KB each, with a failure and a skipped case in it.
func writeReport(tb testing.TB, suites int) (path string, size int64) {
	tb.Helper()
	path = filepath.Join(tb.TempDir(), "junit.xml")
	f, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	output := strings.Repeat("a line that a test has printed, with a &lt;tag&gt; in it\n", 5)
	fmt.Fprintf(w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"tests\">\n")
	for i := range suites {
		fmt.Fprintf(w, "  <testsuite name=\"suite %d\" tests=\"200\" failures=\"1\" skipped=\"1\" errors=\"0\" time=\"12.5\">\n", i)
		for j := range 200 {
			fmt.Fprintf(w, "    <testcase classname=\"packages/ledger suite %d\" name=\"ledger books entry %d of %d\" time=\"0.%03d\" file=\"src/ledger%d.test.ts\">", i, j, i, (i*7+j)%1000, i)
			switch j {
			case 7:
				fmt.Fprintf(w, "<failure message=\"expected 1 to be 2\">%s</failure>", strings.Repeat("Error: expected 1 to be 2\n    at src/ledger.ts:1:1\n", 5))
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

// The memory that a report takes does not depend on its size.
func TestALargeReportTakesNoMoreMemoryThanASmallerOne(t *testing.T) {
	allocated := func(suites int) uint64 {
		path, _ := writeReport(t, suites)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r := read(t, filepath.Dir(path), "*.xml")
		runtime.ReadMemStats(&after)
		if r.Total != 200*suites || r.Failed != suites || r.Skipped != suites || len(r.Problems) > 0 {
			t.Fatalf("%+v", r.Counts)
		}
		return after.TotalAlloc - before.TotalAlloc
	}
	// What the runtime and the race detector allocate beside it varies, and only ever adds: the least of some rounds counts.
	var small, large uint64 = math.MaxUint64, math.MaxUint64
	for range 5 {
		small = min(small, allocated(maxFailures+10)) // as many failures are kept as ever will be
		large = min(large, allocated(3*maxFailures))
		if large <= small+small/4 {
			return
		}
	}
	t.Errorf("a report of three times the size takes %d KiB instead of %d KiB", large>>10, small>>10)
}

// Reports of a size that go-junit still reads, made to take as much of its memory as they can.
func TestNoReportTakesMoreThan32MiB(t *testing.T) {
	fill := func(part string) string { return strings.Repeat(part, maxIngest/len(part)-600) }
	for name, text := range map[string]string{
		"cases":      "<testsuite>" + fill("<testcase/>") + "</testsuite>",
		"failures":   "<testsuite>" + fill("<testcase><failure message='x'>y</failure></testcase>") + "</testsuite>",
		"suites":     fill("<testsuite name='a'></testsuite>"),
		"elements":   "<testsuite>" + fill("<a/>") + "</testsuite>",
		"at bounds":  "<testsuite>" + strings.Repeat("<testcase name='a'><failure>&#x1b;[31m</failure></testcase>", maxTags/4-10) + "</testsuite>",
		"nesting":    "<testsuite>" + strings.Repeat("<a>", maxNested-1) + fill("&lt;") + strings.Repeat("</a>", maxNested-1) + "</testsuite>",
		"deep nests": "<testsuite>" + strings.Repeat("<a>", 300) + fill("&lt;") + strings.Repeat("</a>", 300) + "</testsuite>",
		"attributes": "<testsuite><testcase " + fill("a='1' ") + "/></testsuite>",
	} {
		path := filepath.Join(t.TempDir(), "junit.xml")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), "READ_REPORT="+path, "READ_WITH=ours")
		out, err := child.Output()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var total int
		var ns, kib int64
		if _, err := fmt.Sscan(string(out), &total, &ns, &kib); err != nil || kib > 32<<10 && !raceEnabled {
			t.Errorf("%s: %d KiB, %v", name, kib, err)
		}
		t.Logf("%s: %d KiB", name, kib)
	}
}

func BenchmarkReport90MB(b *testing.B) {
	path, size := writeReport(b, 1000)
	for _, with := range []string{"go-junit", "ours"} {
		b.Run(with, func(b *testing.B) {
			var took, peak int64
			for b.Loop() {
				child := exec.Command(os.Args[0])
				child.Env = append(os.Environ(), "READ_REPORT="+path, "READ_WITH="+with)
				out, err := child.Output()
				if err != nil {
					b.Fatal(err)
				}
				var total int
				var ns, kib int64
				if _, err := fmt.Sscan(string(out), &total, &ns, &kib); err != nil || total != 200_000 {
					b.Fatalf("%s: %v", out, err)
				}
				took, peak = took+ns, max(peak, kib)
			}
			if with == "ours" && peak > 32<<10 {
				b.Errorf("it takes %d MiB of memory", peak>>10)
			}
			b.ReportMetric(float64(size)*float64(b.N)/1e6/(float64(took)/1e9), "MB/s")
			b.ReportMetric(float64(peak)/1024, "peak-MiB")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// Reports of a size that go-junit still reads.
func BenchmarkReport180KB(b *testing.B) {
	path, size := writeReport(b, 2)
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
	b.Run("go-junit and ours", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			if err := ingest(text, func(*entry) {}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("ours", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			if _, err := readReport(bytes.NewReader(text), func(*entry) {}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

//go:build !race

package results

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// maxPeakKiB bounds the memory that reading takes, of the whole process. The race detector takes several times that.
const maxPeakKiB = 29 << 10

// least measures again what exceeds the bound: on a busy machine the garbage collector falls behind and adds to a peak.
func least(t *testing.T, path string) (cases int, took time.Duration, peakKiB int64) {
	for range 3 {
		if cases, took, peakKiB = measure(t, path, "ours"); peakKiB <= maxPeakKiB {
			break
		}
	}
	return cases, took, peakKiB
}

func TestAReportOf300000CasesIsReadInBoundedMemory(t *testing.T) {
	path, size := writeReport(t, 1500)
	cases, took, peak := least(t, path)
	if cases != 300_000 || size < 80e6 || peak > maxPeakKiB {
		t.Errorf("%d cases of %d bytes were read within %d KiB", cases, size, peak)
	}
	t.Logf("%d MB in %v, %d KiB", size/1e6, took, peak)
}

// Reports made to take as much memory as they can for their size.
func TestHostileReportsAreReadInBoundedMemory(t *testing.T) {
	const size = 4 << 20
	fill := func(part string) string { return strings.Repeat(part, size/len(part)) }
	for name, text := range map[string]string{
		"cases":             "<testsuite>" + fill("<testcase/>") + "</testsuite>",
		"names":             "<testsuite>" + fill("<testcase name='"+strings.Repeat("é", 5000)+"'/>") + "</testsuite>",
		"failures":          "<testsuite>" + fill("<testcase><failure message='x'>y</failure></testcase>") + "</testsuite>",
		"long failures":     "<testsuite>" + fill("<testcase><failure>"+strings.Repeat("&lt;", rawBody)+"</failure></testcase>") + "</testsuite>",
		"suites":            fill("<testsuite name='a'></testsuite>"),
		"nested suites":     strings.Repeat("<testsuite name='"+strings.Repeat("a", 3000)+"'>", 999) + strings.Repeat("</testsuite>", 999),
		"properties":        "<testsuite><properties>" + fill("<property name='a' value='b'/>") + "</properties></testsuite>",
		"elements":          "<testsuite>" + fill("<a/>") + "</testsuite>",
		"attributes":        "<testsuite><testcase " + fill("a='1' ") + "/></testsuite>",
		"nested test cases": "<testsuite>" + strings.Repeat("<testcase name='"+strings.Repeat("a", 3000)+"'>", 900) + strings.Repeat("</testcase>", 900) + "</testsuite>",
	} {
		path := filepath.Join(t.TempDir(), "junit.xml")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		_, took, peak := least(t, path)
		if peak > maxPeakKiB {
			t.Errorf("%s: %d KiB", name, peak)
		}
		t.Logf("%s: %d KiB, %v", name, peak, took)
	}
}

package results

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// testdata holds a report in the shape of each known producer, and its expected results.
func TestReportOfEachProducer(t *testing.T) {
	reports, err := filepath.Glob("testdata/*.xml")
	if err != nil || len(reports) < 8 {
		t.Fatalf("reports are missing: %v, %v", reports, err)
	}
	for _, report := range reports {
		t.Run(strings.TrimSuffix(filepath.Base(report), ".xml"), func(t *testing.T) {
			r, err := Read(Options{Root: "testdata", Globs: []string{filepath.Base(report)}})
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			e := json.NewEncoder(&got)
			e.SetEscapeHTML(false)
			e.SetIndent("", "  ")
			if err := e.Encode(r); err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(report, ".xml") + ".json"
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != string(want) {
				t.Errorf("read\n%s\nwant\n%s", got.String(), want)
			}
		})
	}
}

// A report that is truncated at any byte has a fault.
func TestATruncatedReportIsNeverGreen(t *testing.T) {
	reports, err := filepath.Glob("testdata/*.xml")
	if err != nil || len(reports) == 0 {
		t.Fatal("there are no reports", err)
	}
	for _, report := range reports {
		whole, err := os.ReadFile(report)
		if err != nil {
			t.Fatal(err)
		}
		whole = bytes.TrimSpace(whole)
		for n := range whole {
			if _, err := readReport(bytes.NewReader(whole[:n]), func(*testCase) {}); err == nil {
				t.Fatalf("%s, truncated after %d bytes: %q", report, n, whole[:n])
			}
		}
	}
}

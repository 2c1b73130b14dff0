package runner

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSummaryIsAppendedToRegularFilesOnly(t *testing.T) {
	for _, name := range []string{os.DevNull, t.TempDir(), filepath.Join(t.TempDir(), "no", "folder")} {
		if err := appendSummary(name, func(int) string { return "x" }); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	name := filepath.Join(t.TempDir(), "summary.md")
	for range 2 {
		if err := appendSummary(name, func(limit int) string { return strings.Repeat("x", limit/2) }); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(name); err != nil || info.Size() != maxStepSummary*3/4 {
		t.Errorf("it is %v (%v)", info, err)
	}
}

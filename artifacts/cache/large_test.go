//go:build !race

package cache

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/artifacts/artifactstest"
	"github.com/carlin-cicd/runner/artifacts/folder"
)

// TestFiftyThousandFiles saves and restores in processes of their own, with the memory limit that the runner has.
// The race detector takes memory of its own.
func TestFiftyThousandFiles(t *testing.T) {
	c, p := newCache(t), newProject(t)
	const files = 50_000
	text := []byte(strings.Repeat("export const answer = 42 // of many\n", 30))
	for d := range files / 100 {
		dir := p.path(fmt.Sprintf("node_modules/package-%03d/lib", d))
		artifactstest.Must(t, os.MkdirAll(dir, 0o755))
		for i := range 100 {
			name := fmt.Sprintf("%s/file-%02d.js", dir, i)
			artifactstest.Must(t, os.WriteFile(name, fmt.Appendf(nil, "%d %d %s", d, i, text[:i*10]), 0o644))
		}
	}
	q := newProject(t)
	store := c.Store.(*folder.Store).Locate("")
	for _, run := range []struct{ job, dir string }{{"save", p.dir}, {"restore", q.dir}} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), victimStore+"="+store, victimDir+"="+run.dir, victimKey+"=k", victimSteps+"=0",
			victimJob+"="+run.job, "GOMEMLIMIT=52MiB")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", run.job, err, out)
		}
		_, peak, _ := strings.Cut(string(out), "peak ")
		kib, err := strconv.Atoi(strings.TrimSpace(peak))
		if err != nil {
			t.Fatalf("%s says %q", run.job, out)
		}
		t.Logf("%s: %d MiB at its peak", run.job, kib>>10)
		if kib > 64<<10 {
			t.Errorf("%s needs %d MiB, more than 64", run.job, kib>>10)
		}
	}
	if d := differences(describe(t, p.path()), describe(t, q.path())); d != "" {
		t.Errorf("what was restored differs:\n%.1000s", d)
	}
}

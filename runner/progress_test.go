package runner

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/carlin-cicd/runner/artifacts"
)

var update = flag.Bool("update", false, "write the golden files anew")

const mib = 1 << 20

func TestProgressLooksLikeThis(t *testing.T) {
	var got strings.Builder
	for _, c := range []struct {
		what    string
		now     artifacts.Progress
		elapsed time.Duration
	}{
		{"nothing is known yet", artifacts.Progress{}, 0},
		{"at the beginning there is no speed", artifacts.Progress{Files: 0, TotalFiles: 412, Bytes: 20 << 10, TotalBytes: 96 * mib}, 200 * time.Millisecond},
		{"half-way", artifacts.Progress{Files: 200, TotalFiles: 412, Bytes: 48 * mib, TotalBytes: 96 * mib}, 4 * time.Second},
		{"almost done", artifacts.Progress{Files: 411, TotalFiles: 412, Bytes: 96*mib - 1, TotalBytes: 96 * mib}, 8 * time.Second},
		{"done", artifacts.Progress{Files: 412, TotalFiles: 412, Bytes: 96 * mib, TotalBytes: 96 * mib}, 8 * time.Second},
		{"more than was announced", artifacts.Progress{Files: 1, TotalFiles: 1, Bytes: 2 * mib, TotalBytes: mib}, 2 * time.Second},
		{"empty files have no bytes", artifacts.Progress{Files: 1, TotalFiles: 2}, 2 * time.Second},
	} {
		fmt.Fprintf(&got, "# %s\n", c.what)
		for _, width := range []int{120, 80, 60, 40, 20, 5} {
			p := &ProgressLine{What: "fetching"}
			fmt.Fprintf(&got, "%3d %s\n", width, p.render(c.now, c.elapsed, width))
		}
	}
	const name = "testdata/progress.golden"
	if *update {
		if err := os.WriteFile(name, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("go test -run Progress -update ./runner writes it anew, if this is better:\n%s", got.String())
	}
}

var escape = regexp.MustCompile("\x1b\\[[0-9;]*m")

// The cursor has to stay on the line, or the next drawing leaves half of this one behind.
func TestProgressStaysOnItsLine(t *testing.T) {
	for width := range 140 {
		for _, color := range []bool{false, true} {
			p := &ProgressLine{What: "fetching", Color: color}
			now := artifacts.Progress{Files: 7, TotalFiles: 1234, Bytes: 5 * mib, TotalBytes: 77 * mib}
			line := p.render(now, 3*time.Second, width)
			plain := escape.ReplaceAllString(line, "")
			if n := utf8.RuneCountInString(plain); n > max(0, width-1) {
				t.Errorf("%d columns in %d: %q", n, width, plain)
			}
			if bare := (&ProgressLine{What: "fetching"}).render(now, 3*time.Second, width); bare != plain ||
				!color && line != plain {
				t.Errorf("colour changes the text from %q to %q", bare, plain)
			}
		}
	}
}

func TestProgressIsNotDrawnTooOften(t *testing.T) {
	var drawn []string
	p := &ProgressLine{
		Draw:  func(line string) { drawn = append(drawn, line) },
		Width: func() int { return 80 },
		What:  "fetching",
	}
	p.Clear()
	if len(drawn) > 0 {
		t.Errorf("nothing was drawn, so there is nothing to clear: %q", drawn)
	}
	began := time.Now()
	for i := range 10_000 {
		p.Tell(artifacts.Progress{Files: i, TotalFiles: 10_000, Bytes: int64(i), TotalBytes: 10_000})
	}
	most := int(time.Since(began)/redraw) + 1
	if n := len(drawn); n < 1 || n > most {
		t.Errorf("drawn %d times, at most %d were due", n, most)
	}
	p.Clear()
	if drawn[len(drawn)-1] != "" {
		t.Errorf("the line stays: %q", drawn)
	}
}

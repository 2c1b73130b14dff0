package shards

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/steps/history"
)

// recording is what projects have recorded of two runs of their tests. See testdata.
type recording struct {
	name   string
	units  []Unit
	hashed []Unit            // in the order of a digest of their names
	times  history.FileTimes // of the earlier run, by which the later one is divided
	took   map[string]int64  // what each file took in the later one, in milliseconds
}

func recordings(tb testing.TB) (all []recording) {
	tb.Helper()
	names, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(names) == 0 {
		tb.Fatal("there is no recording", err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			tb.Fatal(err)
		}
		r := recording{
			name: strings.TrimSuffix(filepath.Base(name), ".txt"), times: history.FileTimes{}, took: map[string]int64{},
		}
		for row := range strings.Lines(string(text)) {
			fields := strings.Fields(row)
			if strings.HasPrefix(row, "#") || len(fields) != 3 {
				continue
			}
			earlier, later := fields[1], fields[2]
			u := Unit{Name: fmt.Sprintf("%05s", fields[0])}
			r.hashed = append(r.hashed, u)
			if earlier != "-" {
				if r.times[u.Name], err = strconv.ParseInt(earlier, 10, 64); err != nil {
					tb.Fatal(err)
				}
			}
			if r.took[u.Name], err = strconv.ParseInt(later, 10, 64); err != nil {
				tb.Fatal(err)
			}
		}
		r.units = slices.SortedFunc(slices.Values(r.hashed), func(a, b Unit) int { return strings.Compare(a.Name, b.Name) })
		all = append(all, r)
	}
	return all
}

// over is how much longer than the mean the slowest share takes, in percent.
func (r recording) over(shares [][]Unit) float64 {
	var total, slowest int64
	for _, share := range shares {
		var took int64
		for _, u := range share {
			took += r.took[u.Name]
		}
		total, slowest = total+took, max(slowest, took)
	}
	return 100 * (float64(slowest)*float64(len(shares))/float64(total) - 1)
}

func (r recording) byTime(n int) (shares [][]Unit) {
	for _, s := range Pack(r.units, r.times, n).Shares {
		shares = append(shares, s.Units)
	}
	return shares
}

// byCount is how jest and vitest divide files: in the order of a digest, into pieces of one size.
func (r recording) byCount(n int) (shares [][]Unit) {
	for i := range n {
		shares = append(shares, r.hashed[i*len(r.hashed)/n:(i+1)*len(r.hashed)/n])
	}
	return shares
}

// BenchmarkSplit shows how much longer than the mean the slowest of four shards takes, by time and by count.
func BenchmarkSplit(b *testing.B) {
	for _, r := range recordings(b) {
		b.Run(fmt.Sprintf("%s-%d-files", r.name, len(r.units)), func(b *testing.B) {
			for b.Loop() {
				r.byTime(4)
			}
			b.ReportMetric(r.over(r.byTime(4)), "%over-by-time")
			b.ReportMetric(r.over(r.byCount(4)), "%over-by-count")
		})
	}
}

// No duration is measured here: the recordings are what they are. In each run the slowest file is a known one, but in
// that of 2025-03, where files that take minutes are new.
func TestSharesTakeTheSameTime(t *testing.T) {
	for _, r := range recordings(t) {
		byTime, byCount := r.over(r.byTime(4)), r.over(r.byCount(4))
		most := 5.0
		if r.name == "identity-idp-2025-03" {
			most = 20
		}
		if byTime > most || byTime > byCount {
			t.Errorf("%s: the slowest of four is %.1f %% over the mean, by count %.1f %%", r.name, byTime, byCount)
		}
	}
}

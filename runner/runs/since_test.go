package runs

import (
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/record"
)

// Of a long index only the pages with runs of the period are read.
func TestSinceReadsWhatThePeriodHas(t *testing.T) {
	s := newMemory()
	const all = 2*PageSize + 5*PageSize
	head := Head{Version: version}
	for n := range all {
		e := ended(n)
		e.RunID = strings.ToLower(ulid.MustNew(ulid.Timestamp(e.Started), strings.NewReader(strings.Repeat("x", 16))).String())
		head.add(e)
		if err := head.roll(t.Context(), s, main); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := put(t.Context(), s, keys.RunIndexHead(main), head, ""); err != nil {
		t.Fatal(err)
	}
	loads := 0
	s.before = func(op, _ string) error {
		if op == "load" {
			loads++
		}
		return nil
	}
	for _, c := range []struct{ runs, loads int }{{10, 1}, {len(head.Runs), 1}, {len(head.Runs) + 1, 2}, {all, 1 + len(head.Pages)}} {
		loads = 0
		from := epoch.Add(time.Duration(all-c.runs) * time.Minute)
		list, err := Since(t.Context(), s, []string{main}, from)
		if err != nil || len(list.Runs) != c.runs || list.Older || loads != c.loads {
			t.Errorf("of %d runs: %d with %d requests, want %d; %v", c.runs, len(list.Runs), loads, c.loads, err)
		}
		for i := 1; i < len(list.Runs); i++ {
			if record.Newer(list.Runs[i-1], list.Runs[i]) >= 0 {
				t.Fatal("they are not in order")
			}
		}
	}
}

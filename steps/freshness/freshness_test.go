package freshness

import (
	"testing"
	"time"
)

func TestStalenessAllowsForTheGranularityOfFileTimes(t *testing.T) {
	since := time.Date(2026, 3, 2, 10, 11, 12, 700_000_000, time.UTC)
	for name, c := range map[string]struct {
		modified time.Time
		want     bool
	}{
		"after":                                     {since.Add(time.Nanosecond), false},
		"a tick of the kernel before":               {since.Add(-10 * time.Millisecond), false},
		"the end of an attempt just before":         {since.Add(-200 * time.Millisecond), true},
		"the same second, where only those count":   {since.Truncate(time.Second), false},
		"the second before, where only those count": {since.Truncate(time.Second).Add(-time.Second), true},
		"a minute before":                           {since.Add(-time.Minute), true},
	} {
		if got := Stale(c.modified, since); got != c.want {
			t.Errorf("%s: stale is %v", name, got)
		}
	}
	if Stale(since, time.Time{}) {
		t.Error("a file is stale without a time to compare with")
	}
}

package folder

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/artifacts/artifactstest"
)

// A name that has been there for long is on disk whatever became of who made it; any other is synced by who uses it.
func TestOnlyFoldersWithNewNamesAreSynced(t *testing.T) {
	for what, c := range map[string]struct {
		old  []string // folders without a new name
		want []string
	}{
		"all were made just now": {nil, []string{".", "a", "a/b"}},
		"all have been there":    {[]string{".", "a", "a/b"}, nil},
		"one got another name":   {[]string{".", "a/b"}, []string{"a"}},
	} {
		t.Run(what, func(t *testing.T) {
			s, store := newStore(t)
			artifactstest.Must(t, os.MkdirAll(filepath.Join(store, "a/b/c"), 0o755))
			for _, dir := range c.old {
				long := time.Now().Add(-2 * settledAfter)
				artifactstest.Must(t, os.Chtimes(filepath.Join(store, dir), long, long))
			}
			artifactstest.Must(t, s.mkdir("a/b/c"))
			if got := slices.Sorted(maps.Keys(s.dirty)); !slices.Equal(got, c.want) {
				t.Errorf("%v are synced, want %v", got, c.want)
			}
			artifactstest.Must(t, s.sync())
			if len(s.dirty) > 0 {
				t.Errorf("%v were not synced", s.dirty)
			}
		})
	}
}

func TestWhatCouldNotBeSyncedIsSyncedAgain(t *testing.T) {
	s, store := newStore(t)
	artifactstest.Must(t, os.WriteFile(filepath.Join(store, "file"), nil, 0o644))
	s.dirty["file/below"], s.dirty["."] = true, true
	if err := s.sync(); err == nil || !s.dirty["file/below"] || !s.dirty["."] {
		t.Errorf("%v, %v left", err, s.dirty)
	}
}

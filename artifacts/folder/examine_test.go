package folder

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/artifactstest"
)

func TestExamineFolder(t *testing.T) {
	store, dir := newStore(t)
	artifactstest.Files{"runs/main/x": "1"}.Add(t, dir)
	before := artifactstest.Read(t, dir)
	found := store.Examine(t.Context())
	if len(found) == 0 || found[0].Severity != artifacts.OK || !strings.Contains(found[0].Problem, dir) {
		t.Errorf("found %+v", found)
	}
	artifactstest.Equal(t, "after", artifactstest.Read(t, dir), before)
}

func TestExamineFindsWhatIsWrong(t *testing.T) {
	t.Run("a folder that cannot be written", func(t *testing.T) {
		store, dir := newStore(t)
		artifactstest.Must(
			t,
			os.WriteFile(filepath.Join(dir, "runs"), nil, 0o644),
		) // root may write anywhere but below a file
		found := store.Examine(t.Context())
		if len(found) != 1 || found[0].Severity != artifacts.Failure || found[0].Advice == "" {
			t.Errorf("found %+v", found)
		}
	})
	t.Run("a disk that is almost full", func(t *testing.T) {
		dir := artifactstest.MountTmpfs(t, "4m")
		store, err := New(dir)
		artifactstest.Must(t, err)
		t.Cleanup(func() { store.Close() })
		found := store.Examine(t.Context())
		if len(found) != 2 || found[1].Severity != artifacts.Warning ||
			!strings.Contains(found[1].Problem, "MiB are free") {
			t.Errorf("found %+v", found)
		}
	})
	t.Run("a store that gives back something else", func(t *testing.T) {
		store, _ := newStore(t)
		var corrupt *artifacts.CorruptError
		if err := artifacts.Probe(t.Context(), forger{store}); !errors.As(err, &corrupt) {
			t.Errorf("%v, want a *CorruptError", err)
		}
		if keys := keysOf(t, store, ""); keys != nil {
			t.Errorf("the probe stays: %q", keys)
		}
	})
}

// forger is a store that keeps something else than it is given.
type forger struct{ *Store }

func (f forger) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(`{"Probe":"other"}`)), nil
}

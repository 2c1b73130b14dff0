package folder

import (
	"path/filepath"
	"testing"

	"github.com/carlin-cicd/runner/artifacts/artifactstest"
)

// newStore returns a store in a new folder, and the folder.
func newStore(t testing.TB) (*Store, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	f, err := New(dir)
	artifactstest.Must(t, err)
	t.Cleanup(func() { f.Close() })
	return f, dir
}

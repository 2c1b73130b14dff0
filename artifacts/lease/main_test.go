package lease

import (
	"path/filepath"
	"testing"

	"github.com/carlin-cicd/runner/artifacts/artifactstest"
	"github.com/carlin-cicd/runner/artifacts/folder"
)

// newStore returns a store in a new folder, and the folder.
func newStore(t testing.TB) (*folder.Store, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	f, err := folder.New(dir)
	artifactstest.Must(t, err)
	t.Cleanup(func() { f.Close() })
	return f, dir
}

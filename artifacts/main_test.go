package artifacts_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/artifactstest"
	"github.com/carlin-cicd/runner/artifacts/folder"
)

// TestMain lets the test binary be the publisher that TestKilled kills.
func TestMain(m *testing.M) {
	if os.Getenv(artifactstest.PublisherVar) != "" {
		os.Exit(artifactstest.PublisherMain(func(name string) (artifacts.Store, error) { return folder.New(name) }))
	}
	os.Exit(m.Run())
}

func newStore(t testing.TB) (*folder.Store, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	f, err := folder.New(dir)
	artifactstest.Must(t, err)
	t.Cleanup(func() { f.Close() })
	return f, dir
}

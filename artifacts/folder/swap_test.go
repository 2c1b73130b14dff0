package folder

import (
	"testing"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/artifactstest"
)

func TestSwapper(t *testing.T) {
	s, _ := newStore(t)
	artifactstest.TestSwapper(t, func() artifacts.Swapper { return s })
}

// TestSwapperAcrossStores lets every user of the store have its own Folder, as processes have.
func TestSwapperAcrossStores(t *testing.T) {
	_, dir := newStore(t)
	artifactstest.TestSwapper(t, func() artifacts.Swapper {
		s, err := New(dir)
		artifactstest.Must(t, err)
		t.Cleanup(func() { s.Close() })
		return s
	})
}

package folder

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/carlin-cicd/runner/artifacts/artifactstest"
	"github.com/carlin-cicd/runner/artifacts/keys"
)

// Every store that is opened removes the folder of temporary files if it is empty, maybe while another process makes it.
func TestTheFolderOfLocksMayGoWhileItIsMade(t *testing.T) {
	s, store := newStore(t)
	partial := filepath.Join(store, keys.Partial)
	stop := make(chan struct{})
	var others sync.WaitGroup
	for range 4 {
		others.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					os.Remove(partial)
					os.Mkdir(partial, 0o755)
				}
			}
		})
	}
	for range 1500 {
		_, release, err := s.Lock(t.Context(), "name")
		if err != nil {
			t.Error(err)
			break
		}
		release()
	}
	close(stop)
	others.Wait()
	os.Remove(partial)
	artifactstest.Must(t, os.Symlink("nowhere", partial))
	if _, _, err := s.Lock(t.Context(), "name"); err == nil {
		t.Error("a lock is held in a folder that is not there")
	}
}

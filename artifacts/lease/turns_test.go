package lease

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/artifacts/artifactstest"
	"github.com/carlin-cicd/runner/artifacts/keys"
)

// hang is how long a test waits for what must happen.
const hang = 5 * time.Minute

// testTurns has several claimants of one lock, each of which must get it once, alone.
func testTurns(t *testing.T, open func() Store, claimants int, c Request) {
	key, err := keys.Lock("turns", t.Name())
	artifactstest.Must(t, err)
	var (
		wg      sync.WaitGroup
		mu      sync.Mutex
		holders int
		fences  []int64
	)
	for i := range claimants {
		s, c := open(), c
		c.Key, c.Name = key, fmt.Sprintf("claimant %d", i)
		wg.Go(func() {
			l, err := Acquire(t.Context(), s, c)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			holders++
			if holders != 1 {
				t.Errorf("%d hold it", holders)
			}
			fences = append(fences, l.Fence())
			mu.Unlock()
			time.Sleep(c.Poll / 10)
			mu.Lock()
			holders--
			mu.Unlock()
			if err := l.Release(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(fences) != claimants {
		t.Errorf("%d of %d got it", len(fences), claimants)
	}
	for i := range fences {
		if i > 0 && fences[i] != fences[i-1]+1 {
			t.Errorf("the fences are %v", fences)
		}
	}
}

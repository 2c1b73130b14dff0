package artifacts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"sync"
	"testing"

	"github.com/carlin-cicd/runner/artifacts/keys"
)

func TestFolderSwaps(t *testing.T) {
	s, _ := newStore(t)
	testSwapper(t, func() Swapper { return s })
}

// TestFoldersSwap lets every user of the store have its own Folder, as processes have.
func TestFoldersSwap(t *testing.T) {
	_, dir := newStore(t)
	testSwapper(t, func() Swapper {
		s, err := NewFolder(dir)
		must(t, err)
		t.Cleanup(func() { s.Close() })
		return s
	})
}

// testSwapper is what every Swapper must do. Each call of open gives a new user of one and the same store; what is
// tested keeps to keys below "locks/".
func testSwapper(t *testing.T, open func() Swapper) {
	ctx := t.Context()
	s := open()
	swap := func(key, content, tag string) (string, error) { return s.Swap(ctx, object(key, content), tag) }
	loaded := func(t *testing.T, key, want string) (tag string) {
		t.Helper()
		body, tag, err := s.Load(ctx, key)
		must(t, err)
		if string(body) != want {
			t.Errorf("%s holds %q, want %q", key, body, want)
		}
		return tag
	}
	refused := func(t *testing.T, tag string, err error) {
		t.Helper()
		if !errors.Is(err, fs.ErrExist) || tag != "" {
			t.Errorf("the tag is %q, the error %v", tag, err)
		}
	}

	t.Run("an object goes where there is none, once", func(t *testing.T) {
		key := "locks/swap/once.json"
		if _, tag, err := s.Load(ctx, key); !errors.Is(err, fs.ErrNotExist) || tag != "" {
			t.Errorf("before: tag %q, %v", tag, err)
		}
		tag, err := swap(key, "one", "")
		must(t, err)
		if got := loaded(t, key, "one"); got != tag || tag == "" {
			t.Errorf("the tag is %q after Swap, and %q after Load", tag, got)
		}
		again, err := swap(key, "two", "")
		refused(t, again, err)
		loaded(t, key, "one")
	})
	t.Run("an object takes the place of the one that was seen", func(t *testing.T) {
		key := "locks/swap/replaced.json"
		one, err := swap(key, "one", "")
		must(t, err)
		two, err := swap(key, "two", one)
		must(t, err)
		if one == two {
			t.Errorf("both have the tag %q", one)
		}
		loaded(t, key, "two")
		stale, err := swap(key, "three", one)
		refused(t, stale, err)
		loaded(t, key, "two")
		empty, err := swap(key, "", two)
		must(t, err)
		if got := loaded(t, key, ""); got != empty {
			t.Errorf("the tag of nothing is %q after Swap, and %q after Load", empty, got)
		}
		_, err = swap(key, "three", empty)
		must(t, err)
	})
	t.Run("what is not there has no tag", func(t *testing.T) {
		tag, err := swap("locks/swap/other.json", "one", "")
		must(t, err)
		got, err := swap("locks/swap/nowhere.json", "one", tag)
		refused(t, got, err)
		if _, _, err := s.Load(ctx, "locks/swap/nowhere.json"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("it is there: %v", err)
		}
	})
	t.Run("a body that is not as announced is not stored", func(t *testing.T) {
		o := object("locks/swap/short.json", "one")
		o.Size++
		if _, err := s.Swap(ctx, o, ""); err == nil || errors.Is(err, fs.ErrExist) {
			t.Errorf("the error is %v", err)
		}
		if _, _, err := s.Load(ctx, o.Key); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("it is there: %v", err)
		}
	})
	t.Run("a context that has ended", func(t *testing.T) {
		ended, cancel := context.WithCancelCause(ctx)
		cancel(errors.New("enough"))
		if _, err := s.Swap(ended, object("locks/swap/ended.json", "one"), ""); !errors.Is(err, context.Canceled) {
			t.Errorf("swap: %v", err)
		}
		if _, _, err := s.Load(ended, "locks/swap/once.json"); !errors.Is(err, context.Canceled) {
			t.Errorf("load: %v", err)
		}
	})
	t.Run("keys that mean something else", func(t *testing.T) {
		for _, key := range []string{"", "/locks/a", "../a", "locks/../a", "locks//a"} {
			var bad *KeyError
			if _, err := swap(key, "one", ""); !errors.As(err, &bad) {
				t.Errorf("swap %q: %v", key, err)
			}
			if _, _, err := s.Load(ctx, key); !errors.As(err, &bad) {
				t.Errorf("load %q: %v", key, err)
			}
		}
	})
	t.Run("of those who swap at the same time, one succeeds", func(t *testing.T) {
		const users, each = 6, 8
		key := "locks/swap/counter.json"
		var wg sync.WaitGroup
		for range users {
			s := open()
			wg.Go(func() {
				for done := 0; done < each; {
					body, tag, err := s.Load(ctx, key)
					if err != nil && !errors.Is(err, fs.ErrNotExist) {
						t.Error(err)
						return
					}
					n, _ := strconv.Atoi(string(body))
					switch _, err := s.Swap(ctx, object(key, strconv.Itoa(n+1)), tag); {
					case err == nil:
						done++
					case !errors.Is(err, fs.ErrExist):
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		loaded(t, key, strconv.Itoa(users*each))
	})
	t.Run("locks take turns", func(t *testing.T) { testTurns(t, open, 5, Claim{Wait: hang, Poll: defaultPoll / 20}) })
}

// hang is how long a test waits for what must happen.
const hang = 5 * 60 * defaultPoll

// testTurns has several claimants of one lock, each of which must get it once, alone.
func testTurns(t *testing.T, open func() Swapper, claimants int, c Claim) {
	key, err := keys.Lock("turns", t.Name())
	must(t, err)
	var (
		wg      sync.WaitGroup
		mu      sync.Mutex
		holders int
		fences  []int64
	)
	for i := range claimants {
		s, c := open(), c
		c.Key, c.Owner = key, fmt.Sprintf("claimant %d", i)
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
			sleep(t.Context(), c.Poll/10)
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

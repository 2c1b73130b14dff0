package artifactstest

import (
	"context"
	"errors"
	"io/fs"
	"strconv"
	"sync"
	"testing"

	"github.com/carlin-cicd/runner/artifacts"
)

// TestSwapper tests what every artifacts.Swapper must do. Each call of open returns another user of the same store.
// The test uses keys below "locks/" only.
func TestSwapper(t *testing.T, open func() artifacts.Swapper) {
	ctx := t.Context()
	s := open()
	swap := func(key, content, tag string) (string, error) { return s.Swap(ctx, Object(key, content), tag) }
	loaded := func(t *testing.T, key, want string) (tag string) {
		t.Helper()
		body, tag, err := s.Load(ctx, key)
		Must(t, err)
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
		Must(t, err)
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
		Must(t, err)
		two, err := swap(key, "two", one)
		Must(t, err)
		if one == two {
			t.Errorf("both have the tag %q", one)
		}
		loaded(t, key, "two")
		stale, err := swap(key, "three", one)
		refused(t, stale, err)
		loaded(t, key, "two")
		empty, err := swap(key, "", two)
		Must(t, err)
		if got := loaded(t, key, ""); got != empty {
			t.Errorf("the tag of nothing is %q after Swap, and %q after Load", empty, got)
		}
		_, err = swap(key, "three", empty)
		Must(t, err)
	})
	t.Run("what is not there has no tag", func(t *testing.T) {
		tag, err := swap("locks/swap/other.json", "one", "")
		Must(t, err)
		got, err := swap("locks/swap/nowhere.json", "one", tag)
		refused(t, got, err)
		if _, _, err := s.Load(ctx, "locks/swap/nowhere.json"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("it is there: %v", err)
		}
	})
	t.Run("a body that is not as announced is not stored", func(t *testing.T) {
		o := Object("locks/swap/short.json", "one")
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
		if _, err := s.Swap(ended, Object("locks/swap/ended.json", "one"), ""); !errors.Is(err, context.Canceled) {
			t.Errorf("swap: %v", err)
		}
		if _, _, err := s.Load(ended, "locks/swap/once.json"); !errors.Is(err, context.Canceled) {
			t.Errorf("load: %v", err)
		}
	})
	t.Run("keys that mean something else", func(t *testing.T) {
		for _, key := range []string{"", "/locks/a", "../a", "locks/../a", "locks//a"} {
			var bad *artifacts.KeyError
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
					switch _, err := s.Swap(ctx, Object(key, strconv.Itoa(n+1)), tag); {
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
}

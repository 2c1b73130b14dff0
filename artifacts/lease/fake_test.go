package lease

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/artifactstest"
)

// fate is what befalls one operation of an unreliable store. An operation whose context ends while it lags is still
// carried out when the lag is over, as a request on its way is.
type fate struct {
	lag   time.Duration // before it is carried out
	drop  bool          // it is not
	err   error         // the answer, whatever has happened
	slow  time.Duration // before the answer
	stuck bool          // it heeds no context
}

// unreliable is a Swapper in memory, with tags of the content as S3 has them.
type unreliable struct {
	t testing.TB

	mu      sync.Mutex
	next    func(op string) fate // op is "load" or "swap"; it is called with the mutex held
	objects map[string]string
	tags    map[string]bool // that there ever were
}

func newUnreliable(t testing.TB) *unreliable {
	return &unreliable{
		t:       t,
		next:    func(string) fate { return fate{} },
		objects: map[string]string{},
		tags:    map[string]bool{},
	}
}

var (
	errTransient = &artifacts.StoreError{
		Op:        "swap",
		Key:       "k",
		Place:     "a test",
		Err:       errors.New("connection reset"),
		Transient: true,
	}
	errForbidden = &artifacts.StoreError{Op: "swap", Key: "k", Place: "a test", Err: fs.ErrPermission}
)

func tagOf(content string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(content))) }

func (u *unreliable) Load(ctx context.Context, key string) ([]byte, string, error) {
	content, err := u.meet(ctx, "load", func() (string, error) {
		content, ok := u.objects[key]
		if !ok {
			return "", fs.ErrNotExist
		}
		return content, nil
	})
	if err != nil {
		return nil, "", err
	}
	return []byte(content), tagOf(content), nil
}

func (u *unreliable) Swap(ctx context.Context, o artifacts.Object, tag string) (string, error) {
	body, err := io.ReadAll(o.Body)
	if err != nil || int64(len(body)) != o.Size {
		u.t.Errorf("%d bytes of %d: %v", len(body), o.Size, err)
	}
	return u.meet(ctx, "swap", func() (string, error) {
		now := ""
		if content, ok := u.objects[o.Key]; ok {
			now = tagOf(content)
		}
		if now != tag {
			return "", fs.ErrExist
		}
		newTag := tagOf(string(body))
		if u.tags[newTag] {
			u.t.Errorf("the tag of %s comes back", body)
		}
		u.objects[o.Key], u.tags[newTag] = string(body), true
		return newTag, nil
	})
}

// meet carries out an operation as its fate will have it.
func (u *unreliable) meet(ctx context.Context, op string, do func() (string, error)) (result string, err error) {
	u.mu.Lock()
	f := u.next(op)
	u.mu.Unlock()
	locked := func() (string, error) {
		u.mu.Lock()
		defer u.mu.Unlock()
		if f.drop {
			return "", nil
		}
		return do()
	}
	heeded := ctx
	if f.stuck {
		heeded = context.WithoutCancel(ctx)
	}
	began := time.Now()
	if f.lag > 0 && !sleep(heeded, f.lag) {
		time.AfterFunc(f.lag-time.Since(began), func() { locked() })
		return "", ctx.Err()
	}
	if err := heeded.Err(); err != nil {
		return "", err
	}
	result, err = locked()
	if f.slow > 0 && !sleep(heeded, f.slow) {
		return "", ctx.Err()
	}
	if f.err != nil {
		return "", f.err
	}
	return result, err
}

func (u *unreliable) Locate(key string) string { return "memory:" + key }

// set replaces an object behind everybody's back; "" deletes it.
func (u *unreliable) set(key, content string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.objects[key] = content; content == "" {
		delete(u.objects, key)
	}
}

func (u *unreliable) record(key string) lockRecord {
	u.t.Helper()
	u.mu.Lock()
	defer u.mu.Unlock()
	r, err := parseRecord([]byte(u.objects[key]))
	artifactstest.Must(u.t, err)
	return r
}

// meets sets what befalls every operation from now on.
func (u *unreliable) meets(next func(op string) fate) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.next = next
}

// meetsNext gives the next operations of a kind their fates, one after the other; all others do well.
func (u *unreliable) meetsNext(kind string, fates ...fate) {
	u.meets(func(op string) fate {
		if op != kind || len(fates) == 0 {
			return fate{}
		}
		f := fates[0]
		fates = fates[1:]
		return f
	})
}

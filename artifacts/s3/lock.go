package s3

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/artifacts/lease"
)

// publishTTL is the default of Options.LockTTL.
const publishTTL = 20 * time.Second

// Lock implements artifacts.Locker by a lease in the bucket. A service without conditional writes has no locks.
func (s *Store) Lock(ctx context.Context, name string) (context.Context, func(), error) {
	held, release, _, err := seenLock{s, name, nil}.Lock(ctx, true)
	return held, release, err
}

// Look implements artifacts.Looker.
func (s *Store) Look(ctx context.Context, name string) (artifacts.SeenLock, error) {
	seen, err := lease.Look(ctx, s, keys.PublishLock(name))
	if err != nil {
		return nil, err
	}
	return seenLock{s, name, seen}, nil
}

// seenLock implements artifacts.SeenLock.
type seenLock struct {
	store *Store
	name  string
	seen  *lease.Seen
}

func (l seenLock) New() bool { return l.seen.New() }

func (l seenLock) Lock(ctx context.Context, wait bool) (held context.Context, release func(), asSeen bool, err error) {
	o := l.store.options
	owner := o.LockOwner
	owner.Purpose = "publishing " + l.name
	r := lease.Request{
		Key: keys.PublishLock(l.name), Owner: owner, TTL: o.LockTTL, Wait: forever,
		Poll: 200 * time.Millisecond, OnWait: o.OnLockWait, Seen: l.seen,
	}
	if !wait {
		r.Wait = 0
	}
	lease, err := lease.Acquire(ctx, l.store, r)
	if isCode(err, "NotImplemented") {
		return ctx, func() {}, false, nil
	}
	if err != nil {
		return nil, nil, false, err
	}
	return lease.Context(), func() {
		// Also after ctx has ended. A lock that cannot be released expires.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		lease.Release(ctx)
	}, lease.AsSeen(), nil
}

// forever means to wait until the context ends.
const forever = 1<<63 - 1

// Load implements artifacts.Swapper. The tag is the object's ETag.
func (s *Store) Load(ctx context.Context, key string) ([]byte, string, error) {
	if err := keys.Check(key); err != nil {
		return nil, "", err
	}
	d := &download{store: s, ctx: ctx, key: key}
	if err := d.open(); err != nil {
		return nil, "", d.storeError(err)
	}
	defer d.Close()
	body, err := io.ReadAll(io.LimitReader(d, artifacts.MaxSwapSize+1))
	if err == nil && len(body) > artifacts.MaxSwapSize {
		err = s.storeError(ctx, "get", key, fmt.Errorf("the object is larger than %d bytes", artifacts.MaxSwapSize))
	}
	return body, d.etag, err
}

// Swap implements artifacts.Swapper.
func (s *Store) Swap(ctx context.Context, o artifacts.Object, tag string) (string, error) {
	if err := keys.Check(o.Key); err != nil {
		return "", err
	}
	_, etag, err := s.put(ctx, o, precondition{absent: tag == "", etag: tag})
	return etag, err
}

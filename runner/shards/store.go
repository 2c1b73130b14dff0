package shards

import (
	"context"
	"io"

	"github.com/carlin-cicd/runner/artifacts"
)

// Under returns a store whose keys are below a prefix of another. Only one run writes there, so it has no locks.
func Under(s artifacts.Store, prefix string) artifacts.Store { return &under{s, prefix + "/"} }

type under struct {
	store  artifacts.Store
	prefix string
}

func (u *under) Put(ctx context.Context, o artifacts.Object) (version string, err error) {
	o.Key = u.prefix + o.Key
	return u.store.Put(ctx, o)
}

func (u *under) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	return u.store.Get(ctx, u.prefix+key)
}

func (u *under) Delete(ctx context.Context, keys ...string) error {
	below := make([]string, len(keys))
	for i, key := range keys {
		below[i] = u.prefix + key
	}
	return u.store.Delete(ctx, below...)
}

// GetVersion implements artifacts.Versioned; a store that keeps no versions has none in its manifests.
func (u *under) GetVersion(ctx context.Context, key, version string, offset int64) (io.ReadCloser, error) {
	if v, ok := u.store.(artifacts.Versioned); ok {
		return v.GetVersion(ctx, u.prefix+key, version, offset)
	}
	r, err := u.store.Get(ctx, u.prefix+key)
	if err != nil || offset == 0 {
		return r, err
	}
	if _, err := io.CopyN(io.Discard, r, offset); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// Locate implements artifacts.Locator.
func (u *under) Locate(key string) string {
	if l, ok := u.store.(artifacts.Locator); ok {
		return l.Locate(u.prefix + key)
	}
	return u.prefix + key
}

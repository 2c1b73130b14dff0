package artifacts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"

	"github.com/carlin-cicd/runner/artifacts/keys"
)

// attest stores the statement of a set before the manifest, so that there is no set without the statement.
func (u *update) attest(ctx context.Context, m Manifest) error {
	if u.attester == nil {
		return nil
	}
	statement, err := u.attester.Attest(ctx, m)
	if err != nil {
		return err
	}
	_, err = u.store.Put(ctx, Object{
		Key: keys.Provenance(m.Kind, m.Ref()), Body: bytes.NewReader(statement), Size: int64(len(statement)),
		Type: "application/json", CacheControl: "no-cache",
	})
	u.attested = err == nil
	return err
}

// attestWhenKnown returns what storeAll calls for each of n files that it has read. At the last one, attest is run side
// by side with what is still being sent. That is for a new set only: the statement of a set that is there stays until
// its successor is complete.
func (u *update) attestWhenKnown(n int, run func(attest func(context.Context) error)) func(i int, f File) {
	if u.attester == nil || u.old.Version != 0 || n == 0 {
		return nil
	}
	var mu sync.Mutex
	m := u.want
	m.Files, m.Created = slices.Clone(u.files), now()
	return func(i int, f File) {
		mu.Lock()
		defer mu.Unlock()
		m.Files[i] = f
		if n--; n == 0 {
			run(func(ctx context.Context) error { return u.attest(ctx, m) })
		}
	}
}

// ensureAttested stores the statement of a set that was there already, unless one of it is there, too.
func (u *update) ensureAttested(ctx context.Context, m Manifest) error {
	if u.attester == nil || u.attested {
		return nil
	}
	stored, err := ReadProvenance(ctx, u.store, m.Kind, m.Ref())
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case u.attester.Covers(ctx, m, stored):
		return nil
	}
	return u.attest(ctx, m)
}

// maxProvenance bounds a statement, in bytes: about 200 for each of a million files.
const maxProvenance = 256 << 20

// ReadProvenance returns the statement of who built a set, as its Attester made it. The error is fs.ErrNotExist if
// there is none, and a *CorruptError if it is too large to be one.
func ReadProvenance(ctx context.Context, s Store, kind string, ref Ref) ([]byte, error) {
	if err := keys.CheckKind(kind); err != nil {
		return nil, err
	}
	if err := ref.Validate(); err != nil {
		return nil, err
	}
	key := keys.Provenance(kind, ref)
	r, err := s.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, maxProvenance+1))
	if err == nil && len(b) > maxProvenance {
		err = &CorruptError{key, "a statement", fmt.Sprintf("more than %d MiB", maxProvenance>>20)}
	}
	return b, err
}

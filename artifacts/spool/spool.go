package spool

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"time"

	"github.com/carlin-cicd/runner/artifacts/keys"
)

// spool makes files in keys.Partial. Each is held by a lock that the kernel gives up with the process, so that whatever is
// there without a lock is the leftover of a killed one, and sweep can tell it from the work of a live one.
type Spool struct{ root *os.Root }

// newSpool returns the spool of a folder.
func New(root *os.Root) Spool { return Spool{root} }

// create makes a new, empty, held file. Whoever gets it renames or removes it, then closes it.
func (s Spool) Create() (*os.File, string, error) {
	return s.createLocked(func() (*os.File, string, error) {
		name := path.Join(keys.Partial, rand.Text())
		f, err := s.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
		return f, name, err
	})
}

// folder makes or takes up a held folder of the given name; while somebody else holds that one, it is a new one.
func (s Spool) Folder(name string) (*os.File, string, error) {
	taken := false
	return s.createLocked(func() (*os.File, string, error) {
		name := path.Join(keys.Partial, name)
		if taken {
			name = path.Join(keys.Partial, rand.Text())
		}
		taken = true
		if err := s.root.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			taken = !errors.Is(err, fs.ErrNotExist)
			return nil, name, err
		}
		f, err := s.root.Open(name)
		return f, name, err
	})
}

// hold locks what makeNew makes, over again as long as sweep gets there first.
func (s Spool) createLocked(makeNew func() (*os.File, string, error)) (*os.File, string, error) {
	for {
		f, name, err := makeNew()
		if errors.Is(err, fs.ErrNotExist) {
			// The first file of all, or a sweep has just removed the empty folder.
			if err := s.root.MkdirAll(keys.Partial, 0o755); err != nil {
				return nil, "", err
			}
			continue
		}
		if err != nil {
			return nil, "", err
		}
		if locked, err := tryLock(f); err != nil || locked && s.hasName(name, f) {
			return f, name, err
		}
		f.Close()
	}
}

// names tells whether f is still what the name stands for.
func (s Spool) hasName(name string, f *os.File) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := s.root.Lstat(name)
	return err == nil && os.SameFile(a, b)
}

// lockPause is how long to wait between two looks at a lock that somebody else has: flock cannot be waited for
// together with a context.
const lockPause = 10 * time.Millisecond

// lock waits until nobody else has the name, in this process or another.
func (s Spool) Lock(ctx context.Context, name string) (release func(), err error) {
	file := path.Join(keys.Partial, "lock-"+FileName(name))
	for {
		f, err := s.root.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
		if errors.Is(err, fs.ErrNotExist) {
			if err := s.root.MkdirAll(keys.Partial, 0o755); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		locked, err := tryLock(f)
		if locked && s.hasName(file, f) {
			return func() {
				s.root.Remove(file) // while it is held, so that nobody can be left holding a file without a name
				f.Close()
			}, nil
		}
		f.Close()
		if err != nil {
			return nil, err
		}
		if locked {
			continue // it was removed between opening and locking
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(lockPause):
		}
	}
}

// fileName makes any text a part of a file's name.
func FileName(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

// sweep removes what killed processes left behind, but for the given names.
func (s Spool) Sweep(but ...string) error {
	entries, err := fs.ReadDir(s.root.FS(), keys.Partial)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if slices.Contains(but, e.Name()) {
			continue
		}
		name := path.Join(keys.Partial, e.Name())
		f, err := s.root.Open(name)
		if err != nil {
			continue // it got its name meanwhile
		}
		if locked, err := tryLock(f); locked && err == nil {
			s.root.RemoveAll(name)
		}
		f.Close()
	}
	s.root.Remove(keys.Partial) // fails while anything is in it, as it should
	return nil
}

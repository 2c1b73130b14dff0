// Package spool makes temporary files and locks in a folder that processes share.
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

// Spool makes files in keys.Partial. Each is locked while its process lives, so that Sweep can tell what a killed
// process left from what is in use.
type Spool struct{ root *os.Root }

// New returns the spool of a folder.
func New(root *os.Root) Spool { return Spool{root} }

// Create makes a new, empty, locked file. The caller renames or removes it, then closes it.
func (s Spool) Create() (*os.File, string, error) {
	return s.createLocked(func() (*os.File, string, error) {
		name := path.Join(keys.Partial, rand.Text())
		f, err := s.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
		return f, name, err
	})
}

// Folder makes or reopens a folder of the given name and locks it. If another process has locked that one, it makes a
// folder of another name.
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

// createLocked locks what makeNew makes, and starts again if Sweep removes it first.
func (s Spool) createLocked(makeNew func() (*os.File, string, error)) (*os.File, string, error) {
	for {
		f, name, err := makeNew()
		if errors.Is(err, fs.ErrNotExist) {
			// This is the first file, or Sweep has just removed the empty folder.
			if err := s.makeFolder(); err != nil {
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

// makeFolder makes the folder. If Sweep removes it at the same moment, it may be neither there nor made.
func (s Spool) makeFolder() (err error) {
	for range 100 {
		err = s.root.MkdirAll(keys.Partial, 0o755)
		if !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	return err
}

// hasName reports whether f still has the name.
func (s Spool) hasName(name string, f *os.File) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := s.root.Lstat(name)
	return err == nil && os.SameFile(a, b)
}

// lockPause is the time between two attempts to take a lock: flock cannot wait for a context as well.
const lockPause = 10 * time.Millisecond

// Lock waits for the lock of a name, which excludes this process and others.
func (s Spool) Lock(ctx context.Context, name string) (release func(), err error) {
	file := path.Join(keys.Partial, "lock-"+FileName(name))
	for {
		f, err := s.root.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
		if errors.Is(err, fs.ErrNotExist) {
			if err := s.makeFolder(); err != nil {
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
				s.root.Remove(file) // while it is locked, so that no other process locks a file without a name
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

// FileName makes a valid file name of any text.
func FileName(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

// Sweep removes what killed processes left, except the given names.
func (s Spool) Sweep(except ...string) error {
	entries, err := fs.ReadDir(s.root.FS(), keys.Partial)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if slices.Contains(except, e.Name()) {
			continue
		}
		name := path.Join(keys.Partial, e.Name())
		f, err := s.root.Open(name)
		if err != nil {
			continue // it was renamed meanwhile
		}
		if locked, err := tryLock(f); locked && err == nil {
			s.root.RemoveAll(name)
		}
		f.Close()
	}
	s.root.Remove(keys.Partial) // fails while it is not empty
	return nil
}

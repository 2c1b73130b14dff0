// Package folder keeps objects in a folder of this machine.
package folder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/artifacts/spool"
)

// Store is a folder in which an object is a file under its key. Any number of processes may use it at a time. Objects
// are written to a temporary file, synced and renamed; empty folders are removed.
type Store struct {
	root    *os.Root // so that no key or link leads outside
	path    string
	spool   spool.Spool
	buffers sync.Pool

	mu    sync.Mutex
	known map[string]bool // folders that exist, so that each is created once
	dirty map[string]bool // folders with names in them that are not synced

	syncing sync.Mutex // held while dirty is being synced: an empty dirty does not mean synced before that
}

// New opens a folder as a store, and creates it if needed.
func New(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return FromRoot(root), nil
}

// FromRoot returns the store in an open folder.
func FromRoot(root *os.Root) *Store {
	place := root.Name()
	if abs, err := filepath.Abs(place); err == nil {
		place = abs
	}
	f := &Store{
		root: root, path: place, spool: spool.New(root),
		buffers: sync.Pool{New: func() any { return new([128 << 10]byte) }},
		known:   map[string]bool{}, dirty: map[string]bool{},
	}
	f.spool.Sweep() // errors are ignored: a read-only folder is a store too
	return f
}

// Close closes the folder. Nothing is lost without it.
func (f *Store) Close() error { return f.root.Close() }

// Locate returns the path of the file.
func (f *Store) Locate(key string) string { return filepath.Join(f.path, filepath.FromSlash(key)) }

// Lock implements artifacts.Locker among the processes of this machine.
func (f *Store) Lock(ctx context.Context, name string) (context.Context, func(), error) {
	release, err := f.spool.Lock(ctx, name)
	if err := artifacts.ContextError(ctx); err != nil {
		if release != nil {
			release()
		}
		return nil, nil, err
	}
	if err != nil {
		return nil, nil, f.storeError("lock", name, err)
	}
	return ctx, release, nil
}

// Put implements artifacts.Store.
func (f *Store) Put(ctx context.Context, o artifacts.Object) (string, error) {
	return "", f.put(ctx, o)
}

func (f *Store) put(ctx context.Context, o artifacts.Object) error {
	if err := keys.Check(o.Key); err != nil {
		return err
	}
	temp, name, err := f.spool.Create()
	if err != nil {
		return f.storeError("put", o.Key, err)
	}
	defer temp.Close()
	body := &bodyReader{ctx: ctx, r: o.Body}
	err = f.write(temp, body, o)
	if err == nil && !o.Batch {
		err = f.sync() // objects stored earlier must be on disk before this one is visible
	}
	if err == nil {
		err = f.install(name, o)
	}
	if err != nil {
		f.root.Remove(name)
		if body.err != nil {
			return body.err
		}
		return f.storeError("put", o.Key, err)
	}
	if !o.Batch {
		if err := f.sync(); err != nil {
			return f.storeError("put", o.Key, err)
		}
	}
	return nil
}

// bodyReader keeps errors of the body apart from those of the disk, and ends with the context.
type bodyReader struct {
	ctx context.Context
	r   io.Reader
	err error
}

func (s *bodyReader) Read(p []byte) (int, error) {
	if s.err = artifacts.ContextError(s.ctx); s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	if err != io.EOF {
		s.err = err
	}
	return n, err
}

// smallObject is below which an object needs no buffer of the usual size.
const smallObject = 16 << 10

func (f *Store) write(temp *os.File, body io.Reader, o artifacts.Object) error {
	var buffer []byte
	if o.Size < smallObject {
		buffer = make([]byte, o.Size+1)
	} else {
		pooled := f.buffers.Get().(*[128 << 10]byte)
		defer f.buffers.Put(pooled)
		buffer = pooled[:]
	}
	// The struct hides ReadFrom, which would allocate a buffer of its own.
	n, err := io.CopyBuffer(struct{ io.Writer }{temp}, body, buffer)
	if err != nil {
		return err
	}
	if n != o.Size {
		return fmt.Errorf("the body has %d bytes, not %d as announced", n, o.Size)
	}
	mode := o.Mode.Perm()
	if mode == 0 {
		mode = 0o644
	}
	if err := temp.Chmod(mode | 0o400); err != nil {
		return err
	}
	return temp.Sync()
}

// install gives the temporary file its name.
func (f *Store) install(temp string, o artifacts.Object) error {
	dir := path.Dir(o.Key)
	var err error
	// Another process may remove the empty folder while it is created for this file, or just after.
	for range 100 {
		err = f.mkdir(dir)
		again := err != nil && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist))
		if err == nil {
			if o.IfAbsent {
				err = f.root.Link(temp, o.Key)
			} else {
				err = f.root.Rename(temp, o.Key)
			}
			again = errors.Is(err, fs.ErrNotExist)
		}
		if !again {
			break
		}
		f.forget(dir)
	}
	if err != nil {
		return err
	}
	if o.IfAbsent {
		f.root.Remove(temp)
	}
	f.mu.Lock()
	f.dirty[dir] = true
	f.mu.Unlock()
	return nil
}

func (f *Store) mkdir(dir string) error {
	f.mu.Lock()
	known := f.known[dir]
	f.mu.Unlock()
	if known {
		return nil
	}
	if err := f.root.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for d := dir; !f.known[d]; d = path.Dir(d) {
		f.known[d] = true
		if above := path.Dir(d); !f.settled(above) {
			f.dirty[above] = true
		}
	}
	return nil
}

// settledAfter is when a name is on disk without being synced: the longest that a system keeps it to itself, to save the
// battery, is ten minutes.
const settledAfter = 15 * time.Minute

// settled reports whether all names in a folder are on disk, even if who made them died before they were synced.
func (f *Store) settled(dir string) bool {
	info, err := f.root.Lstat(dir)
	return err == nil && time.Since(info.ModTime()) > settledAfter
}

func (f *Store) forget(dir string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for d := dir; d != "."; d = path.Dir(d) {
		delete(f.known, d)
	}
}

// sync makes all renames so far survive a power failure.
func (f *Store) sync() error {
	f.syncing.Lock()
	defer f.syncing.Unlock()
	f.mu.Lock()
	dirs := f.dirty
	f.dirty = map[string]bool{}
	f.mu.Unlock()
	var beside errgroup.Group // the disk writes what is synced at the same time at once
	beside.SetLimit(syncsAtOnce)
	for dir := range dirs {
		beside.Go(func() error { return f.syncDir(dir) })
	}
	err := beside.Wait()
	if err != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		for d := range dirs {
			f.dirty[d] = true
		}
	}
	return err
}

// syncsAtOnce bounds the threads that wait for the disk.
const syncsAtOnce = 16

func (f *Store) syncDir(dir string) error {
	d, err := f.root.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // removed since
	}
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// Get implements artifacts.Store.
func (f *Store) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	file, _, err := f.open(ctx, key)
	if err != nil {
		return nil, err
	}
	return file, nil
}

// open opens an object and returns its size.
func (f *Store) open(ctx context.Context, key string) (*os.File, int64, error) {
	if err := keys.Check(key); err != nil {
		return nil, 0, err
	}
	if err := artifacts.ContextError(ctx); err != nil {
		return nil, 0, err
	}
	file, err := f.root.OpenFile(key, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ENOTDIR) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, 0, f.storeError("get", key, err)
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		file.Close()
		return nil, 0, f.storeError("get", key, err)
	}
	return file, info.Size(), nil
}

// Delete implements artifacts.Store.
func (f *Store) Delete(ctx context.Context, names ...string) error {
	touched := map[string]bool{}
	for _, key := range names {
		if err := keys.Check(key); err != nil {
			return err
		}
		if err := artifacts.ContextError(ctx); err != nil {
			return err
		}
		info, err := f.root.Lstat(key)
		if err == nil && info.IsDir() {
			continue // a folder is not an object
		}
		if err == nil {
			err = f.root.Remove(key)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
			return f.storeError("delete", key, err)
		}
		touched[f.prune(path.Dir(key))] = true
	}
	for dir := range touched {
		if err := f.syncDir(dir); err != nil {
			return f.storeError("delete", dir, err)
		}
	}
	return nil
}

// prune removes empty folders upwards, and returns the first one that is not empty.
func (f *Store) prune(dir string) string {
	for ; dir != "."; dir = path.Dir(dir) {
		info, err := f.root.Lstat(dir)
		if err == nil && !info.IsDir() {
			continue // an object has the name of the folder
		}
		if err == nil {
			err = f.root.Remove(dir)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
			break
		}
		f.forget(dir)
	}
	return dir
}

// storeError drops the path from errors of package os, since the key says it.
func (f *Store) storeError(op, key string, err error) error {
	var pe *fs.PathError
	var le *os.LinkError
	switch {
	case errors.As(err, &pe):
		err = pe.Err
	case errors.As(err, &le):
		err = le.Err
	}
	return &artifacts.StoreError{Op: op, Key: key, Place: f.path, Err: err}
}

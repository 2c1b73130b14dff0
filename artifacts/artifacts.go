// Package artifacts publishes, fetches and lists sets of files. A set belongs to a kind, a branch and a commit.
//
// A set exists as long as its manifest does: the files are stored first, the manifest last, and readers begin with the
// manifest. README.md has the protocol: what is sent in which order, and what it guarantees. The stores are in packages folder and s3; a store implements the interfaces that are declared here.
package artifacts

import (
	"context"
	"io"
	"io/fs"

	"github.com/carlin-cicd/runner/artifacts/keys"
)

// Ref is the branch and the commit that a set belongs to.
type Ref = keys.Ref

// Object is a file to be stored under a key.
type Object struct {
	// Key is a slash-separated path of at most 1024 bytes of UTF-8, without empty, "." or ".." segments.
	Key string
	// Body is at its beginning. A store that has to send it again seeks to 0. An error from Read other than io.EOF
	// means that the object must not be stored. A Body may have a method SHA256() (sum [32]byte, ok bool) that returns
	// its digest once it has been read whole.
	Body io.ReadSeeker
	// Size is the length of Body in bytes.
	Size int64
	// Type is the media type, CacheControl the HTTP header. A store that does not serve HTTP drops them.
	Type, CacheControl string
	// Mode holds permission bits; zero means 0644.
	Mode fs.FileMode
	// IfAbsent makes Put fail with fs.ErrExist if there is an object under the key.
	IfAbsent bool
	// Batch allows a power failure to lose the object until the next Put without Batch has returned, which saves a
	// folder one directory sync per file. A bucket ignores it.
	Batch bool
}

// Store keeps objects. Its errors are *StoreError, except for invalid keys (*KeyError), and those of the body and the
// context, which are returned as they are. It is safe for concurrent use. A store may also implement Locker, Looker,
// Swapper, Locator, Versioned, Parallel and Sweeper.
type Store interface {
	// Put stores an object whole or not at all: a reader sees the old one or the new one. The version identifies the
	// object for GetVersion; it is "" if the store does not keep what it replaces.
	Put(ctx context.Context, o Object) (version string, err error)
	// Get opens an object. The error is fs.ErrNotExist if there is none.
	Get(ctx context.Context, key string) (io.ReadCloser, error)
	// Delete removes objects in any order. Keys without an object are not an error.
	Delete(ctx context.Context, keys ...string) error
}

// Locker is a store with locks that exclude other processes and machines which share the store. Without locks, two
// publishers of the same set, or of two sets with the same mirror, can leave a mixture.
type Locker interface {
	// Lock waits for a lock until ctx ends. The lock is held until release is called or the process dies. What runs
	// under it uses the context held, which ends with ctx and when the lock is lost.
	Lock(ctx context.Context, name string) (held context.Context, release func(), err error)
}

// Looker is a Locker whose locks can be looked at before they are needed.
type Looker interface {
	// Look reads a lock, and takes nothing.
	Look(ctx context.Context, name string) (SeenLock, error)
}

// SeenLock is a lock as it was found by Look.
type SeenLock interface {
	// New reports whether the lock had never been held.
	New() bool
	// Lock is that of Locker, in one request if the lock was free and is still so. Then asSeen is true, and no one has
	// held it since. Without wait, a lock that is held is an error.
	Lock(ctx context.Context, wait bool) (held context.Context, release func(), asSeen bool, err error)
}

// MaxSwapSize is the size in bytes up to which a Swapper loads an object.
const MaxSwapSize = 1 << 20

// Swapper is a store with conditional writes.
type Swapper interface {
	// Load returns a small object whole, with a tag that changes with the content. The error is fs.ErrNotExist if
	// there is none.
	Load(ctx context.Context, key string) (body []byte, tag string, err error)
	// Swap stores o if the object under its key still has the tag ("" for no object), and returns the new tag.
	// Otherwise the error is fs.ErrExist. After any error, fs.ErrExist included, the object may have been stored all
	// the same, or may be later: the response can be lost, and a store may have sent the request twice.
	Swap(ctx context.Context, o Object, tag string) (newTag string, err error)
}

// Locator is a store that can say where a key is, e.g. "s3://bucket/prefix/key" or a file's path.
type Locator interface {
	Locate(key string) string
}

// Versioned is a store that can read part of an object, and one that has been replaced or deleted since.
type Versioned interface {
	// GetVersion is Get from an offset on. Without a version it reads the newest one.
	GetVersion(ctx context.Context, key, version string, offset int64) (io.ReadCloser, error)
}

// Parallel is a store that is fastest with a certain number of requests at a time: small ones, and beside them large
// ones, for objects of more than size bytes.
type Parallel interface {
	Concurrency() (small, large int, size int64)
}

// Sweeper is a store in which an interrupted Put can leave something behind.
type Sweeper interface {
	// Sweep removes such remains under a prefix where no publisher is at work.
	Sweep(ctx context.Context, prefix string) error
}

// locate returns the key itself if the store is no Locator.
func locate(s Store, key string) string {
	if l, ok := s.(Locator); ok {
		return l.Locate(key)
	}
	return key
}

// lock returns at once if the store has no locks.
func lock(ctx context.Context, s Store, name string) (held context.Context, release func(), err error) {
	if l, ok := s.(Locker); ok {
		return l.Lock(ctx, name)
	}
	return ctx, func() {}, nil
}

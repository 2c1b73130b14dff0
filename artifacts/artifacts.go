// Package artifacts keeps sets of files under a branch and a commit, in a folder or a bucket.
// A set exists once its manifest does: files are stored first, the manifest last, and readers start from the manifest.
package artifacts

import (
	"context"
	"io"
	"io/fs"

	"github.com/carlin-cicd/runner/artifacts/keys"
)

// Ref is the commit a set belongs to, and the branch it was made for.
type Ref = keys.Ref

// Object is what a store is asked to keep under a key.
type Object struct {
	// Key is a slash-separated path of at most 1024 bytes of UTF-8, without empty, "." or ".." segments.
	Key string
	// Body is read from its current offset, which is the beginning. A store that has to send it again seeks back to 0.
	// An error from Read, io.EOF aside, means that the object must not be stored.
	Body io.ReadSeeker
	// Size is the number of bytes Body will give.
	Size int64
	// Type is the media type, CacheControl the HTTP header; a store that has no use for them drops them.
	Type, CacheControl string
	// Mode holds permission bits; zero means 0644.
	Mode fs.FileMode
	// IfAbsent makes Put fail with fs.ErrExist, and leave the object alone, when there is one under the key.
	IfAbsent bool
	// Batch allows a power cut to lose the object until the next Put without Batch has returned,
	// which spares a folder a directory sync per file. A bucket ignores it.
	Batch bool
}

// Store is a place for objects. Its errors are *StoreError, except for a bad key, which is a *KeyError, and for those
// of the body and the context, which come back as they are.
// It is safe for concurrent use. A store may also be a Locker, a Locator, Versioned, Parallel and a Sweeper.
type Store interface {
	// Put stores an object whole or not at all: a reader sees the old one or the new one. The version is its name
	// for GetVersion, where the store keeps what it replaces, else "".
	Put(ctx context.Context, o Object) (version string, err error)
	// Get opens an object; the error is fs.ErrNotExist when there is none.
	Get(ctx context.Context, key string) (io.ReadCloser, error)
	// Delete removes objects, for good once it returns, in any order; keys without an object are fine.
	Delete(ctx context.Context, keys ...string) error
}

// Locker is a store that lets one publisher at a time work on a name, across processes and machines that share
// the store. Without it two publishers of the same set, or of two sets with the same mirror, can leave a mixture.
type Locker interface {
	// Lock waits for the name until ctx ends. The lock is given up by release, or when the process dies. What is done
	// under it is done with held, which ends with ctx and when the lock is lost.
	Lock(ctx context.Context, name string) (held context.Context, release func(), err error)
}

// maxSwapped is the size in bytes up to which an object can be loaded whole.
const MaxSwapSize = 1 << 20

// Swapper is a store whose writes can depend on what is there. A store may be one beside being a Store.
type Swapper interface {
	// Load returns a small object whole, with a tag that differs as long as the content does; the error is
	// fs.ErrNotExist when there is none.
	Load(ctx context.Context, key string) (body []byte, tag string, err error)
	// Swap stores o if the object under its key still has the tag ("" for no object), and returns the new one's. The
	// error is fs.ErrExist when it has not. After any error, that one too, the object may have been stored all the
	// same, even a while later: an answer can be lost, and a store may have tried twice.
	Swap(ctx context.Context, o Object, tag string) (newTag string, err error)
}

// Locator is a store that can tell people where a key is, e.g. "s3://bucket/prefix/key" or a file's path.
type Locator interface {
	Locate(key string) string
}

// Versioned is a store that can read a part of an object, and one that has since been replaced or deleted.
type Versioned interface {
	// GetVersion is Get from an offset on; without a version it is that of the newest.
	GetVersion(ctx context.Context, key, version string, offset int64) (io.ReadCloser, error)
}

// Parallel is a store that is faster when it has more to do at a time than a disk: small objects, and beside them
// large ones of more than size bytes.
type Parallel interface {
	Concurrency() (small, large int, size int64)
}

// Sweeper is a store in which a killed Put can leave something behind.
type Sweeper interface {
	// Sweep removes such remains under a prefix where nobody is at work.
	Sweep(ctx context.Context, prefix string) error
}

// locate falls back to the key itself.
func locate(s Store, key string) string {
	if l, ok := s.(Locator); ok {
		return l.Locate(key)
	}
	return key
}

// lock returns at once on a store that has no locks.
func lock(ctx context.Context, s Store, name string) (held context.Context, release func(), err error) {
	if l, ok := s.(Locker); ok {
		return l.Lock(ctx, name)
	}
	return ctx, func() {}, nil
}

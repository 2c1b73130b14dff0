package artifacts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// sourceFile is a file that is read into a store. It is hashed while it is read, and Read returns a *ChangedError
// instead of io.EOF if the file changed meanwhile, so that a store never keeps it.
type sourceFile struct {
	ctx  context.Context
	path string
	file *os.File
	info fs.FileInfo // when it was opened
	want string      // expected SHA-256, or ""

	meter   *meter // counts what is read; may be nil
	metered int64

	offset   int64     // of the next Read
	hashed   int64     // bytes from the beginning that are in hash
	hash     hash.Hash // of them
	complete bool      // read to the end and unchanged

	known func(sum string) // called when it is complete for the first time; may be nil
}

// openFile does not block, even if a pipe has replaced the file since it was listed.
func (t *tree) openFile(ctx context.Context, p, want string) (*sourceFile, error) {
	f, err := t.root.OpenFile(p, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &ChangedError{p, "vanished"}
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &ChangedError{p, "stopped being a regular file"}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &sourceFile{ctx: ctx, path: p, file: f, info: info, want: want, hash: sha256.New()}, nil
}

func (c *sourceFile) Close() error { return c.file.Close() }

// describe returns what is known of the file without reading it.
func (c *sourceFile) describe() File {
	return File{Path: c.path, Size: c.Size(), Type: mediaType(c.path), Mode: formatMode(c.Mode())}
}

func (c *sourceFile) Size() int64 { return c.info.Size() }

func (c *sourceFile) Mode() fs.FileMode { return c.info.Mode().Perm() }

// Read restarts the hash at the beginning of the file: the last copy that was sent counts.
func (c *sourceFile) Read(p []byte) (int, error) {
	if err := ContextError(c.ctx); err != nil {
		return 0, err
	}
	if c.offset == 0 {
		c.hash.Reset()
		c.hashed, c.complete = 0, false
		c.meter.addBytes(-c.metered)
		c.metered = 0
	}
	n, err := c.file.Read(p)
	c.meter.addBytes(int64(n))
	c.metered += int64(n)
	if fresh := c.offset + int64(n) - c.hashed; c.offset <= c.hashed && fresh > 0 {
		c.hash.Write(p[int64(n)-fresh : n])
		c.hashed += fresh
	}
	c.offset += int64(n)
	switch {
	case c.offset > c.Size():
		return n, &ChangedError{c.path, "grew"}
	case err == io.EOF:
		if err := c.check(); err != nil {
			return n, err
		}
	}
	return n, err
}

// Seek is for stores that determine the size, or send the file again.
func (c *sourceFile) Seek(offset int64, whence int) (int64, error) {
	at, err := c.file.Seek(offset, whence)
	if err == nil {
		c.offset = at
	}
	return at, err
}

// check runs at the end of the file.
func (c *sourceFile) check() error {
	now, err := c.file.Stat()
	switch {
	case err != nil:
		return err
	case c.hashed < c.Size():
		return &ChangedError{c.path, "shrank"}
	case now.Size() != c.Size() || !now.ModTime().Equal(c.info.ModTime()):
		return &ChangedError{c.path, "was written to"}
	case c.want != "" && c.want != c.hexSum():
		return &ChangedError{c.path, "was written to"}
	}
	c.complete = true
	if known := c.known; known != nil {
		c.known = nil
		known(c.hexSum())
	}
	return nil
}

// SHA256 returns the digest of the file once it has been read whole and found unchanged.
func (c *sourceFile) SHA256() (sum [sha256.Size]byte, ok bool) {
	if !c.complete {
		return sum, false
	}
	return [sha256.Size]byte(c.hash.Sum(nil)), true
}

func (c *sourceFile) hexSum() string { return hex.EncodeToString(c.hash.Sum(nil)) }

// digest returns the SHA-256 of the whole file. It reads the file if no store has.
func (c *sourceFile) digest() (string, error) {
	if !c.complete {
		if _, err := io.Copy(io.Discard, c); err != nil {
			return "", err
		}
	}
	if !c.complete {
		return "", fmt.Errorf("the store did not read %q from its beginning", c.path)
	}
	return c.hexSum(), nil
}

package folder

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
)

// Load implements artifacts.Swapper. The tag is the SHA-256 of the content.
func (f *Store) Load(ctx context.Context, key string) ([]byte, string, error) {
	r, size, err := f.open(ctx, key)
	if err != nil {
		return nil, "", err
	}
	defer r.Close()
	text := bytes.NewBuffer(make([]byte, 0, min(size, artifacts.MaxSwapSize)+bytes.MinRead))
	_, err = text.ReadFrom(io.LimitReader(r, artifacts.MaxSwapSize+1))
	body := text.Bytes()
	if err == nil && len(body) > artifacts.MaxSwapSize {
		err = fmt.Errorf("the object is larger than %d bytes", artifacts.MaxSwapSize)
	}
	if err != nil {
		return nil, "", f.storeError("get", key, err)
	}
	sum := sha256.Sum256(body)
	return body, hex.EncodeToString(sum[:]), nil
}

// Swap implements artifacts.Swapper among the processes of this machine: a lock is held from the comparison to the
// rename. Put does not take that lock, so a key is for Swap or for Put.
func (f *Store) Swap(ctx context.Context, o artifacts.Object, tag string) (string, error) {
	if err := keys.Check(o.Key); err != nil {
		return "", err
	}
	if err := artifacts.ContextError(ctx); err != nil {
		return "", err
	}
	temp, name, err := f.spool.Create()
	if err != nil {
		return "", f.storeError("swap", o.Key, err)
	}
	defer temp.Close()
	hash := sha256.New()
	body := &bodyReader{ctx: ctx, r: o.Body}
	err = f.write(temp, io.TeeReader(body, hash), o)
	if err == nil {
		err = f.swapIn(ctx, name, o, tag)
	}
	if err != nil {
		f.root.Remove(name)
		if body.err != nil {
			return "", body.err
		}
		return "", f.storeError("swap", o.Key, err)
	}
	if err := f.sync(); err != nil {
		return "", f.storeError("swap", o.Key, err)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// swapIn renames the temporary file if the object still has the tag.
func (f *Store) swapIn(ctx context.Context, temp string, o artifacts.Object, tag string) error {
	release, err := f.spool.Lock(ctx, "swap "+o.Key) // no publisher's lock has a blank in its name
	if err != nil {
		return err
	}
	defer release()
	_, now, err := f.Load(ctx, o.Key)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		o.IfAbsent = true
	case err != nil:
		return err
	}
	if now != tag {
		return fs.ErrExist
	}
	return f.install(temp, o)
}

package folder

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
)

// List implements artifacts.Lister. Entries that are not regular files are skipped: no Put made them.
func (f *Store) List(ctx context.Context, prefix string) iter.Seq2[artifacts.Entry, error] {
	return func(yield func(artifacts.Entry, error) bool) {
		dir := path.Dir(prefix + "x")
		if dir != "." {
			if err := keys.Check(dir); err != nil {
				yield(artifacts.Entry{}, err)
				return
			}
		}
		f.listDir(ctx, dir, prefix, yield)
	}
}

// listDir reports whether the listing continues.
func (f *Store) listDir(ctx context.Context, dir, prefix string, yield func(artifacts.Entry, error) bool) bool {
	if err := artifacts.ContextError(ctx); err != nil {
		yield(artifacts.Entry{}, err)
		return false
	}
	entries, err := fs.ReadDir(f.root.FS(), dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return true // it does not exist
	}
	if err != nil {
		yield(artifacts.Entry{}, f.storeError("list", dir, err))
		return false
	}
	// "a-b" comes before "a/b", as in a bucket: folders are sorted by the prefix of their files' keys.
	key := func(e fs.DirEntry) string {
		if e.IsDir() {
			return path.Join(dir, e.Name()) + "/"
		}
		return path.Join(dir, e.Name())
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(key(a), key(b)) })
	for _, e := range entries {
		k := key(e)
		switch {
		case k == keys.Partial+"/":
		case e.IsDir() && (strings.HasPrefix(k, prefix) || strings.HasPrefix(prefix, k)):
			if !f.listDir(ctx, path.Join(dir, e.Name()), prefix, yield) {
				return false
			}
		case e.Type().IsRegular() && strings.HasPrefix(k, prefix):
			info, err := f.root.Lstat(k)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				yield(artifacts.Entry{}, f.storeError("list", k, err))
				return false
			}
			if !yield(artifacts.Entry{Key: k, Size: info.Size(), Modified: info.ModTime()}, nil) {
				return false
			}
		}
	}
	return true
}

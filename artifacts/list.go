package artifacts

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
	"time"

	"github.com/carlin-cicd/runner/artifacts/keys"
)

// Entry is an object as a listing shows it.
type Entry struct {
	Key      string
	Size     int64 // bytes
	Modified time.Time
}

// Lister is a store that can be looked through.
type Lister interface {
	// List yields the objects whose keys begin with the prefix, sorted by key as bytes, and ends with its first error.
	List(ctx context.Context, prefix string) iter.Seq2[Entry, error]
}

// Stored is a set as a listing shows it. What is in it, its manifest says.
type Stored struct {
	Kind string
	Ref
	Modified time.Time // of its manifest
}

// Sets returns the sets that there are, the newest first: all of them, or those of a kind, of a branch, or of both.
func Sets(ctx context.Context, l Lister, kind, branch string) ([]Stored, error) {
	if kind != "" {
		if err := keys.CheckKind(kind); err != nil {
			return nil, err
		}
	}
	if branch != "" {
		if err := keys.CheckBranch(branch); err != nil {
			return nil, err
		}
	}
	prefix := keys.Manifests(kind, branch)
	var sets []Stored
	for e, err := range l.List(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		// Branches below this one, as "a/b" is below "a", have the prefix, too.
		if kind, ref, ok := keys.ParseManifest(e.Key); ok && (branch == "" || ref.Branch == branch) {
			sets = append(sets, Stored{kind, ref, e.Modified})
		}
	}
	slices.SortStableFunc(sets, func(a, b Stored) int {
		return cmp.Or(b.Modified.Compare(a.Modified), cmp.Compare(a.Kind, b.Kind))
	})
	return sets, nil
}

// List implements Lister. What is no regular file is not listed: nothing of the kind was stored.
func (f *Folder) List(ctx context.Context, prefix string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		dir := path.Dir(prefix + "x")
		if dir != "." {
			if err := keys.Check(dir); err != nil {
				yield(Entry{}, err)
				return
			}
		}
		f.listDir(ctx, dir, prefix, yield)
	}
}

// listDir reports whether the listing goes on.
func (f *Folder) listDir(ctx context.Context, dir, prefix string, yield func(Entry, error) bool) bool {
	if err := stopped(ctx); err != nil {
		yield(Entry{}, err)
		return false
	}
	entries, err := fs.ReadDir(f.root.FS(), dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return true // removed since, or never there
	}
	if err != nil {
		yield(Entry{}, f.failed("list", dir, err))
		return false
	}
	// "a-b" comes before "a/b", as it does in a bucket: folders are sorted by what their files' keys begin with.
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
				yield(Entry{}, f.failed("list", k, err))
				return false
			}
			if !yield(Entry{k, info.Size(), info.ModTime()}, nil) {
				return false
			}
		}
	}
	return true
}

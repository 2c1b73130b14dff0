package artifacts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"sync"
)

// Fetch puts the files of a set into dir, with their modes, and makes dir if need be. Nothing gets its name there
// before every file has arrived and has the checksum that the manifest promises; what else is in dir stays. Nothing
// is written outside dir, whatever the manifest or a link in dir says.
//
// The error is fs.ErrNotExist when there is no such set, a *CorruptError when it is not what its manifest says.
func Fetch(ctx context.Context, s Store, kind string, ref Ref, dir string) (Manifest, error) {
	m, err := ReadManifest(ctx, s, kind, ref)
	if err == nil {
		m, err = fetch(ctx, s, m, dir)
	}
	if err != nil {
		return Manifest{}, fmt.Errorf("fetch %s: %w", SetKey(kind, ref), err)
	}
	return m, nil
}

// refetches bounds how often a set that is being published anew is begun again.
const refetches = 3

func fetch(ctx context.Context, s Store, m Manifest, dir string) (Manifest, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Manifest{}, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Manifest{}, err
	}
	defer root.Close()
	sp := spool{root}
	sp.sweep()
	held, staging, err := sp.mkdir()
	if err != nil {
		return Manifest{}, err
	}
	defer func() {
		root.RemoveAll(staging)
		root.Remove(partial) // unless another fetch is at work in it
		held.Close()
	}()

	for attempt := 1; ; attempt++ {
		err := each(ctx, len(m.Files), func(ctx context.Context, i int) error {
			return stage(ctx, s, m, m.Files[i], root, path.Join(staging, strconv.Itoa(i)))
		})
		var corrupt *CorruptError
		if errors.As(err, &corrupt) && attempt < refetches {
			// Either it is, or the set has been published anew since its manifest was read.
			again, readErr := ReadManifest(ctx, s, m.Kind, m.Ref())
			if readErr != nil {
				return Manifest{}, readErr
			}
			if !slices.Equal(again.Files, m.Files) {
				m = again
				continue
			}
		}
		if err != nil {
			return Manifest{}, err
		}
		return m, arrange(root, m, staging)
	}
}

// stage stores one file under a temporary name. It is not synced: a fetched file can be fetched again.
func stage(ctx context.Context, s Store, m Manifest, f File, root *os.Root, temp string) error {
	full := func(err error) error { return &StoreError{Op: "fetch", Key: f.Path, Place: root.Name(), Err: err} }
	mode, err := parseMode(f.Mode)
	if err != nil {
		return err
	}
	w, err := root.OpenFile(temp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return full(err)
	}
	defer w.Close()
	disk := &sink{w: w}
	if err := check(ctx, s, m, f, disk); err != nil {
		if disk.err != nil {
			return full(disk.err)
		}
		return err
	}
	if err := w.Chmod(mode); err != nil {
		return full(err)
	}
	if err := w.Close(); err != nil {
		return full(err)
	}
	return nil
}

// sink keeps apart the errors of the disk and those of the store.
type sink struct {
	w   io.Writer
	err error
}

func (s *sink) Write(p []byte) (n int, err error) {
	n, s.err = s.w.Write(p)
	return n, s.err
}

// arrange gives the staged files their names.
func arrange(root *os.Root, m Manifest, staging string) error {
	made := map[string]bool{".": true}
	for i, f := range m.Files {
		if dir := path.Dir(f.Path); !made[dir] {
			if err := root.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			made[dir] = true
		}
		if err := root.Rename(path.Join(staging, strconv.Itoa(i)), f.Path); err != nil {
			return err
		}
	}
	return nil
}

// check copies a stored file to w, and fails with a *CorruptError unless it is the one in the manifest.
func check(ctx context.Context, s Store, m Manifest, f File, w io.Writer) error {
	r, err := s.Get(ctx, SetKey(m.Kind, m.Ref())+"/"+f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		// Not wrapped, as it would say that the set does not exist.
		return &CorruptError{f.Path, f.SHA256, "nothing"}
	}
	if err != nil {
		return err
	}
	defer r.Close()
	hash := sha256.New()
	// A byte more than promised is enough to know.
	n, err := io.Copy(io.MultiWriter(hash, w), io.LimitReader(&source{ctx: ctx, r: r}, f.Size+1))
	if err != nil {
		return err
	}
	if n > f.Size {
		return &CorruptError{f.Path, fmt.Sprintf("%d bytes", f.Size), "more"}
	}
	if n < f.Size {
		return &CorruptError{f.Path, fmt.Sprintf("%d bytes", f.Size), strconv.FormatInt(n, 10)}
	}
	if sum := hex.EncodeToString(hash.Sum(nil)); sum != f.SHA256 {
		return &CorruptError{f.Path, f.SHA256, sum}
	}
	return nil
}

// Problem is a file of a set that is not what its manifest says.
type Problem struct {
	Path string
	Err  *CorruptError
}

func (p Problem) String() string { return p.Err.Error() }

// Verify reads a whole set and returns what is wrong with it, sorted by path. The error is for a set that could not
// be read to the end, and fs.ErrNotExist when there is none.
func Verify(ctx context.Context, s Store, kind string, ref Ref) ([]Problem, error) {
	m, err := ReadManifest(ctx, s, kind, ref)
	if err != nil {
		return nil, fmt.Errorf("verify %s: %w", SetKey(kind, ref), err)
	}
	var mu sync.Mutex
	found := map[string]*CorruptError{}
	err = each(ctx, len(m.Files), func(ctx context.Context, i int) error {
		err := check(ctx, s, m, m.Files[i], io.Discard)
		var corrupt *CorruptError
		if errors.As(err, &corrupt) {
			mu.Lock()
			defer mu.Unlock()
			found[m.Files[i].Path] = corrupt
			return nil
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("verify %s: %w", SetKey(kind, ref), err)
	}
	var problems []Problem
	for _, f := range m.Files {
		if e := found[f.Path]; e != nil {
			problems = append(problems, Problem{f.Path, e})
		}
	}
	return problems, nil
}

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

	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/artifacts/spool"
)

// Fetch writes the files of a set into dir, with their modes, and creates dir if needed. Files get their names in dir
// only when all of them have arrived and match the manifest's checksums; other files in dir stay. Nothing is written
// outside dir, whatever the manifest or links in dir say. An interrupted Fetch leaves what has arrived in a hidden
// folder of dir, and the next one continues from there.
//
// The error is fs.ErrNotExist if there is no such set, and a *CorruptError if it does not match its manifest.
func Fetch(ctx context.Context, s Store, kind string, ref Ref, dir string) (Manifest, error) {
	m, err := ReadManifest(ctx, s, kind, ref)
	if err == nil {
		m, err = fetch(ctx, s, m, dir)
	}
	if err != nil {
		return Manifest{}, fmt.Errorf("fetch %s: %w", keys.Set(kind, ref), err)
	}
	return m, nil
}

// maxRefetches limits how often a fetch restarts because the set is published anew meanwhile.
const maxRefetches = 3

func fetch(ctx context.Context, s Store, m Manifest, dir string) (Manifest, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Manifest{}, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Manifest{}, err
	}
	defer root.Close()
	sp := spool.New(root)
	mine := "fetch-" + spool.FileName(keys.Set(m.Kind, m.Ref()))
	sp.Sweep(mine)
	held, staging, err := sp.Folder(mine)
	if err != nil {
		return Manifest{}, err
	}
	defer held.Close()

	m, err = stageAll(ctx, s, m, root, staging)
	if err == nil {
		err = install(root, m, staging)
	}
	if !resumable(err) {
		root.RemoveAll(staging)
		root.Remove(keys.Partial) // fails while another fetch uses it
	}
	if err != nil {
		return Manifest{}, err
	}
	return m, nil
}

// resumable reports whether a later Fetch can use what has arrived.
func resumable(err error) bool {
	var store *StoreError
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		errors.As(err, &store) && store.Retryable()
}

// stageAll stores the files under temporary names. It returns the manifest that they match, which is a newer one if
// the set was published anew meanwhile.
func stageAll(ctx context.Context, s Store, m Manifest, root *os.Root, staging string) (Manifest, error) {
	parallel, _, _ := concurrency(s)
	meterOf(ctx).addTotal(len(m.Files), m.Bytes())
	for attempt := 1; ; attempt++ {
		err := forEach(ctx, parallel, len(m.Files), func(ctx context.Context, i int) error {
			return stage(ctx, s, m, m.Files[i], root, stagedName(staging, m, i))
		})
		var corrupt *CorruptError
		if errors.As(err, &corrupt) && attempt < maxRefetches {
			// The set may have been published anew since its manifest was read.
			again, readErr := ReadManifest(ctx, s, m.Kind, m.Ref())
			if readErr != nil {
				return Manifest{}, readErr
			}
			if !slices.Equal(again.Files, m.Files) {
				m = again
				continue
			}
		}
		return m, err
	}
}

// stagedName contains the checksum, so that what an earlier fetch left under the name belongs to this file.
func stagedName(staging string, m Manifest, i int) string {
	return path.Join(staging, strconv.Itoa(i)+"-"+m.Files[i].SHA256)
}

// stage stores one file under a temporary name, or the rest of one that is partly there. It is not synced, as it can
// be fetched again.
func stage(ctx context.Context, s Store, m Manifest, f File, root *os.Root, temp string) error {
	full := func(err error) error { return &StoreError{Op: "fetch", Key: f.Path, Place: root.Name(), Err: err} }
	mode, err := parseMode(f.Mode)
	if err != nil {
		return err
	}
	w, err := root.OpenFile(temp, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return full(err)
	}
	defer w.Close()
	disk := &stagedFile{w: w}
	var corrupt *CorruptError
	if err = verifyFile(ctx, s, m, f, disk); errors.As(err, &corrupt) && disk.resumed > 0 {
		// The part that was there may be the corrupt one.
		if err = w.Truncate(0); err == nil {
			disk = &stagedFile{w: w}
			err = verifyFile(ctx, s, m, f, disk)
		}
	}
	switch {
	case disk.err != nil:
		return full(disk.err)
	case err != nil:
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

// stagedFile is the file that an object is written to. It keeps errors of the disk apart from those of the store.
type stagedFile struct {
	w       *os.File
	resumed int64 // bytes that were already there
	err     error
}

func (s *stagedFile) Write(p []byte) (n int, err error) {
	n, s.err = s.w.Write(p)
	return n, s.err
}

// resume hashes what is there, and truncates a file that is too long to be the beginning of the object.
func (s *stagedFile) resume(hash io.Writer, size int64) error {
	info, err := s.w.Stat()
	if err == nil && info.Size() > size {
		err = s.w.Truncate(0)
	}
	if err == nil {
		_, err = s.w.Seek(0, io.SeekStart)
	}
	if err == nil {
		s.resumed, err = io.Copy(hash, s.w)
	}
	s.err = err
	return err
}

// install gives the staged files their names.
func install(root *os.Root, m Manifest, staging string) error {
	made := map[string]bool{".": true}
	for i, f := range m.Files {
		if dir := path.Dir(f.Path); !made[dir] {
			if err := root.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			made[dir] = true
		}
		if err := root.Rename(stagedName(staging, m, i), f.Path); err != nil {
			return err
		}
	}
	return nil
}

// verifyFile reads a stored file, and writes it to disk unless that is nil. The error is a *CorruptError if the file
// does not match the manifest.
func verifyFile(ctx context.Context, s Store, m Manifest, f File, disk *stagedFile) error {
	hash := sha256.New()
	var to io.Writer = hash
	n := int64(0)
	if disk != nil {
		if err := disk.resume(hash, f.Size); err != nil {
			return err
		}
		to, n = io.MultiWriter(hash, disk), disk.resumed
	}
	meter := meterOf(ctx)
	meter.addBytes(n)
	if n < f.Size || f.Size == 0 {
		r, err := openObject(ctx, s, keys.Set(m.Kind, m.Ref())+"/"+f.Path, f.VersionID, n)
		if errors.Is(err, fs.ErrNotExist) {
			// Not wrapped: fs.ErrNotExist means that the set does not exist.
			return &CorruptError{f.Path, f.SHA256, "nothing"}
		}
		if err != nil {
			return err
		}
		defer r.Close()
		// One byte more than expected shows that the object is too long.
		arrived, err := io.Copy(io.MultiWriter(to, meter), io.LimitReader(contextReader{ctx, r}, f.Size-n+1))
		if err != nil {
			return err
		}
		n += arrived
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
	meter.addFile()
	return nil
}

// contextReader ends with the context.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := ContextError(c.ctx); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// openObject reads an object from an offset on. If the version does not exist, the set was copied from another bucket:
// the checksum tells whether the newest object is the right one.
func openObject(ctx context.Context, s Store, key, version string, offset int64) (io.ReadCloser, error) {
	v, ok := s.(Versioned)
	if !ok {
		r, err := s.Get(ctx, key)
		if err != nil {
			return nil, err
		}
		if _, err := io.CopyN(io.Discard, r, offset); err != nil && err != io.EOF {
			r.Close()
			return nil, err
		}
		return r, nil
	}
	r, err := v.GetVersion(ctx, key, version, offset)
	if version != "" && errors.Is(err, fs.ErrNotExist) {
		r, err = v.GetVersion(ctx, key, "", offset)
	}
	return r, err
}

// Problem is a file of a set that does not match its manifest.
type Problem struct {
	Path string
	Err  *CorruptError
}

func (p Problem) String() string { return p.Err.Error() }

// Verify reads a whole set and returns the files that do not match its manifest, sorted by path. The error is for a
// set that could not be read, and fs.ErrNotExist if there is none.
func Verify(ctx context.Context, s Store, kind string, ref Ref) ([]Problem, error) {
	m, err := ReadManifest(ctx, s, kind, ref)
	if err != nil {
		return nil, fmt.Errorf("verify %s: %w", keys.Set(kind, ref), err)
	}
	var mu sync.Mutex
	found := map[string]*CorruptError{}
	meterOf(ctx).addTotal(len(m.Files), m.Bytes())
	parallel, _, _ := concurrency(s)
	err = forEach(ctx, parallel, len(m.Files), func(ctx context.Context, i int) error {
		err := verifyFile(ctx, s, m, m.Files[i], nil)
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
		return nil, fmt.Errorf("verify %s: %w", keys.Set(kind, ref), err)
	}
	var problems []Problem
	for _, f := range m.Files {
		if e := found[f.Path]; e != nil {
			problems = append(problems, Problem{f.Path, e})
		}
	}
	return problems, nil
}

package artifacts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/artifacts/spool"
)

// FetchOptions select files of a set. The zero value selects all.
type FetchOptions struct {
	// Only are globs of the files to fetch, Exclude of those not to fetch. A glob that matches a folder stands for
	// everything in it.
	Only, Exclude []string
	// Within, if it is set, is a folder that dir is in. Links between the two must not lead out of it.
	Within string
	// Known, if it is set, is the manifest of the set, as ReadManifest returned it, which then is not read again.
	Known *Manifest
}

// Fetch writes the files of a set into dir, with their modes, and creates dir if needed. Files get their names in dir
// only when all of them have arrived and match the manifest's checksums; other files in dir stay. Nothing is written
// outside dir, whatever the manifest or links in dir say, nor below a .git, whose hooks and settings are programs; dir
// must not be a link. An interrupted Fetch leaves what has arrived in a hidden folder of dir, and the next one
// continues from there.
//
// The manifest returned has the selected files. The error is fs.ErrNotExist if there is no such set, a *CorruptError if
// it does not match its manifest, a *MissingError if nothing is selected, a *FolderError or *KeyError for the options.
func Fetch(ctx context.Context, s Store, kind string, ref Ref, dir string, o FetchOptions) (Manifest, error) {
	m, err := fetch(ctx, s, kind, ref, dir, o)
	if err != nil {
		return Manifest{}, fmt.Errorf("fetch %s: %w", keys.Set(kind, ref), err)
	}
	return m, nil
}

func fetch(ctx context.Context, s Store, kind string, ref Ref, dir string, o FetchOptions) (Manifest, error) {
	if err := patterns(slices.Concat(o.Only, o.Exclude)).check(); err != nil {
		return Manifest{}, err
	}
	m, err := o.readManifest(ctx, s, kind, ref)
	if err != nil {
		return Manifest{}, err
	}
	root, err := OpenFolder(dir, o.Within, true)
	if err != nil {
		return Manifest{}, err
	}
	defer root.Close()
	if err := checkOutsideGit(root.Name()); err != nil {
		return Manifest{}, err
	}
	f := fetcher{store: s, options: o, root: root}
	return f.run(ctx, m)
}

// readManifest returns the manifest of a set with the selected files. It refuses files below a .git.
func (o FetchOptions) readManifest(ctx context.Context, s Store, kind string, ref Ref) (Manifest, error) {
	var m Manifest
	if o.Known != nil {
		m = *o.Known
		m.Files = slices.Clone(m.Files)
	} else {
		var err error
		if m, err = ReadManifest(ctx, s, kind, ref); err != nil {
			return Manifest{}, err
		}
	}
	m.Files = slices.DeleteFunc(m.Files, func(f File) bool {
		return len(o.Only) > 0 && !patterns(o.Only).match(f.Path) || patterns(o.Exclude).match(f.Path)
	})
	if len(m.Files) == 0 && (len(o.Only) > 0 || len(o.Exclude) > 0) {
		return Manifest{}, &SelectionError{kind, ref}
	}
	for _, f := range m.Files {
		if slices.ContainsFunc(strings.Split(f.Path, "/"), isGitFolder) {
			return Manifest{}, &GitError{f.Path}
		}
	}
	return m, nil
}

// isGitFolder reports whether a file system could take a name for .git: some ignore case, or dots and blanks at the
// end.
func isGitFolder(name string) bool {
	name = strings.ToLower(strings.TrimRight(name, ". "))
	return name == ".git" || name == "git~1"
}

// checkOutsideGit refuses a folder in a .git.
func checkOutsideGit(dir string) error {
	resolved, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	if resolved, err = filepath.Abs(resolved); err != nil {
		return err
	}
	if slices.ContainsFunc(strings.Split(filepath.ToSlash(resolved), "/"), isGitFolder) {
		return &GitError{resolved}
	}
	return nil
}

// fetcher fetches one set into one folder.
type fetcher struct {
	store   Store
	options FetchOptions
	root    *os.Root
	staging string // the folder for files that have arrived
}

func (f *fetcher) run(ctx context.Context, m Manifest) (Manifest, error) {
	sp := spool.New(f.root)
	mine := "fetch-" + spool.FileName(keys.Set(m.Kind, m.Ref()))
	_ = sp.Sweep(mine)
	held, staging, err := sp.Folder(mine)
	if err != nil {
		return Manifest{}, err
	}
	defer held.Close()
	f.staging = staging

	m, err = f.stageAll(ctx, m)
	if err == nil {
		err = f.install(m)
	}
	if !resumable(err) {
		_ = f.root.RemoveAll(staging)
		_ = f.root.Remove(keys.Partial) // fails while another fetch uses it
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

// maxRefetches limits how often a fetch restarts because the set is published anew meanwhile.
const maxRefetches = 3

// stageAll stores the files under temporary names. It returns the manifest that they match, which is a newer one if
// the set was published anew meanwhile.
func (f *fetcher) stageAll(ctx context.Context, m Manifest) (Manifest, error) {
	parallel, _, _ := concurrency(f.store)
	meterOf(ctx).addTotal(len(m.Files), m.Bytes())
	f.options.Known = nil // it may have become wrong
	for attempt := 1; ; attempt++ {
		err := forEach(ctx, parallel, len(m.Files), func(ctx context.Context, i int) error {
			return stage(ctx, f.store, m, m.Files[i], f.root, f.stagedName(m, i))
		})
		var corrupt *CorruptError
		if errors.As(err, &corrupt) && attempt < maxRefetches {
			// The set may have been published anew since its manifest was read.
			again, readErr := f.options.readManifest(ctx, f.store, m.Kind, m.Ref())
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
func (f *fetcher) stagedName(m Manifest, i int) string {
	return path.Join(f.staging, strconv.Itoa(i)+"-"+m.Files[i].SHA256)
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
func (f *fetcher) install(m Manifest) error {
	made := map[string]bool{".": true}
	for i, file := range m.Files {
		if dir := path.Dir(file.Path); !made[dir] {
			if err := f.root.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			made[dir] = true
		}
		if err := f.root.Rename(f.stagedName(m, i), file.Path); err != nil {
			return err
		}
	}
	return nil
}

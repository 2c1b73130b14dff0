package artifacts

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// place is where a set lies, or the mirror of one.
type place struct {
	files        string // key above all its files
	manifest     string // key; the place holds something exactly as long as there is one
	pending      string // key of the record of an update under way, see bringLocked
	cacheControl string // of the files
}

// The mark keeps these names out of the reach of branch names.
func setPlace(set Set) place {
	base := "manifests/" + SetKey(set.Kind, set.Ref)
	return place{SetKey(set.Kind, set.Ref), base + ".json", base + mark + "pending.json", ""}
}

func mirrorPlace(set Set) place {
	base := "manifests/" + MirrorKey(set.Kind, set.Branch) + mark
	return place{MirrorKey(set.Kind, set.Branch), base + "mirror.json", base + "pending.json", "no-cache"}
}

// pending names every file that may be under a place while it has no manifest.
type pending struct {
	Version int       `json:"version"`
	RunID   string    `json:"run_id"`
	Started time.Time `json:"started"`
	Paths   []string  `json:"paths"`
}

// update is one run of bringLocked.
type update struct {
	store Store
	tree  *tree
	place place
	goal  Manifest // as it was given
	files []File   // of goal, complete
	old   Manifest // what the place holds; no files when it holds nothing
	found pending  // what an update that did not come to its end may have left

	begin func() error // step 3, once

	mu     sync.Mutex
	counts Counts
}

// bring is bringLocked among publishers of the same place.
func bring(ctx context.Context, s Store, t *tree, p place, goal Manifest) (Manifest, Counts, error) {
	release, err := lock(ctx, s, p.files)
	if err != nil {
		return Manifest{}, Counts{}, err
	}
	defer release()
	return bringLocked(ctx, s, t, p, goal)
}

// bringLocked makes a place hold the files of goal, which are read from the tree. A file of goal with a SHA256 is
// expected to be just so; of one without, everything but the path is found out. The steps, and why a kill between
// any two of them does no harm:
//
//  1. read the manifest, and the pending record
//  2. look at every file; as long as all are as the old manifest has them, nothing is written
//  3. at the first difference: write the pending record, which names the old files and the new; delete the
//     manifest: the old set is gone; delete the files that goal does not have
//  4. store the files that differ, in parallel
//  5. write the manifest: the new set is there
//  6. delete the pending record
//
// Killed after 3 or 4, the pending record tells the next update what there is to clean up; killed after 5, it is
// only in the way.
func bringLocked(ctx context.Context, s Store, t *tree, p place, goal Manifest) (Manifest, Counts, error) {
	u := &update{store: s, tree: t, place: p, goal: goal, files: make([]File, len(goal.Files))}
	if err := u.read(ctx); err != nil { // 1
		return Manifest{}, u.counts, err
	}
	u.begin = sync.OnceValue(func() error { return u.clear(ctx) })
	if gone := u.gone(); len(gone) > 0 || len(u.old.Files) == 0 {
		if err := u.begin(); err != nil { // 3
			return Manifest{}, u.counts, err
		}
		u.counts.Removed = len(gone)
	}
	err := each(ctx, len(u.goal.Files), func(ctx context.Context, i int) error {
		var err error
		u.files[i], err = u.storeFile(ctx, u.goal.Files[i]) // 2, 4
		return err
	})
	if err != nil {
		return Manifest{}, u.counts, err
	}
	m := u.old
	if !u.sameAsOld() {
		m = u.goal
		m.Files, m.Created = u.files, now()
		if err := PutJSON(ctx, s, p.manifest, m); err != nil { // 5
			return Manifest{}, u.counts, err
		}
	}
	if u.found.Version != 0 {
		if err := s.Delete(ctx, p.pending); err != nil { // 6
			return m, u.counts, err
		}
	}
	return m, u.counts, nil
}

// read takes a manifest that cannot be trusted for none: it is about to be replaced.
func (u *update) read(ctx context.Context) (err error) {
	var corrupt *CorruptError
	u.old, err = readManifest(ctx, u.store, u.place.manifest)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.As(err, &corrupt) {
		return err
	}
	err = GetJSON(ctx, u.store, u.place.pending, &u.found)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.As(err, &corrupt) {
		return err
	}
	for _, f := range u.goal.Files {
		if err := checkKey(u.key(f.Path)); err != nil {
			return err
		}
	}
	return nil
}

func (u *update) key(path string) string { return u.place.files + "/" + path }

// gone names the files that are there, or may be, and are not to be there. Only these are ever deleted, and what
// names them is under the place's own keys.
func (u *update) gone() []string {
	var gone []string
	add := func(path string) {
		if _, ok := u.goal.file(path); !ok && checkKey(path) == nil {
			gone = append(gone, path)
		}
	}
	for _, f := range u.old.Files {
		add(f.Path)
	}
	if len(u.old.Files) == 0 {
		for _, path := range u.found.Paths {
			add(path)
		}
	}
	return gone
}

// clear takes step 3. Files are deleted before any is stored, as one may be named like another's folder.
func (u *update) clear(ctx context.Context) error {
	gone := u.gone()
	record := pending{Version: 1, RunID: u.goal.RunID, Started: now(), Paths: slices.Clone(gone)}
	for _, f := range u.goal.Files {
		record.Paths = append(record.Paths, f.Path)
	}
	if err := PutJSON(ctx, u.store, u.place.pending, record); err != nil {
		return err
	}
	u.found = record
	if err := u.store.Delete(ctx, u.place.manifest); err != nil {
		return err
	}
	if len(gone) == 0 {
		return nil
	}
	keys := make([]string, len(gone))
	for i, path := range gone {
		keys[i] = u.key(path)
	}
	return u.store.Delete(ctx, keys...)
}

// workers keeps disk and network busy on the few cores there are; more gain nothing on a folder.
func workers() int { return min(8, runtime.GOMAXPROCS(0)*4) }

// each calls do for 0 to n-1, a few at a time, and stops at the first error.
func each(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(workers())
	for i := range n {
		if inner.Err() != nil {
			break
		}
		g.Go(func() error { return do(inner, i) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return stopped(ctx)
}

// storeFile returns f complete, and stores the file unless the place holds it already. A file that may be the one it
// holds is hashed first; any other is read once, while it is stored.
func (u *update) storeFile(ctx context.Context, f File) (File, error) {
	old, _ := u.old.file(f.Path)
	if f.SHA256 != "" && f == old {
		u.count(Counts{Unchanged: 1})
		return f, nil
	}
	c, err := u.tree.open(ctx, f.Path, f.SHA256)
	if err != nil {
		return f, err
	}
	defer c.Close()
	is := File{f.Path, c.Size(), old.SHA256, mediaType(f.Path), formatMode(c.Mode())}
	if f.SHA256 == "" && is == old {
		if is.SHA256, err = c.finish(); err != nil {
			return f, err
		}
		if is == old {
			u.count(Counts{Unchanged: 1})
			return is, nil
		}
		if _, err := c.Seek(0, io.SeekStart); err != nil {
			return f, err
		}
	}
	if err := u.begin(); err != nil {
		return f, err
	}
	err = u.store.Put(ctx, Object{
		Key: u.key(f.Path), Body: c, Size: c.Size(), Mode: c.Mode(),
		Type: is.Type, CacheControl: u.place.cacheControl, Batch: true,
	})
	if err != nil {
		return f, err
	}
	if is.SHA256, err = c.finish(); err != nil {
		return f, err
	}
	if f.SHA256 != "" && is != f {
		return f, &ChangedError{f.Path, "was written to"}
	}
	u.count(Counts{Uploaded: 1, Bytes: c.Size()})
	return is, nil
}

func (u *update) count(c Counts) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.counts.Uploaded += c.Uploaded
	u.counts.Unchanged += c.Unchanged
	u.counts.Bytes += c.Bytes
}

// sameAsOld also compares the commit: a mirror may pass from one to another without a file changing.
func (u *update) sameAsOld() bool {
	return u.old.Kind == u.goal.Kind && u.old.Ref() == u.goal.Ref() && slices.Equal(u.old.Files, u.files)
}

package artifacts

import (
	"context"
	"errors"
	"io/fs"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/carlin-cicd/runner/artifacts/keys"
)

// place is where a set lies, or the mirror of one.
type target struct {
	files        string // key above all its files
	manifest     string // key; the place holds something exactly as long as there is one
	pending      string // key of the record of an update under way, see replace
	cacheControl string // of the files
}

func setTarget(set Set) target {
	return target{
		files: keys.Set(set.Kind, set.Ref), manifest: keys.Manifest(set.Kind, set.Ref),
		pending: keys.PendingUpdate(set.Kind, set.Ref),
	}
}

func mirrorTarget(set Set) target {
	return target{
		files: keys.Mirror(set.Kind, set.Branch), manifest: keys.MirrorManifest(set.Kind, set.Branch),
		pending: keys.PendingMirror(set.Kind, set.Branch), cacheControl: "no-cache",
	}
}

// pending names every file that an update under way may touch, and, where there is no manifest, all others, too.
type pending struct {
	Version int       `json:"version"`
	RunID   string    `json:"run_id"`
	Started time.Time `json:"started"`
	Paths   []string  `json:"paths"` // sorted
}

func (p *pending) names(path string) bool {
	_, ok := slices.BinarySearch(p.Paths, path)
	return ok
}

// update makes a place hold a set.
type update struct {
	store  Store
	tree   *tree
	target target
	want   Manifest // as it was given
	files  []File   // of goal, as far as they are known
	same   []bool   // whether the place has the file already
	old    Manifest // what the place holds; no files when it holds nothing
	found  pending  // what an update that did not come to its end may have left

	mu     sync.Mutex
	counts Counts
}

// bring makes a place hold the files of goal, which are read from the tree. A file of goal with a SHA256 is expected to
// be just so; of one without, everything but the path is found out. Where there is nothing to do it takes no lock.
func (u *update) apply(ctx context.Context) (Manifest, error) {
	if done, err := u.plan(ctx); done || err != nil {
		return u.old, err
	}
	ctx, release, err := lock(ctx, u.store, u.target.files)
	if err != nil {
		return Manifest{}, err
	}
	defer release()
	return u.applyLocked(ctx)
}

// bringLocked looks again, since somebody else may have been at work while we waited for the lock.
func (u *update) applyLocked(ctx context.Context) (Manifest, error) {
	if done, err := u.plan(ctx); done || err != nil {
		return u.old, err
	}
	return u.replace(ctx)
}

// look finds out what there is to do, and reports whether that is nothing.
func (u *update) plan(ctx context.Context) (done bool, err error) {
	if u.files == nil {
		u.files = slices.Clone(u.want.Files)
	}
	if err := u.load(ctx); err != nil {
		return false, err
	}
	if err := u.compare(ctx); err != nil {
		return false, err
	}
	if u.found.Version == 0 && len(u.obsolete()) == 0 && len(u.old.Files) > 0 && u.unchanged() {
		u.count(Counts{Unchanged: len(u.files)})
		return true, nil
	}
	return false, nil
}

// read takes a manifest that cannot be trusted for none: it is about to be replaced.
func (u *update) load(ctx context.Context) (err error) {
	var corrupt *CorruptError
	u.old, err = readManifest(ctx, u.store, u.target.manifest)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.As(err, &corrupt) {
		return err
	}
	u.found = pending{}
	switch {
	case u.old.Update != nil:
		u.found = *u.old.Update
	case !u.old.isVersioned():
		err = GetJSON(ctx, u.store, u.target.pending, &u.found)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.As(err, &corrupt) {
			return err
		}
	}
	for _, f := range u.want.Files {
		if err := keys.Check(u.key(f.Path)); err != nil {
			return err
		}
	}
	return nil
}

// compare hashes the files that may be as the old manifest has them. All others are hashed while they are stored, so
// that each is read once.
func (u *update) compare(ctx context.Context) error {
	u.same = make([]bool, len(u.files))
	if len(u.old.Files) == 0 {
		return nil
	}
	return forEach(ctx, workers(), len(u.files), func(ctx context.Context, i int) error {
		f := &u.files[i]
		old, ok := u.old.file(f.Path)
		if !ok {
			return nil
		}
		if f.SHA256 == "" {
			is, err := u.hash(ctx, f.Path, old)
			if err != nil || is.SHA256 == "" {
				return err
			}
			*f = is
		}
		// What a killed update stored lies over what the manifest names, for those who do not ask for versions.
		if u.same[i] = f.sameAs(old) && (u.old.Update == nil || !u.old.Update.names(f.Path)); u.same[i] {
			f.VersionID = old.VersionID
		}
		return nil
	})
}

// hash returns what a file is, without its SHA256 when that would be in vain.
func (u *update) hash(ctx context.Context, path string, old File) (File, error) {
	c, err := u.tree.openFile(ctx, path, "")
	if err != nil {
		return File{}, err
	}
	defer c.Close()
	is := c.describe()
	if is.SHA256 = old.SHA256; !is.sameAs(old) {
		is.SHA256 = ""
		return is, nil
	}
	is.SHA256, err = c.digest()
	return is, err
}

// replace makes the place hold the goal. The steps, and why a kill between any two of them does no harm:
//
//  1. put down which files may be touched, the old and the new
//  2. delete the manifest: the old set is gone
//  3. delete the files that goal does not have, store those that differ, in parallel
//  4. write the manifest: the new set is there
//  5. delete what step 1 put down
//
// Killed after 1 to 3, what was put down tells the next update what there is to clean up; killed after 4, it is only
// in the way. Where the store keeps the versions that the old manifest names, that manifest need not go: step 1 writes
// into it, step 2 and 5 fall away, and readers have the old set until they have the new one.
func (u *update) replace(ctx context.Context) (Manifest, error) {
	gone := u.obsolete()
	var todo []int
	for i := range u.files {
		if !u.same[i] {
			todo = append(todo, i)
		}
	}
	apart := false // what was put down is an object of its own
	if len(gone) > 0 || len(todo) > 0 {
		var err error
		if apart, err = u.begin(ctx, gone); err != nil { // 1, 2
			return Manifest{}, err
		}
		if err := u.remove(ctx, gone); err != nil { // 3
			return Manifest{}, err
		}
		u.count(Counts{Unchanged: len(u.files) - len(todo)})
		if err := u.storeAll(ctx, todo); err != nil {
			return Manifest{}, err
		}
		if err := u.sweep(ctx); err != nil {
			return Manifest{}, err
		}
	} else {
		u.count(Counts{Unchanged: len(u.files)})
		apart = u.found.Version != 0 && u.old.Update == nil
	}
	m := u.want
	m.Files, m.Created = u.files, now()
	if len(todo) == 0 && len(gone) == 0 && u.unchanged() {
		m = u.old
		m.Update = nil
	}
	if err := PutJSON(ctx, u.store, u.target.manifest, m); err != nil { // 4
		return Manifest{}, err
	}
	if !apart {
		return m, nil
	}
	return m, u.clear(ctx) // 5
}

// clear deletes what was put down; who may not delete anything puts down that there is nothing.
func (u *update) clear(ctx context.Context) error {
	err := u.store.Delete(ctx, u.target.pending)
	if denied(err) {
		return PutJSON(ctx, u.store, u.target.pending, pending{})
	}
	return err
}

// begin takes the steps 1 and 2.
func (u *update) begin(ctx context.Context, gone []string) (apart bool, err error) {
	versioned := u.old.isVersioned()
	record := pending{Version: 1, RunID: u.want.RunID, Started: now(), Paths: slices.Clone(gone)}
	for i, f := range u.files {
		if !u.same[i] || !versioned {
			record.Paths = append(record.Paths, f.Path)
		}
	}
	slices.Sort(record.Paths)
	if versioned {
		m := u.old
		m.Update = &record
		return false, PutJSON(ctx, u.store, u.target.manifest, m)
	}
	if err := PutJSON(ctx, u.store, u.target.pending, record); err != nil {
		return true, err
	}
	if u.old.Version == 0 {
		return true, nil // there is none
	}
	return true, u.store.Delete(ctx, u.target.manifest)
}

// remove comes before anything is stored, as one file may be named like another's folder. A role that may only put does
// without: what it leaves behind is for the bucket's lifecycle.
func (u *update) remove(ctx context.Context, gone []string) error {
	if len(gone) == 0 {
		return nil
	}
	keys := make([]string, len(gone))
	for i, path := range gone {
		keys[i] = u.key(path)
	}
	err := u.store.Delete(ctx, keys...)
	if denied(err) { // they are in no manifest from now on, so nobody takes them for a part of the set
		u.count(Counts{Left: len(gone)})
		return nil
	}
	if err == nil {
		u.count(Counts{Removed: len(gone)})
	}
	return err
}

// sweep comes when our own uploads are done, and what a killed update asked for last has had the time to happen.
func (u *update) sweep(ctx context.Context) error {
	if s, ok := u.store.(Sweeper); ok && u.found.Version != 0 {
		return s.Sweep(ctx, u.target.files+"/")
	}
	return nil
}

func (u *update) key(path string) string { return u.target.files + "/" + path }

// gone names the files that are there, or may be, and are not to be there. Only these are ever deleted, and what
// names them is under the place's own keys.
func (u *update) obsolete() []string {
	var gone []string
	add := func(path string) {
		if _, ok := u.want.file(path); !ok && keys.Check(path) == nil {
			gone = append(gone, path)
		}
	}
	for _, f := range u.old.Files {
		add(f.Path)
	}
	for _, path := range u.found.Paths {
		add(path)
	}
	slices.Sort(gone)
	return slices.Compact(gone)
}

// storeAll stores the files with these indices: small ones many at a time, and large ones beside them.
func (u *update) storeAll(ctx context.Context, todo []int) error {
	meterOf(ctx).addTotal(len(todo), 0)
	small, large, size := concurrency(u.store)
	g, inner := errgroup.WithContext(ctx)
	queue := make(chan int)
	heavy := make(chan int, len(todo)) // those that turned out to be large
	g.Go(func() error {
		defer close(queue)
		for _, i := range todo {
			select {
			case queue <- i:
			case <-inner.Done():
				return ContextError(inner)
			}
		}
		return nil
	})
	var sorting sync.WaitGroup
	for range min(small, len(todo)) {
		sorting.Add(1)
		g.Go(func() error {
			defer sorting.Done()
			for i := range queue {
				if err := u.storeFile(inner, i, size, heavy); err != nil {
					return err
				}
			}
			return nil
		})
	}
	go func() {
		sorting.Wait()
		close(heavy)
	}()
	for range min(large, len(todo)) {
		g.Go(func() error {
			for i := range heavy {
				if err := u.storeFile(inner, i, -1, nil); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ContextError(ctx)
}

// storeFile stores a file, unless it is larger than size and so belongs into another queue.
func (u *update) storeFile(ctx context.Context, i int, size int64, heavy chan<- int) error {
	f := &u.files[i]
	c, err := u.tree.openFile(ctx, f.Path, f.SHA256)
	if err != nil {
		return err
	}
	defer c.Close()
	if size >= 0 && c.Size() > size {
		heavy <- i
		return nil
	}
	c.meter = meterOf(ctx)
	c.meter.addTotal(0, c.Size())
	is := c.describe()
	is.VersionID, err = u.store.Put(ctx, Object{
		Key: u.key(f.Path), Body: c, Size: c.Size(), Mode: c.Mode(),
		Type: is.Type, CacheControl: u.target.cacheControl, Batch: true,
	})
	if err != nil {
		return err
	}
	if is.SHA256, err = c.digest(); err != nil {
		return err
	}
	if f.SHA256 != "" && !is.sameAs(*f) {
		return &ChangedError{f.Path, "was written to"}
	}
	*f = is
	c.meter.addFile()
	u.count(Counts{Uploaded: 1, Bytes: c.Size()})
	return nil
}

// lanes are those of a store that has some; a disk is kept busy by a few files at a time, whatever their size.
func concurrency(s Store) (small, large int, size int64) {
	if p, ok := s.(Parallel); ok {
		return p.Concurrency()
	}
	return workers(), 0, -1
}

// workers keeps disk and cores busy.
func workers() int { return min(8, runtime.GOMAXPROCS(0)*4) }

// each calls do for 0 to n-1, a few at a time, and stops at the first error.
func forEach(ctx context.Context, parallel, n int, do func(ctx context.Context, i int) error) error {
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i := range n {
		if inner.Err() != nil {
			break
		}
		g.Go(func() error { return do(inner, i) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ContextError(ctx)
}

func (u *update) count(c Counts) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.counts.Uploaded += c.Uploaded
	u.counts.Unchanged += c.Unchanged
	u.counts.Removed += c.Removed
	u.counts.Left += c.Left
	u.counts.Bytes += c.Bytes
}

// sameAsOld also compares the commit: a mirror may pass from one to another without a file changing.
func (u *update) unchanged() bool {
	return u.old.Kind == u.want.Kind && u.old.Ref() == u.want.Ref() && slices.EqualFunc(u.old.Files, u.files, File.sameAs)
}

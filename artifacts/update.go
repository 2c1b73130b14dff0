package artifacts

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/carlin-cicd/runner/artifacts/keys"
)

// update makes a target hold a set.
type update struct {
	store  Store
	tree   *tree
	target target
	want   Manifest // as requested
	files  []File   // of want, as far as known
	same   []bool   // whether the target has the file already
	old    Manifest // what the target holds; no files if nothing
	found  pending  // what an interrupted update may have left

	firstWins func(context.Context, Manifest) bool // see Set

	attester Attester // nil for none
	attested bool

	ahead    *ahead  // what was read ahead; nil if nothing
	recorded bool    // the record of step 1 is stored already: see claim
	stray    pending // one that may have been stored although another publisher had the lock; of version 0 for none
	leftover bool    // one is there of a publisher that was killed after its manifest was written, which keeps versions
	locked   bool

	mu     sync.Mutex
	counts Counts
}

// apply makes the target hold the files of want, which are read from the tree. A file of want with a SHA256 is
// expected to match it; of one without, everything but the path is determined here. If there is nothing to do, it
// takes no lock.
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

// applyLocked plans again, since another publisher may have been at work while we waited for the lock.
func (u *update) applyLocked(ctx context.Context) (Manifest, error) {
	u.locked = true
	if done, err := u.plan(ctx); done || err != nil {
		if u.leftover && err == nil {
			err = u.clear(ctx)
		}
		return u.old, err
	}
	if err := u.mayReplace(ctx); err != nil {
		if u.leftover {
			err = errors.Join(err, u.clear(ctx))
		}
		return Manifest{}, err
	}
	return u.replace(ctx)
}

// mayReplace returns an *ExistsError if the target's set is protected from the wanted one. The lock is held.
func (u *update) mayReplace(ctx context.Context) error {
	if u.firstWins != nil && u.old.Version != 0 && u.differs() && u.firstWins(ctx, u.old) {
		return &ExistsError{Kind: u.old.Kind, Ref: u.old.Ref(), RunID: u.old.RunID, Created: u.old.Created}
	}
	return nil
}

// differs reports whether the wanted files are others than those of the target's set, after plan.
func (u *update) differs() bool {
	return len(u.files) != len(u.old.Files) || slices.ContainsFunc(u.files, func(f File) bool {
		old, ok := u.old.file(f.Path)
		return !ok || !f.sameAs(old)
	})
}

// plan determines what there is to do, and reports whether that is nothing.
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
	if u.isDone() {
		u.count(Counts{Unchanged: len(u.files)})
		return true, nil
	}
	return false, nil
}

// isDone reports whether the target holds the wanted set, after compare.
func (u *update) isDone() bool {
	return u.found.Version == 0 && len(u.obsolete()) == 0 && len(u.old.Files) > 0 && u.unchanged()
}

// load treats an invalid manifest as none: it is about to be replaced.
func (u *update) load(ctx context.Context) (err error) {
	u.old, err = readManifest(ctx, u.store, u.target.manifest)
	if err := ignoreAbsent(err); err != nil {
		return err
	}
	var record pending
	if u.locked || !u.old.isVersioned() {
		if err := ignoreAbsent(GetJSON(ctx, u.store, u.target.pending, &record)); err != nil {
			return err
		}
	}
	u.found, u.leftover = u.old.interrupted(record)
	if u.locked && u.isStray(record) {
		u.found, u.leftover = u.old.interrupted(pending{}) // nothing was touched under it
		u.leftover = true
	}
	return u.checkKeys()
}

// isStray reports whether a record is the one that this update stored without having the lock.
func (u *update) isStray(r pending) bool {
	return u.stray.Version != 0 && r.RunID == u.stray.RunID && r.Started.Equal(u.stray.Started)
}

// checkKeys refuses files whose keys the store cannot have.
func (u *update) checkKeys() error {
	for _, f := range u.want.Files {
		if err := keys.Check(u.key(f.Path)); err != nil {
			return err
		}
	}
	return nil
}

// compare hashes the files that may equal those of the old manifest. All others are hashed while they are stored, so
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
		// What an interrupted update stored hides what the manifest names from readers that do not ask for versions.
		if u.same[i] = f.sameAs(old) && (u.old.Update == nil || !u.old.Update.names(f.Path)); u.same[i] {
			f.VersionID = old.VersionID
		}
		return nil
	})
}

// hash describes a file. SHA256 is empty if the file differs from the old one anyway.
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

// replace makes the target hold the wanted set. The steps, and why an interruption between any two of them is
// harmless:
//
//  1. record which files may be touched, old and new
//  2. delete the manifest: the old set is gone
//  3. delete the files that are not wanted, store those that differ, in parallel
//  4. write the manifest: the new set is there
//  5. delete the record of step 1
//
// Interrupted after 1 to 3, the record tells the next update what to clean up; interrupted after 4, it is only
// obsolete. If the store keeps the versions that the old manifest names, that manifest stays: step 1 writes the record
// into it, steps 2 and 5 are not needed, and readers have the old set until they have the new one.
func (u *update) replace(ctx context.Context) (Manifest, error) {
	w := u.work()
	apart, err := u.fill(ctx, w) // 1, 2, 3
	if err != nil {
		return Manifest{}, err
	}
	m, err := u.commit(ctx, w) // 4
	if err != nil || !apart {
		return m, err
	}
	return m, u.clear(ctx) // 5
}

// work is what there is to do.
type work struct {
	gone []string // files to delete
	todo []int    // files to store
}

func (w work) any() bool { return len(w.gone) > 0 || len(w.todo) > 0 }

func (u *update) work() work {
	w := work{gone: u.obsolete()}
	for i := range u.files {
		if !u.same[i] {
			w.todo = append(w.todo, i)
		}
	}
	return w
}

// fill performs steps 1 to 3. Apart reports whether the record of step 1 is an object of its own.
func (u *update) fill(ctx context.Context, w work) (apart bool, err error) {
	if !w.any() {
		u.count(Counts{Unchanged: len(u.files)})
		return u.leftover || u.recorded || u.found.Version != 0 && u.old.Update == nil, nil
	}
	if apart, err = u.begin(ctx, w); err != nil {
		return apart, err
	}
	return apart || u.leftover, u.transfer(ctx, w)
}

// transfer performs step 3.
func (u *update) transfer(ctx context.Context, w work) error {
	if err := u.remove(ctx, w.gone); err != nil {
		return err
	}
	u.count(Counts{Unchanged: len(u.files) - len(w.todo)})
	if err := u.storeAll(ctx, w.todo); err != nil {
		return err
	}
	return u.sweep(ctx)
}

// commit performs step 4.
func (u *update) commit(ctx context.Context, w work) (Manifest, error) {
	m := u.want
	m.Files, m.Created = u.files, now()
	if !w.any() && u.unchanged() {
		m = u.old
		m.Update = nil
	}
	if !u.attested {
		if err := u.attest(ctx, m); err != nil {
			return Manifest{}, err
		}
	}
	return m, PutJSON(ctx, u.store, u.target.manifest, m)
}

// clear deletes the record of step 1. Without permission to delete, it is overwritten with an empty one.
func (u *update) clear(ctx context.Context) error {
	err := u.store.Delete(ctx, u.target.pending)
	if denied(err) {
		return PutJSON(ctx, u.store, u.target.pending, pending{})
	}
	return err
}

// begin performs steps 1 and 2.
func (u *update) begin(ctx context.Context, w work) (apart bool, err error) {
	if u.old.isVersioned() {
		m, record := u.old, u.record(w)
		m.Update = &record
		return false, PutJSON(ctx, u.store, u.target.manifest, m)
	}
	if !u.recorded {
		if err := PutJSON(ctx, u.store, u.target.pending, u.record(w)); err != nil {
			return true, err
		}
	}
	if u.old.Version == 0 {
		return true, nil // there is no manifest
	}
	return true, u.store.Delete(ctx, u.target.manifest)
}

// record is that of step 1.
func (u *update) record(w work) pending {
	r := pending{Version: 1, RunID: u.want.RunID, Started: now(), Paths: slices.Clone(w.gone)}
	versioned := u.old.isVersioned()
	for i, f := range u.files {
		if !u.same[i] || !versioned {
			r.Paths = append(r.Paths, f.Path)
		}
	}
	slices.Sort(r.Paths)
	return r
}

// remove runs before anything is stored, as a new file may have the name of an old folder. A role that may only put
// leaves the objects to the bucket's lifecycle.
func (u *update) remove(ctx context.Context, gone []string) error {
	if len(gone) == 0 {
		return nil
	}
	keys := make([]string, len(gone))
	for i, path := range gone {
		keys[i] = u.key(path)
	}
	err := u.store.Delete(ctx, keys...)
	if denied(err) { // no manifest will name them, so they are not part of the set
		u.count(Counts{Left: len(gone)})
		return nil
	}
	if err == nil {
		u.count(Counts{Removed: len(gone)})
	}
	return err
}

// sweep runs after our own uploads, when the last requests of an interrupted update have had time to complete.
func (u *update) sweep(ctx context.Context) error {
	if s, ok := u.store.(Sweeper); ok && u.found.Version != 0 {
		return s.Sweep(ctx, u.target.files+"/")
	}
	return nil
}

func (u *update) key(path string) string { return u.target.files + "/" + path }

// obsolete returns the files that are, or may be, in the target and are not wanted. Only these are ever deleted, and
// only keys of the target itself name them.
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

func (u *update) count(c Counts) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.counts.Uploaded += c.Uploaded
	u.counts.Unchanged += c.Unchanged
	u.counts.Removed += c.Removed
	u.counts.Left += c.Left
	u.counts.Bytes += c.Bytes
}

// unchanged also compares the commit: a mirror may pass from one to another without a change of files.
func (u *update) unchanged() bool {
	return u.old.Kind == u.want.Kind && u.old.Ref() == u.want.Ref() &&
		slices.EqualFunc(u.old.Files, u.files, File.sameAs)
}

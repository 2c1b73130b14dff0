package artifacts

import (
	"context"
	"errors"
	"slices"

	"golang.org/x/sync/errgroup"
)

// publishAhead publishes by the short protocol: see README.md. Done is false, and the long protocol has to be used, if
// what was read ahead is not enough to go by: nothing was read, the set may be there already, a publisher was
// interrupted, or another one has had the lock since.
func (u *update) publishAhead(ctx context.Context, set Set, p *Published) (done bool, err error) {
	prepared := set.Prepared
	if prepared == nil || !prepared.set.wait(ctx) {
		return false, nil
	}
	u.use(prepared.set)
	if err := u.planAhead(ctx); err != nil || u.isDone() {
		return false, err
	}
	w := u.work()
	c, err := u.claim(ctx, w.any(), u.record(w), true)
	if c == nil || err != nil {
		return false, err
	}
	if err := u.mayReplace(c.held); err != nil {
		return true, errors.Join(err, c.abandon())
	}
	mirror := u.claimMirror(ctx, set)
	apart, err := u.fill(c.held, w)
	if err != nil {
		c.release() // the record tells the next publisher what to clean up
		return true, errors.Join(err, mirror.abandon())
	}
	var beside errgroup.Group // an error of one does not end the other
	beside.Go(func() (err error) {
		p.Manifest, err = u.commit(c.held, w)
		prepared.later(func() error {
			defer c.release()
			if err != nil || !apart {
				return nil
			}
			return u.clear(c.held)
		})
		return err
	})
	beside.Go(func() error { return mirror.begin(u.files) })
	if err := beside.Wait(); err != nil {
		mirror.release()
		return true, err
	}
	return true, u.publishLatestAhead(ctx, set, mirror, p)
}

// publishLatestAhead makes the set the newest one. Without a mirror that is one object, which needs no lock.
func (u *update) publishLatestAhead(ctx context.Context, set Set, mirror *mirrorAhead, p *Published) error {
	switch {
	case set.Mirror == "":
		return writeLatest(ctx, u.store, p.Manifest)
	case !mirror.claimed():
		m := newMirror(u.store, u.tree, set, p.Manifest)
		if mirror != nil {
			m.stray = mirror.stray
		}
		return publishLatest(ctx, u.store, m, set, p)
	}
	err := mirror.finish(p.Manifest)
	p.Mirrored = mirror.counts
	set.Prepared.later(func() error {
		defer mirror.release()
		if err != nil || !mirror.apart {
			return nil
		}
		return mirror.clear(mirror.claim.held)
	})
	return err
}

// use takes what was read ahead for what the target holds.
func (u *update) use(a *ahead) {
	u.ahead, u.old, u.found, u.leftover = a, a.holds.old, a.holds.found, a.holds.leftover
}

// planAhead is plan without its reads.
func (u *update) planAhead(ctx context.Context) error {
	u.files = slices.Clone(u.want.Files)
	if err := u.checkKeys(); err != nil {
		return err
	}
	return u.compare(ctx)
}

// claim is a lock that was taken as it was seen.
type claim struct {
	update   *update
	held     context.Context
	free     func()
	recorded bool // whether the record of step 1 was stored with it
}

func (c *claim) release() {
	if c != nil {
		c.free()
	}
}

// abandon gives up a claim under which nothing has changed yet.
func (c *claim) abandon() (err error) {
	if c == nil {
		return nil
	}
	defer c.free()
	if c.recorded {
		err = c.update.clear(c.held)
	}
	return err
}

// claim takes the lock of the target as it was seen and, side by side, stores the record of step 1, if the object is
// still as it was read. It returns nil if the plan may not be true any longer.
//
// If two publishers do so at the same time, one gets the lock, and maybe the other one its record. Then the former
// finds
// that its own was refused, and goes on by the long protocol, which adds the paths of the other's record to its own.
// The
// latter waits for the lock, and knows (stray) that its record may be there.
func (u *update) claim(ctx context.Context, changes bool, record pending, wait bool) (*claim, error) {
	if u.found.Version != 0 {
		return nil, nil // an interrupted update is to be repaired
	}
	needed := changes && !u.old.isVersioned()
	refused := make(chan error, 1)
	if needed {
		u.stray = record
		go func() { refused <- u.createRecord(ctx, record) }()
	} else {
		refused <- nil
	}
	held, free, asSeen, err := u.ahead.lock.Lock(ctx, wait)
	recordErr := <-refused
	switch {
	case err != nil:
		return nil, err
	case !asSeen, recordErr != nil:
		free()
		return nil, nil
	}
	u.recorded, u.stray = needed, pending{}
	return &claim{u, held, free, needed}, nil
}

// createRecord stores the record of step 1 if the object is still as it was read.
func (u *update) createRecord(ctx context.Context, record pending) error {
	o, err := jsonObject(u.target.pending, record)
	if err == nil {
		_, err = u.ahead.store.Swap(ctx, o, u.ahead.holds.tag)
	}
	return err
}

// mirrorAhead is the update of a mirror side by side with that of its set. Nil is none: the mirror is then updated
// after
// the set, by the long protocol.
type mirrorAhead struct {
	*update
	done  chan struct{} // closed when the claim was tried
	claim *claim        // nil if it failed
	apart bool
	work  work
}

// claimMirror takes the lock of the mirror while the files of the set are stored. It does not wait for it, since who
// holds a lock and waits for another one can wait for ever.
func (u *update) claimMirror(ctx context.Context, set Set) *mirrorAhead {
	if !set.Prepared.mirror.wait(ctx) {
		return nil
	}
	m := &mirrorAhead{
		update: &update{store: u.store, tree: u.tree, target: mirrorTarget(set), want: u.want}, done: make(chan struct{}),
	}
	m.use(set.Prepared.mirror)
	record := pending{Version: 1, RunID: u.want.RunID, Started: now()} // of all files: which ones differ is not known yet
	for _, files := range [][]File{m.old.Files, u.want.Files} {
		for _, f := range files {
			record.Paths = append(record.Paths, f.Path)
		}
	}
	slices.Sort(record.Paths)
	record.Paths = slices.Compact(record.Paths)
	go func() {
		defer close(m.done)
		m.claim, _ = m.update.claim(ctx, true, record, false)
	}()
	return m
}

func (m *mirrorAhead) claimed() bool {
	if m == nil {
		return false
	}
	<-m.done
	return m.claim != nil
}

func (m *mirrorAhead) release() {
	if m.claimed() {
		m.claim.release()
	}
}

func (m *mirrorAhead) abandon() error {
	if !m.claimed() {
		return nil
	}
	return m.claim.abandon()
}

// begin performs steps 1 and 2 of the mirror, when the files of the set are known.
func (m *mirrorAhead) begin(files []File) (err error) {
	if !m.claimed() {
		return nil
	}
	m.mirrors(Manifest{
		Version: m.want.Version, Kind: m.want.Kind, Branch: m.want.Branch, SHA: m.want.SHA, RunID: m.want.RunID,
		Dirty: m.want.Dirty, Files: files,
	})
	if err = m.compare(m.claim.held); err != nil {
		return err
	}
	if m.work = m.update.work(); m.work.any() {
		m.apart, err = m.update.begin(m.claim.held, m.work)
		m.apart = m.apart || m.leftover
	} else {
		m.apart = m.recorded || m.leftover
	}
	return err
}

// finish performs steps 3 and 4, and stores the record of the newest set.
func (m *mirrorAhead) finish(set Manifest) error {
	var beside errgroup.Group
	beside.Go(func() error { return writeLatest(m.claim.held, m.store, set) })
	beside.Go(func() error {
		if m.work.any() {
			return m.transfer(m.claim.held, m.work)
		}
		m.count(Counts{Unchanged: len(m.files)})
		return nil
	})
	if err := beside.Wait(); err != nil {
		return err
	}
	_, err := m.commit(m.claim.held, m.work)
	return err
}

package artifacts

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"sync"

	"github.com/carlin-cicd/runner/artifacts/keys"
)

// Preparation is what a Publish needs to know of the store, read ahead, and what it leaves to be done after its return.
// A nil Preparation has nothing. It is for one Publish.
type Preparation struct {
	set, mirror *ahead
	cancel      context.CancelFunc // ends the reads
	after       sync.WaitGroup
	mu          sync.Mutex
	problems    []error
}

// Prepare begins to read what the store has of a set, while its files are still being made. The mirror is that of Set.
// Its reads end with ctx. It returns nil for a store whose locks cannot be looked at, or for names that are invalid.
func Prepare(ctx context.Context, s Store, set Set) *Preparation {
	store, ok := s.(lookingStore)
	if !ok || set.check() != nil {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	p := &Preparation{cancel: cancel, set: readAhead(ctx, store, setTarget(set))}
	if set.Mirror != "" && keys.PublishLock(setTarget(set).files) != keys.PublishLock(mirrorTarget(set).files) {
		p.mirror = readAhead(ctx, store, mirrorTarget(set))
	}
	return p
}

// Close waits for what Publish has left to be done. An error leaves nothing worse behind than a record or a lock that
// the next publisher removes. The context of Publish must not end before.
func (p *Preparation) Close() error {
	if p == nil {
		return nil
	}
	p.cancel()
	<-p.set.done
	if p.mirror != nil {
		<-p.mirror.done
	}
	p.after.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return errors.Join(p.problems...)
}

// later runs what need not be done when Publish returns.
func (p *Preparation) later(do func() error) {
	p.after.Go(func() {
		if err := do(); err != nil {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.problems = append(p.problems, err)
		}
	})
}

// lookingStore is a store for the short protocol.
type lookingStore interface {
	Store
	Swapper
	Looker
}

// ahead is what was read ahead of a target. Its fields are set when done is closed.
type ahead struct {
	store lookingStore
	done  chan struct{}
	lock  SeenLock
	holds holding
	err   error
}

// holding is what a target holds.
type holding struct {
	old   Manifest // no files if nothing
	found pending  // what an interrupted update may have left
	tag   string   // of the record's object; "" if there is none
	// leftover is set if the record is of no use any longer: see update.
	leftover bool
}

// readAhead reads a lock and what it protects, side by side. If the lock has been held before, what it protects may
// have changed between the two reads, so it is read once more after the lock. Then, if the lock is taken as it was seen,
// all of it is still as it was read.
func readAhead(ctx context.Context, s lookingStore, t target) *ahead {
	a := &ahead{store: s, done: make(chan struct{})}
	go func() {
		defer close(a.done)
		var first holding
		var firstErr error
		var beside sync.WaitGroup
		within, cancel := context.WithCancel(ctx)
		beside.Go(func() { first, firstErr = t.read(within, s) })
		a.lock, a.err = s.Look(ctx, t.files)
		if a.err == nil && !a.lock.New() {
			cancel()
			a.holds, a.err = t.read(ctx, s)
		}
		beside.Wait()
		cancel()
		if a.err == nil && a.lock.New() {
			a.holds, a.err = first, firstErr
		}
	}()
	return a
}

// wait reports whether everything was read.
func (a *ahead) wait(ctx context.Context) bool {
	if a == nil {
		return false
	}
	select {
	case <-a.done:
		return a.err == nil
	case <-ctx.Done():
		return false
	}
}

// read reads the manifest and the record of an update, side by side.
func (t target) read(ctx context.Context, s lookingStore) (h holding, err error) {
	var manifestErr, pendingErr error
	var beside sync.WaitGroup
	beside.Go(func() { h.old, manifestErr = readManifest(ctx, s, t.manifest) })
	var found pending
	beside.Go(func() { found, h.tag, pendingErr = t.readPending(ctx, s) })
	beside.Wait()
	if err := errors.Join(ignoreAbsent(manifestErr), ignoreAbsent(pendingErr)); err != nil {
		return holding{}, err
	}
	h.found, h.leftover = h.old.interrupted(found)
	return h, nil
}

func (t target) readPending(ctx context.Context, s Swapper) (found pending, tag string, err error) {
	text, tag, err := s.Load(ctx, t.pending)
	if err != nil {
		return pending{}, "", err
	}
	if json.Unmarshal(text, &found) != nil {
		return pending{}, tag, nil // it is about to be replaced
	}
	return found, tag, nil
}

// ignoreAbsent is nil for an object that does not exist, or is invalid: it is about to be replaced.
func ignoreAbsent(err error) error {
	var corrupt *CorruptError
	if errors.Is(err, fs.ErrNotExist) || errors.As(err, &corrupt) {
		return nil
	}
	return err
}

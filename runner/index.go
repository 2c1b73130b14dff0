package runner

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/overview"
	"github.com/carlin-cicd/runner/runner/pipeline"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/redact"
	"github.com/carlin-cicd/runner/runner/runs"
	"github.com/carlin-cicd/runner/steps"
)

// The run is listed in the index of its branch and in that of the repository, and on their pages.
//
//  1. When it starts, side by side with the run: it is shown as running, and as lost once it should have ended.
//  2. When its record is built, side by side with its publication. What is not written yet of step 1 is left out.
//  3. At the very end the run waits for step 2, but not long. What fails is a warning, and changes nothing.

const (
	indexTimeout = 15 * time.Second // of one write
	indexWait    = 5 * time.Second  // at the end of the run
	// lostAfter is how long after its deadline a run counts as lost: the command gets a grace period, hooks run,
	// artifacts are published.
	lostAfter = 10 * time.Minute
)

// indexing is how far the index is written; the zero value has nothing to write.
type indexing struct {
	mu       sync.Mutex
	next     *listing           // to be written
	busy     chan struct{}      // closed when nothing is left to write; nil before the first time
	cancel   context.CancelFunc // ends what is being written
	problem  error              // of the last write
	patience time.Duration      // of awaitIndex; 0 means indexWait
}

// listing is what one write adds to the index.
type listing struct {
	entry record.Entry
	live  []record.LiveRevision
}

// indexStart lists the run as running.
func (r *run) indexStart(started record.Started) {
	deadline := r.Deadline
	if deadline.IsZero() { // runner.yaml comes with the checkout
		deadline = r.Began.Add(max(r.Config.Timeout, config.DefaultTimeout))
	}
	deadline = deadline.Add(r.Config.Grace + r.Config.StopBudget + lostAfter)
	actor := redact.Value(r.Redactor, r.actor())
	r.index(listing{entry: record.StartedEntry(started, actor, deadline)})
}

// indexEnd lists how the run ended.
func (r *run) indexEnd(ended record.Run) {
	entry := ended.Entry()
	entry.Awaits = r.awaits(ended)
	r.index(listing{entry, redact.Value(r.Redactor, r.delivery.Live(r.now()))})
}

// awaits returns the approval that the pipeline of runner.yaml asks for after this run; nil if none does, or that is not
// known.
func (r *run) awaits(ended record.Run) *record.Awaits {
	stages := r.steps.Pipeline()
	if !ended.Passed || r.isPartial() || !slices.ContainsFunc(stages, func(s steps.Stage) bool { return s.Approval != "" }) {
		return nil
	}
	ctx, cancel := r.Stop.RecordContext()
	defer cancel()
	plan, err := pipeline.Load(ctx, &r.Session, stages)
	if err != nil {
		return nil // no run of the pipeline
	}
	return plan.Awaits(ended.Step, ended.Environment)
}

// index writes a listing in the background, after the one that is being written, which it cuts short.
func (r *run) index(l listing) {
	store, ok := r.Store.(artifacts.Swapper)
	if !ok {
		return
	}
	x := &r.indexing
	x.mu.Lock()
	defer x.mu.Unlock()
	x.next = &l
	if x.cancel != nil {
		x.cancel()
		return
	}
	x.busy = make(chan struct{})
	x.start(r, store)
}

// start begins to write what is next. The caller holds the lock.
func (x *indexing) start(r *run, store artifacts.Swapper) {
	l := *x.next
	x.next = nil
	bounded, stop := r.Stop.RecordContext()
	ctx, cancel := context.WithTimeout(bounded, indexTimeout)
	x.cancel = func() { cancel(); stop() }
	go func() {
		err := r.writeIndex(ctx, store, l)
		x.mu.Lock()
		defer x.mu.Unlock()
		x.cancel()
		x.problem = err
		if x.next != nil {
			x.start(r, store)
			return
		}
		x.cancel = nil
		close(x.busy)
	}()
}

// swapStore is a store with conditional writes.
type swapStore struct {
	artifacts.Store
	artifacts.Swapper
}

// writeIndex adds a run to both indexes, and makes their pages.
func (r *run) writeIndex(ctx context.Context, store artifacts.Swapper, l listing) error {
	s := swapStore{r.Store, store}
	about := redact.Value(r.Redactor, overview.Repository{Name: r.Config.GitHubName, URL: r.repositoryURL()})
	branch := r.Ref.Branch
	var ofBranch, ofRepository error
	var both sync.WaitGroup
	both.Go(func() { ofBranch = writeOneIndex(ctx, s, keys.RunIndex(branch), about, branch, l) })
	both.Go(func() { ofRepository = writeOneIndex(ctx, s, r.repositoryIndex(), about, "", l) })
	both.Wait()
	return errors.Join(ofBranch, ofRepository)
}

func writeOneIndex(
	ctx context.Context, s swapStore, folder string, about overview.Repository, branch string, l listing,
) error {
	_, err := runs.Add(ctx, s, folder, l.entry, l.live)
	if folder == keys.RunIndexProtected && isDenied(err) { // the store's roles protect fewer branches than the runner does
		_, err = runs.Add(ctx, s, keys.RunIndexOthers, l.entry, l.live)
	}
	if err != nil {
		return err
	}
	if l.entry.State == record.Running && !pause(ctx, quickRun) {
		return nil // it has ended, and its end makes the page
	}
	err = overview.Write(ctx, s, about, branch)
	if branch == "" && isDenied(err) {
		return nil // the roles of branches may not write it; the next run of the main branch does
	}
	return err
}

func isDenied(err error) bool {
	var refused *artifacts.StoreError
	return errors.As(err, &refused) && refused.Denied
}

// quickRun is how long a run lasts that is not shown as running on the pages.
const quickRun = 2 * time.Second

// pause returns false when the context ends it.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// repositoryIndex returns the index of the repository that the run is listed in. A role of another branch may not write
// what shows the protected ones.
func (r *run) repositoryIndex() string {
	if r.Config.IsProtected(r.Ref.Branch) {
		return keys.RunIndexProtected
	}
	return keys.RunIndexOthers
}

// awaitIndex waits until the index is written, but not long.
func (r *run) awaitIndex() {
	x := &r.indexing
	x.mu.Lock()
	busy := x.busy
	x.mu.Unlock()
	if busy == nil {
		return
	}
	timer := time.NewTimer(cmp.Or(x.patience, indexWait))
	defer timer.Stop()
	select {
	case <-busy:
	case <-timer.C:
		x.mu.Lock()
		if x.cancel != nil {
			x.cancel()
		}
		x.mu.Unlock()
		<-busy
	}
	if x.problem != nil {
		r.Log.Warn(
			"the index of runs is incomplete", "error", strings.ReplaceAll(x.problem.Error(), "\n", "; "), "hint", outcome.Hint(x.problem),
		)
	}
}

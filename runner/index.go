package runner

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
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
//  1. When it starts, the heads of both are read, and after a moment the run is listed as running, side by side with the
//     command: as lost once it should have ended. A run that ends before that is listed once. After a while it is on the
//     pages.
//  2. When its record is built, side by side with its publication, it is listed as ended: in the heads as they were
//     read or stored last, and, if those are still so, on the pages in the same turn.
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
	wake     chan struct{}      // signals that next or closing has changed
	stale    bool               // what was read should be read anew
	closing  bool               // there is no other listing to come
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

// awaits returns the approval that the pipeline asks for after this run, that of runner.yaml or else the cluster's; nil if
// none does, or that is not known.
func (r *run) awaits(ended record.Run) *record.Awaits {
	stages := r.steps.Pipeline()
	if c := r.Config; len(stages) == 0 && ended.Passed && !r.isPartial() && c.Event == "push" && r.Ref.Branch == c.MainBranch {
		return pipeline.DefaultAwaits(c.Environments, c.Approvals, ended.Step, ended.Environment)
	}
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

// index writes a listing in the background, after the one that is being written.
func (r *run) index(l listing) {
	store, ok := r.Store.(artifacts.Swapper)
	if !ok {
		return
	}
	x := &r.indexing
	x.mu.Lock()
	defer x.mu.Unlock()
	x.next = &l
	if x.busy == nil {
		x.busy, x.wake = make(chan struct{}), make(chan struct{}, 1)
		var ctx context.Context
		ctx, x.cancel = r.Stop.RecordContext()
		go func() {
			defer close(x.busy)
			r.writeListings(ctx, swapStore{r.Store, store})
		}()
	}
	x.signal()
}

// refreshIndex reads the index anew, so that the end of a run which took a while finds it as it is.
func (r *run) refreshIndex() {
	x := &r.indexing
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.busy != nil && time.Since(r.Began) > quickRun {
		x.stale = true
		x.signal()
	}
}

// isStale reports that once.
func (x *indexing) isStale() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	was := x.stale
	x.stale = false
	return was
}

func (x *indexing) signal() {
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// take returns the listing to be written, nil if there is none, and whether there may be another one.
func (x *indexing) take() (l *listing, more bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	l, x.next = x.next, nil
	return l, !x.closing && (l == nil || l.entry.State == record.Running)
}

// swapStore is a store with conditional writes.
type swapStore struct {
	artifacts.Store
	artifacts.Swapper
}

// writeListings writes listings to both indexes until the run has ended.
func (r *run) writeListings(ctx context.Context, s swapStore) {
	x := &r.indexing
	about := redact.Value(r.Redactor, overview.Repository{Name: r.Config.GitHubName, URL: r.repositoryURL()})
	branch := r.Ref.Branch
	both := []*indexWriter{
		{store: s, about: about, branch: branch, folder: keys.RunIndex(branch)},
		{store: s, about: about, folder: r.repositoryIndex()},
	}
	var pages <-chan time.Time
	for more := true; more; {
		var l *listing
		if x.isStale() {
			for _, w := range both {
				w.head, w.draft = nil, nil
			}
		}
		eachWriter(both, func(w *indexWriter) error { return bounded(ctx, w.read) })
		if more = r.awaitMoment(ctx); !more {
			return
		}
		if l, more = x.take(); l != nil && l.entry.Branch != branch { // the checkout was of another one
			branch = l.entry.Branch
			both[0] = &indexWriter{store: s, about: about, branch: branch, folder: keys.RunIndex(branch)}
		}
		if l != nil {
			err := eachWriter(both, func(w *indexWriter) error {
				return bounded(ctx, func(ctx context.Context) error { return w.add(ctx, *l) })
			})
			x.mu.Lock()
			x.problem = err
			x.mu.Unlock()
			pages = time.After(quickRun)
		}
		for more {
			select {
			case <-x.wake:
			case <-ctx.Done():
				return
			case <-pages:
				pages = nil
				eachWriter(both, func(w *indexWriter) error { return bounded(ctx, w.page) })
				continue
			}
			break
		}
	}
}

// awaitMoment waits until the run has lasted for a moment, or has ended, so that the end of a run that does next to
// nothing does not wait for its start to be listed. It reports false if there is nothing to be written any longer.
func (r *run) awaitMoment(ctx context.Context) bool {
	moment := time.NewTimer(time.Until(r.Began.Add(momentaryRun)))
	defer moment.Stop()
	for r.indexing.isRunning() {
		select {
		case <-r.indexing.wake:
		case <-moment.C:
			return true
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// isRunning reports whether what is to be written is that the run goes on.
func (x *indexing) isRunning() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.next != nil && x.next.entry.State == record.Running && !x.closing
}

func bounded(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, indexTimeout)
	defer cancel()
	return do(ctx)
}

func eachWriter(all []*indexWriter, do func(*indexWriter) error) error {
	problems := make([]error, len(all))
	var beside sync.WaitGroup
	for i, w := range all {
		beside.Go(func() { problems[i] = do(w) })
	}
	beside.Wait()
	return errors.Join(problems...)
}

// indexWriter writes one index and its page.
type indexWriter struct {
	store  swapStore
	about  overview.Repository
	branch string // "" for the repository
	folder string
	draft  *overview.Draft // nil if nothing was read
	head   *runs.Head      // as last read or stored
}

// read reads ahead. Without it, add reads.
func (w *indexWriter) read(ctx context.Context) (err error) {
	if w.head != nil {
		return nil
	}
	if w.draft, err = overview.Read(ctx, w.store, w.branch, w.folder); err == nil {
		w.head = &w.draft.Head
	}
	return err
}

func (w *indexWriter) add(ctx context.Context, l listing) error {
	ended := l.entry.State != record.Running
	pageErr := fs.ErrExist
	var beside func(runs.Head)
	if ended && w.draft != nil {
		beside = func(h runs.Head) { pageErr = w.draft.Store(ctx, w.store, w.about, h) }
	}
	head, asRead, err := runs.AddTo(ctx, w.store, w.folder, w.head, l.entry, l.live, beside)
	if w.folder == keys.RunIndexProtected && isDenied(err) { // the store's roles protect fewer branches than the runner does
		w.folder, w.head, w.draft = keys.RunIndexOthers, nil, nil
		head, asRead, err = runs.AddTo(ctx, w.store, w.folder, nil, l.entry, l.live, nil)
	}
	w.head = nil
	switch {
	case err != nil:
		return err
	case !ended:
		w.head = &head
		return nil
	case asRead && pageErr == nil:
		return nil
	}
	return w.page(ctx)
}

// page stores the page, even if another run stores it at the same time.
func (w *indexWriter) page(ctx context.Context) error {
	w.draft = nil
	err := overview.Write(ctx, w.store, w.about, w.branch)
	if w.branch == "" && isDenied(err) {
		return nil // the roles of branches may not write it; the next run of the main branch does
	}
	return err
}

func isDenied(err error) bool {
	var refused *artifacts.StoreError
	return errors.As(err, &refused) && refused.Denied
}

// momentaryRun is how long a run lasts that is not listed as running.
const momentaryRun = 200 * time.Millisecond

// quickRun is how long a run lasts that is not shown as running on the pages.
const quickRun = 2 * time.Second

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
	x.closing = true
	x.mu.Unlock()
	if busy == nil {
		return
	}
	x.signal()
	timer := time.NewTimer(cmp.Or(x.patience, indexWait))
	defer timer.Stop()
	select {
	case <-busy:
	case <-timer.C:
		x.cancel()
		<-busy
	}
	x.cancel()
	if x.problem != nil {
		r.Log.Warn(
			"the index of runs is incomplete", "error", strings.ReplaceAll(x.problem.Error(), "\n", "; "), "hint", outcome.Hint(x.problem),
		)
	}
}

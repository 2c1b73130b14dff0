package lease

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
)

// TestNeverTwoHolders has claimants with wrong clocks compete through a store that does its worst. They are killed,
// cancelled, and slow to stop what runs under a lease that has ended.
func TestNeverTwoHolders(t *testing.T) {
	var all tally
	for range 4 {
		synctest.Test(t, func(t *testing.T) {
			a := &arena{t: t, store: newUnreliable(t)}
			a.store.meets(a.fate)
			a.fight(8, 2*time.Hour)
			all.add(a.tally)
		})
	}
	t.Logf("%+v", all)
	if all.turns < 50 || all.losses == 0 || all.deaths == 0 || all.cancelled == 0 || all.refused == 0 {
		t.Errorf("not enough has happened: %+v", all)
	}
}

// tally counts what happened to claimants.
type tally struct{ turns, losses, deaths, cancelled, refused int }

func (t *tally) add(o tally) {
	t.turns += o.turns
	t.losses += o.losses
	t.deaths += o.deaths
	t.cancelled += o.cancelled
	t.refused += o.refused
}

// arena is where claimants meet.
type arena struct {
	t     *testing.T
	store *unreliable

	mu     sync.Mutex
	inside string // who runs under the lock
	fence  int64  // the greatest there was
	tally
}

func upTo(d time.Duration) time.Duration { return rand.N(d + 1) }

func oneIn(n int) bool { return rand.N(n) == 0 }

// fate comes in spells, since faults that are spread evenly are too easily survived.
func (a *arena) fate(string) fate {
	bad := 12
	if time.Now().Unix()/97%3 == 0 {
		bad = 2
	}
	if !oneIn(bad) {
		return fate{lag: upTo(time.Second)}
	}
	switch rand.N(7) {
	case 0:
		return fate{err: errTransient, drop: true}
	case 1:
		return fate{err: errTransient, lag: upTo(time.Second)}
	case 2:
		return fate{err: fs.ErrExist}
	case 3:
		return fate{err: fs.ErrExist, drop: true}
	case 4:
		return fate{lag: upTo(3 * time.Minute)}
	case 5:
		return fate{slow: upTo(3 * time.Minute)}
	default:
		return fate{lag: upTo(time.Minute), stuck: true}
	}
}

func (a *arena) fight(claimants int, length time.Duration) {
	ctx, cancel := context.WithTimeout(a.t.Context(), length)
	defer cancel()
	var wg sync.WaitGroup
	for i := range claimants {
		wg.Go(func() {
			for life := 0; ctx.Err() == nil; life++ {
				a.live(ctx, fmt.Sprintf("%d.%d", i, life))
				if oneIn(20) {
					sleep(ctx, time.Hour)
				}
			}
		})
	}
	wg.Wait()
	// Once all is well again, the lock can be had.
	a.store.meets(func(string) fate { return fate{} })
	began := time.Now()
	l := acquire(a.t, a.store, waiting(requestOf("last"), time.Hour))
	within(a.t, "the last turn", time.Since(began), 0, 8*time.Minute)
	release(a.t, l)
	sleep(context.Background(), time.Hour) // for what is still on its way
}

// live is one process: some turns, until it is killed or its time is over.
func (a *arena) live(ctx context.Context, name string) {
	ctx, kill := context.WithCancel(ctx)
	defer kill()
	m := &mortal{Store: a.store}
	time.AfterFunc(upTo(2*time.Hour), func() {
		m.dead.Store(true)
		kill()
	})
	skew := upTo(20*time.Minute) - 10*time.Minute
	for ctx.Err() == nil {
		c := waiting(requestOf(name), upTo(30*time.Minute))
		c.TTL = []time.Duration{20 * time.Second, time.Minute, 2 * time.Minute}[rand.N(3)]
		c.Heartbeat = 0
		c.wall = func() time.Time { return time.Now().Add(skew) }
		a.turn(ctx, m, c)
		sleep(ctx, upTo(2*time.Minute))
	}
	if m.dead.Load() {
		a.mu.Lock()
		a.deaths++
		a.mu.Unlock()
	}
}

func (a *arena) turn(ctx context.Context, m *mortal, c Request) {
	stale, stop := context.WithCancel(ctx)
	defer stop()
	if oneIn(5) {
		time.AfterFunc(upTo(time.Minute), stop)
	}
	l, err := Acquire(stale, m, c)
	if err != nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		var held *HeldError
		switch {
		case m.dead.Load():
		case stale.Err() != nil:
			a.cancelled++
		case errors.As(err, &held):
			a.refused++
		case !isRetryable(err):
			a.t.Errorf("%s: %v", c.Name, err)
		}
		return
	}
	a.enter(c.Name, l)
	sleep(l.Context(), upTo(5*time.Minute))
	var lost *LostError
	if !errors.As(context.Cause(l.Context()), &lost) || lost.By == nil {
		sleep(ctx, upTo(c.TTL/2)) // what runs under the lock is slow to stop
	}
	a.leave(c.Name, lost)
	if m.dead.Load() {
		die(l)
		return
	}
	err = l.Release(context.WithoutCancel(ctx))
	if err != nil && !errors.As(err, &lost) && !isRetryable(err) && !m.dead.Load() {
		a.t.Errorf("%s: %v", c.Name, err)
	}
	l.stop()
}

func (a *arena) enter(name string, l *Lease) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var lost *LostError
	if errors.As(context.Cause(l.Context()), &lost) {
		return // the store took so long that it was over before it began
	}
	if a.inside != "" {
		a.t.Errorf("%v: %s enters while %s is inside", time.Now(), name, a.inside)
	}
	if l.Fence() <= a.fence {
		a.t.Errorf("%v: fence %d of %s follows %d", time.Now(), l.Fence(), name, a.fence)
	}
	a.inside, a.fence = name, l.Fence()
	a.turns++
}

func (a *arena) leave(name string, lost *LostError) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.inside == name {
		a.inside = ""
	}
	if lost != nil {
		a.losses++
	}
}

// mortal is the store as a process sees it that may be killed: it hears nothing more then, and sends nothing more.
type mortal struct {
	Store
	dead atomic.Bool
}

var errDead = errors.New("dead")

func (m *mortal) Load(ctx context.Context, key string) ([]byte, string, error) {
	if m.dead.Load() {
		return nil, "", errDead
	}
	return m.Store.Load(ctx, key)
}

func (m *mortal) Swap(ctx context.Context, o artifacts.Object, tag string) (string, error) {
	if m.dead.Load() {
		return "", errDead
	}
	return m.Store.Swap(ctx, o, tag)
}

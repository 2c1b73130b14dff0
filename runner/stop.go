package runner

import (
	"context"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/carlin-cicd/runner/runner/process"
)

// reserve is kept of the stop budget for what must be written in any case: the record, the log and the reports.
// It is at most a quarter of the budget.
const reserve = 3 * time.Second

// stopper turns the signals sent to the runner into one plan for the rest of the run.
//
//  1. The first signal starts the clock of the stop budget, and is handed to the supervised command if there is one.
//  2. Everything that publishes works under a deadline that the budget sets from that moment.
//  3. A second signal is handed on too (the command is killed), and ends what does not have to be written.
type stopper struct {
	budget  time.Duration
	forward chan os.Signal      // to the supervised command
	told    chan syscall.Signal // to whoever logs it

	mu      sync.Mutex
	first   syscall.Signal
	at      time.Time
	stopped context.CancelCauseFunc // on the first signal: no new phase starts
	hurried context.CancelCauseFunc // on the second

	work   context.Context // ends with the first signal
	finish context.Context // ends with the second
}

func newStopper(ctx context.Context, budget time.Duration, signals <-chan os.Signal) *stopper {
	s := &stopper{budget: budget, forward: make(chan os.Signal, 4), told: make(chan syscall.Signal, 4)}
	s.work, s.stopped = context.WithCancelCause(ctx)
	s.finish, s.hurried = context.WithCancelCause(ctx)
	go func() {
		for {
			select {
			case sig, ok := <-signals:
				if !ok {
					return
				}
				if n, isUnix := sig.(syscall.Signal); isUnix && n != syscall.SIGURG && n != syscall.SIGCHLD && n != syscall.SIGPIPE {
					s.receive(n)
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return s
}

func (s *stopper) receive(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.first == 0 {
		s.first, s.at = sig, time.Now()
		s.stopped(&process.CancelledError{Signal: sig})
	} else {
		s.hurried(&process.CancelledError{Signal: sig})
	}
	select {
	case s.told <- sig:
	default:
	}
	select {
	case s.forward <- sig:
	default: // nobody is listening, and enough is waiting to be heard
	}
}

// signal returns the first signal and when it came; zero while there was none.
func (s *stopper) signal() (syscall.Signal, time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.first, s.at
}

// publishing returns the context of what may be cut short: it ends with a second signal, or a reserve before the end of the budget.
// A signal that comes later still starts the clock.
func (s *stopper) publishing() (context.Context, context.CancelFunc) {
	return s.bounded(s.finish, s.budget-min(reserve, s.budget/4))
}

// recording returns the context of what must be written in any case: it ends with the budget only.
func (s *stopper) recording() (context.Context, context.CancelFunc) {
	return s.bounded(context.WithoutCancel(s.finish), s.budget)
}

// telling returns the context of what is told to people once everything is on record: it ends with a second signal, or with the
// budget, but for the moment that it takes to end before somebody ends us.
func (s *stopper) telling() (context.Context, context.CancelFunc) {
	return s.bounded(s.finish, s.budget-min(reserve, s.budget/4)/3)
}

func (s *stopper) bounded(parent context.Context, after time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	go func() {
		select {
		case <-s.work.Done():
		case <-ctx.Done():
			return
		}
		_, at := s.signal()
		timer := time.NewTimer(time.Until(at.Add(after)))
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel(errBudget)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(context.Canceled) }
}

// errBudget is why publishing is cut short.
var errBudget = budgetError{}

type budgetError struct{}

func (budgetError) Error() string { return "the stop budget is used up" }

// Hint says how to get more.
func (budgetError) Hint() string {
	return "raise stopTimeout in the task definition and RUNNER_STOP_BUDGET with it"
}

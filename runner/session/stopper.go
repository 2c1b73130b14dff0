package session

import (
	"context"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/carlin-cicd/runner/runner/process"
)

// Reserve is kept of the stop budget for what must be written in any case: the record, the log and the reports.
// It is at most a quarter of the budget.
const Reserve = 3 * time.Second

// Stopper turns the signals sent to the runner into one plan for the rest of the run.
//
//  1. The first signal starts the clock of the stop budget, and is handed to the supervised command if there is one.
//  2. Everything that publishes works under a deadline that the budget sets from that moment.
//  3. A second signal is forwarded too (the command is killed), and ends everything that need not be written.
type Stopper struct {
	Budget   time.Duration       // between the first signal and the end
	Forward  chan os.Signal      // to the supervised command
	Received chan syscall.Signal // to the logger

	mu      sync.Mutex
	filter  process.SignalFilter
	first   syscall.Signal
	at      time.Time
	stopped context.CancelCauseFunc // on the first signal: no new phase starts
	hurried context.CancelCauseFunc // on the second

	Work   context.Context // ends with the first signal
	Finish context.Context // ends with the second
}

func NewStopper(ctx context.Context, budget time.Duration, signals <-chan os.Signal) *Stopper {
	s := &Stopper{Budget: budget, Forward: make(chan os.Signal, 4), Received: make(chan syscall.Signal, 4)}
	s.Work, s.stopped = context.WithCancelCause(ctx)
	s.Finish, s.hurried = context.WithCancelCause(ctx)
	go func() {
		for {
			select {
			case sig, ok := <-signals:
				if !ok {
					return
				}
				if n, isUnix := sig.(syscall.Signal); isUnix && n != syscall.SIGURG && n != syscall.SIGCHLD &&
					n != syscall.SIGPIPE {
					s.receive(n)
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return s
}

func (s *Stopper) receive(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.filter.IsDuplicate(sig, time.Now()) {
		return
	}
	if s.first == 0 {
		s.first, s.at = sig, time.Now()
		s.stopped(&process.CancelledError{Signal: sig})
	} else {
		s.hurried(&process.CancelledError{Signal: sig})
	}
	select {
	case s.Received <- sig:
	default:
	}
	select {
	case s.Forward <- sig:
	default: // no command is running, and the buffer is full
	}
}

// Signal returns the first signal and when it arrived; zero before the first.
func (s *Stopper) Signal() (syscall.Signal, time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.first, s.at
}

// PublishContext returns the context of work that may be cut short: it ends with a second signal, or a reserve before
// the end of the budget. A signal that comes later still starts the clock.
func (s *Stopper) PublishContext() (context.Context, context.CancelFunc) {
	return s.Bounded(s.Finish, s.Budget-min(Reserve, s.Budget/4))
}

// RecordContext returns the context of records that must be written in any case: it ends with the budget only.
func (s *Stopper) RecordContext() (context.Context, context.CancelFunc) {
	return s.Bounded(context.WithoutCancel(s.Finish), s.Budget)
}

// NotifyContext returns the context of notifications after the record is stored: it ends with a second signal, or
// shortly before the budget does.
func (s *Stopper) NotifyContext() (context.Context, context.CancelFunc) {
	return s.Bounded(s.Finish, s.Budget-min(Reserve, s.Budget/4)/3)
}

// Bounded returns a context that ends the given time after the first signal.
func (s *Stopper) Bounded(parent context.Context, after time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	go func() {
		select {
		case <-s.Work.Done():
		case <-ctx.Done():
			return
		}
		_, at := s.Signal()
		timer := time.NewTimer(time.Until(at.Add(after)))
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel(ErrBudget)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(context.Canceled) }
}

// ErrBudget is the cause when the stop budget cuts work short.
var ErrBudget = budgetError{}

type budgetError struct{}

func (budgetError) Error() string { return "the stop budget is used up" }

// Hint says how to get more.
func (budgetError) Hint() string {
	return "raise stopTimeout in the task definition and RUNNER_STOP_BUDGET with it"
}

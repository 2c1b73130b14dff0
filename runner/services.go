package runner

import (
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/service"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/steps"
)

// Services are ready before the first command of before, and stop after the last one of after. In between the end of one
// that is not optional ends the step: it stops the command that runs, but for those of on_failure and after, and no
// further phase begins. A service that ends while they are being stopped is no failure.

// startServices starts the services of the step. The error is a *service.Error, or that of a stopped run.
func (r *run) startServices() error {
	if len(r.step.Services) == 0 {
		return nil
	}
	return r.phase("services", func() (err error) {
		setting := service.Setting{
			Services: r.step.Services, Program: r.in.Program, RunID: r.ID, Directory: r.directory(),
			Variables: r.env.Variables, Grace: r.Config.Grace, Log: r.Log, Output: r.serviceOutput,
		}
		if setting.Sidecars, err = service.ParseSidecars(r.Variables[service.SidecarsVariable]); err != nil {
			return &outcome.ConfigError{Err: err, Advice: "cicd.yaml sets it from TestServices and BuildServices"}
		}
		if slices.ContainsFunc(r.step.Services, steps.Service.IsContainer) {
			setting.Engine = service.FindEngine(r.env.Variables)
		}
		if r.services, err = service.New(setting); err != nil {
			return err
		}
		r.env.Variables = maps.Clone(r.env.Variables)
		maps.Copy(r.env.Variables, r.services.Variables())
		ctx, cancel := context.WithDeadline(r.Stop.Work, r.Deadline)
		defer cancel()
		err = r.services.Start(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			return &process.TimeoutError{Limit: r.step.Timeout}
		}
		return err
	})
}

// serviceOutput is the way of the output of a service into the log, and of what is shown of it to the page.
func (r *run) serviceOutput(name string, shown io.Writer) io.WriteCloser {
	lines := r.sink.Source("service/" + name)
	return outputOfService{r.Redactor.Writer(io.MultiWriter(lines, shown)), lines}
}

type outputOfService struct {
	io.WriteCloser
	lines io.Closer
}

// Close ends the last line.
func (o outputOfService) Close() error { return errors.Join(o.WriteCloser.Close(), o.lines.Close()) }

// stopServices stops the services. In a stopped run they get half of what is left of the stop budget.
func (r *run) stopServices() {
	if r.services == nil || r.services.Stopped() {
		return
	}
	budget := r.Stop.Budget - min(session.Reserve, r.Stop.Budget/4)
	allowed := budget / 2 // from the signal on, which may come while they stop
	if sig, at := r.Stop.Signal(); sig != 0 {
		used := time.Since(at)
		allowed = used + max(budget-used, 0)/2
	}
	ctx, cancel := r.Stop.Bounded(r.Stop.Finish, allowed)
	defer cancel()
	_ = r.timed("stop services", func() error {
		r.services.Stop(ctx)
		return nil
	})
	process.EndKept(r.Marker(), 0) // of one whose supervisor was killed
}

// checkServices has a run that is not stopped end with a service that did, if it has no other error so far.
func (r *run) checkServices(err error) {
	beside := r.services.Err()
	if sig, _ := r.Stop.Signal(); beside == nil || sig != 0 || errors.Is(err, beside) || r.hooks.failed == beside {
		return
	}
	if err == nil && r.hooks.failed == nil {
		r.hooks.failed = beside
		return
	}
	r.Log.Error("a service ended", "error", beside.Error(), "hint", outcome.Hint(beside))
}

// settleTime is how long the end of a service takes to be noticed: a command that fails for want of it may end first.
const settleTime = 100 * time.Millisecond

// orServiceError returns the end of a service as the reason why a command ended, if one has ended.
func (r *run) orServiceError(err error) error {
	if sig, _ := r.Stop.Signal(); r.services == nil || sig != 0 {
		return err
	}
	if err != nil {
		r.services.Settle(settleTime)
	}
	return cmp.Or(r.services.Err(), err)
}

// stopWithServices returns signals for a command that is stopped when a service ends.
func (r *run) stopWithServices(signals <-chan os.Signal) (merged <-chan os.Signal, release func()) {
	if r.services == nil {
		return signals, func() {}
	}
	all, over := make(chan os.Signal, cap(signals)+1), make(chan struct{})
	go func() {
		failed := r.services.Failed()
		for {
			select {
			case sig := <-signals:
				all <- sig
			case <-failed:
				failed = nil
				all <- syscall.SIGTERM
			case <-over:
				return
			}
		}
	}()
	return all, func() { close(over) }
}

// serviceText describes a service: "db: postgres -D $SERVICE_DATA, after cache, ready when pg_isready".
func serviceText(s steps.Service) string {
	text := s.Name + ": " + cmp.Or(s.Image, s.Command.String())
	if len(s.After) > 0 {
		text += ", after " + strings.Join(s.After, ", ")
	}
	ready := cmp.Or(s.Ready.HTTP, s.Ready.Command.String())
	switch {
	case s.Ready.Port != "":
		ready = "port " + s.Ready.Port + " accepts connections"
	case s.Ready.Log != nil:
		ready = "a line matches " + s.Ready.Log.String()
	}
	if ready != "" {
		text += ", ready when " + ready
	}
	if s.Optional {
		text += ", optional"
	}
	return text
}

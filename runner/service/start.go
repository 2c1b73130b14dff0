package service

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/carlin-cicd/runner/runner/record"
)

// Start starts the services, and returns once all that are not optional are ready. The error is an *Error, or that of
// the context.
func (s *Set) Start(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	for _, one := range s.all {
		all.Go(func() {
			defer close(one.ready)
			err := s.startAfter(ctx, one)
			one.isReady = err == nil
			if err == nil || ctx.Err() != nil {
				return
			}
			one.note(func(r *record.Service) { r.Error = err.Error() })
			if one.Optional {
				s.setting.Log.Warn("a service is not ready", "service", one.Name, "error", err.Error(), "hint", hint(err))
				return
			}
			cancel(err)
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// startAfter starts a service once those that it is after are ready, and waits until it is.
func (s *Set) startAfter(ctx context.Context, one *service) error {
	for _, name := range one.After {
		other := s.named(name)
		select {
		case <-other.ready:
		case <-ctx.Done():
			return ctx.Err()
		}
		if !other.isReady {
			return &Error{Service: one.Name, Message: "is not started, since " + name + " is not ready"}
		}
	}
	began := time.Now()
	if one.kind != record.ServiceSidecar {
		if err := s.launch(ctx, one); err != nil {
			return err
		}
	}
	if err := s.awaitReady(ctx, one); err != nil {
		return err
	}
	took := max(record.Seconds(time.Since(began)), 0.001) // 0 is for one that never was
	one.note(func(r *record.Service) { r.Ready = took })
	s.setting.Log.Info("service ready", "service", one.Name, "kind", string(one.kind), "port", one.port, "seconds", took)
	return nil
}

// launch starts the process of a service, or its container, and returns when its setup has ended.
func (s *Set) launch(ctx context.Context, one *service) error {
	if err := one.refuseTakenPort(); err != nil {
		return err
	}
	request, err := s.request(ctx, one)
	if err != nil {
		return err
	}
	output := s.setting.Output(one.Name, one.lines)
	s.setting.Log.Info("starting service", "service", one.Name, "command", one.describe())
	one.supervisor, err = start(s.setting.Program, request, output)
	if err != nil {
		_ = output.Close()
		return &Error{Service: one.Name, Message: "cannot be started: " + err.Error(), Err: err}
	}
	s.watchers.Go(func() { s.watch(one) })
	select {
	case <-one.supervisor.started:
		return nil
	case <-one.supervisor.ended:
		return one.endError()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// describe is what is run.
func (one *service) describe() string {
	return cmp.Or(one.Image, one.Command.String())
}

// watch waits for the end of a service. If it was not ready by then, Start reports it.
func (s *Set) watch(one *service) {
	<-one.supervisor.ended
	<-one.ready
	end := one.supervisor.end
	s.mu.Lock()
	defer s.mu.Unlock()
	one.note(func(r *record.Service) { r.ExitCode, r.Killed = end.ExitCode, end.Killed })
	if !one.isReady || s.ending && !one.left {
		return
	}
	err := one.endError()
	one.note(func(r *record.Service) { r.Error = err.Error() })
	if one.Optional {
		s.setting.Log.Warn("a service ended", "service", one.Name, "error", err.Error(), "hint", err.Hint())
		return
	}
	if s.cause == nil {
		s.cause = err
		close(s.failed)
	}
}

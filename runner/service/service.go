// Package service runs processes and containers that live beside the command of a step.
//
// Each of them has a supervisor: this program, started once more, so that package process serves the step's command and
// each service alike. The supervisor hears of the end of the runner by the end of its input, even if the runner was
// killed, and leaves nothing of the service behind.
//
//  1. New gives every service a port and a folder.
//  2. Start starts each once those that it is after are ready, and returns when all of them are.
//  3. Failed is closed when one that is not optional ends by itself.
//  4. Stop stops each once those that are after it have stopped.
package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/steps"
)

// Host is where services listen.
const Host = "127.0.0.1"

// Setting is what services are started with.
type Setting struct {
	Services  []steps.Service
	Program   string            // path of this program
	RunID     string            // of the run; it marks containers
	Directory string            // where commands are run
	Variables map[string]string // of the step's command, secrets resolved
	Sidecars  []Sidecar         // containers that the task has
	Engine    string            // path of podman or docker; "" for none
	Grace     time.Duration     // between TERM and KILL

	Log *slog.Logger
	// Output returns where the output of a service goes, and what is shown of it is written to shown, redacted.
	Output func(name string, shown io.Writer) io.WriteCloser
}

// Set is the services of a run.
type Set struct {
	setting Setting
	all     []*service // in the order in which they are started
	ports   []int      // that were given out

	failed chan struct{} // closed after cause was set
	once   sync.Once     // of Stop
	mu     sync.Mutex
	cause  *Error
	ending bool // they are being stopped: an end is not a failure
}

// service is one of them.
type service struct {
	steps.Service
	kind      record.ServiceKind
	port      int               // for clients; 0: none
	inside    int               // the port in the container
	data      string            // its folder; "" for a container
	container string            // its name
	scope     map[string]string // the variables that its settings may name
	env       map[string]string // what it gets
	lines     *lines

	supervisor *supervisor // nil before it is started, and for a sidecar
	ready      chan struct{}
	isReady    bool // valid once ready is closed
	stopped    chan struct{}

	mu  sync.Mutex
	was record.Service // what became of it
}

// New prepares the services of a step. The error is an *Error.
func New(s Setting) (*Set, error) {
	set := &Set{setting: s, failed: make(chan struct{})}
	ordered, _ := steps.OrderServices(s.Services) // the file has been checked
	for _, declared := range ordered {
		one := &service{
			Service: declared, kind: record.ServiceCommand, lines: newLines(declared.Ready.Log),
			ready: make(chan struct{}), stopped: make(chan struct{}),
		}
		set.all = append(set.all, one)
		if err := set.place(one); err != nil {
			set.removeData()
			return nil, err
		}
		one.was = record.Service{Name: one.Name, Kind: one.kind, Image: one.Image, Port: one.port}
	}
	for _, one := range set.all {
		set.setVariables(one)
	}
	return set, nil
}

// place decides where a service runs, and gives it a port and a folder.
func (s *Set) place(one *service) (err error) {
	if one.IsContainer() {
		one.inside, _ = strconv.Atoi(one.Ready.Port)
		if sidecar, ok := findSidecar(s.setting.Sidecars, one.Service); ok {
			one.kind, one.port = record.ServiceSidecar, sidecar.Port
			return nil
		}
		if s.setting.Engine == "" {
			return newMissingEngineError(one.Service, s.setting.Sidecars)
		}
		one.kind = record.ServiceContainer
		one.container = containerName(s.setting.RunID, one.Name)
	} else if one.data, err = makeData(one.Name); err != nil {
		return &Error{Service: one.Name, Message: "has no folder: " + err.Error(), Err: err}
	}
	if one.port, err = s.freePort(); err != nil {
		return &Error{Service: one.Name, Message: "has no port: " + err.Error(), Err: err}
	}
	return nil
}

// Variables returns what the step's command finds its services by.
func (s *Set) Variables() map[string]string {
	all := map[string]string{}
	for _, one := range s.all {
		all[one.Variable("HOST")] = Host
		if one.port != 0 {
			all[one.Variable("PORT")] = strconv.Itoa(one.port)
		}
		if one.data != "" {
			all[one.Variable("DATA")] = one.data
		}
	}
	return all
}

// setVariables sets what a service gets: a command what the step's command does, a container nothing of that. Its own
// variables may name others: $NAME, or ${NAME}.
func (s *Set) setVariables(one *service) {
	one.scope = maps.Clone(s.setting.Variables)
	delete(one.scope, "RUN_ID") // its processes are its supervisor's, and do not end with the command
	maps.Copy(one.scope, s.Variables())
	one.scope["SERVICE_NAME"], one.scope["SERVICE_PORT"] = one.Name, strconv.Itoa(one.port)
	if one.data != "" {
		one.scope["SERVICE_DATA"] = one.data
	}
	own := map[string]string{}
	for name, value := range one.Environment {
		own[name] = os.Expand(value, func(name string) string {
			if name == "$" {
				return name
			}
			return one.scope[name]
		})
	}
	if one.env = own; !one.IsContainer() {
		one.env = maps.Clone(one.scope)
		maps.Copy(one.env, own)
		maps.Copy(one.scope, own)
	}
}

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
	one.note(func(r *record.Service) { r.Ready = record.Seconds(time.Since(began)) })
	s.setting.Log.Info("service ready", "service", one.Name, "kind", string(one.kind), "port", one.port,
		"seconds", record.Seconds(time.Since(began)))
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
	go s.watch(one)
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
	if s.ending || !one.isReady {
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

// Failed is closed when a service that is not optional has ended by itself.
func (s *Set) Failed() <-chan struct{} {
	if s == nil {
		return nil
	}
	return s.failed
}

// Settle waits until a service that has ended, or does so within a moment, has been cleared away and counts as failed.
func (s *Set) Settle(moment time.Duration) {
	leaving := make(chan *service, len(s.all))
	over := make(chan struct{})
	defer close(over)
	for _, one := range s.all {
		if one.supervisor != nil && !one.Optional {
			go func() {
				select {
				case <-one.supervisor.leaving:
					leaving <- one
				case <-over:
				}
			}()
		}
	}
	select {
	case <-leaving:
	case <-time.After(moment):
		return
	}
	select {
	case <-s.failed:
	case <-time.After(process.DefaultDrain + leftoverTime):
	}
}

// leftoverTime is how long a supervisor takes to end what its service has left.
const leftoverTime = 5 * time.Second

// Err returns which one has, as an *Error; nil for none.
func (s *Set) Err() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause == nil {
		return nil
	}
	return s.cause
}

// Stopped reports whether Stop was called.
func (s *Set) Stopped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ending
}

// Stop stops the services, each once those that are after it have stopped, and removes their folders. From the end of
// ctx on they are killed.
func (s *Set) Stop(ctx context.Context) {
	if s != nil {
		s.once.Do(func() { s.stop(ctx) })
	}
}

func (s *Set) stop(ctx context.Context) {
	s.mu.Lock()
	s.ending = true
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, s.setting.Grace)
	defer cancel()
	var all sync.WaitGroup
	for _, one := range s.all {
		all.Go(func() {
			defer close(one.stopped)
			for _, other := range s.all {
				if slices.Contains(other.After, one.Name) {
					<-other.stopped
				}
			}
			one.supervisor.stop(ctx)
		})
	}
	all.Wait()
	s.removeData()
}

func (s *Set) removeData() {
	for _, one := range s.all {
		if one.data == "" {
			continue
		}
		if err := os.RemoveAll(one.data); err != nil {
			s.setting.Log.Warn("the folder of a service could not be removed", "service", one.Name, "error", err.Error())
		}
	}
}

// Record returns what became of the services.
func (s *Set) Record() []record.Service {
	if s == nil {
		return nil
	}
	var all []record.Service
	for _, one := range s.all {
		one.note(func(r *record.Service) { r.Lines, r.Dropped = one.lines.shown() })
		all = append(all, one.was)
	}
	return all
}

func (s *Set) named(name string) *service {
	return s.all[slices.IndexFunc(s.all, func(one *service) bool { return one.Name == name })]
}

// note changes the record of a service.
func (one *service) note(change func(*record.Service)) {
	one.mu.Lock()
	defer one.mu.Unlock()
	change(&one.was)
}

// makeData creates the folder of a service. Only its own user may enter it: initdb insists on that. Its path is short
// enough for the name of a socket in it.
func makeData(name string) (string, error) {
	return os.MkdirTemp("", "runner-"+name+"-*")
}

// Error is a service that could not be started, was not ready in time, or ended by itself.
type Error struct {
	Service string
	Message string   // after its name
	Lines   []string // the end of its output, redacted
	Advice  string
	Err     error // why, or nil
}

func (e *Error) Error() string { return fmt.Sprintf("service %s %s", e.Service, e.Message) }

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// Hint says what to do about it.
func (e *Error) Hint() string {
	return cmp.Or(e.Advice, "see its lines in the log; optional: true lets the step go on without it")
}

func hint(err error) string {
	var own *Error
	if errors.As(err, &own) {
		return own.Hint()
	}
	return ""
}

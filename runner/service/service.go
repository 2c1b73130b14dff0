// Package service runs processes and containers that live beside the command of a step.
//
// Each of them has a supervisor: this program, started once more, so that package process serves the step's command and
// each service alike. The supervisor hears of the end of the runner by the end of its input, even if the runner was
// killed, and leaves nothing of the service behind.
//
//  1. New gives every service a port and a folder.
//  2. Start starts each once those that it is after are ready, and returns when all of them are.
//  3. Failed is closed when one that is not optional ends by itself. Err has it, until Stop has returned at the latest.
//  4. Stop stops each once those that are after it have stopped.
package service

import (
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

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
	ending bool // they are being stopped: an end from then on is not a failure

	watchers sync.WaitGroup // of the ends of the services
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
	left       bool // it had ended by itself before they were stopped
	stopped    chan struct{}

	mu  sync.Mutex
	was record.Service // what became of it
}

// New prepares the services of a step. The error is an *Error.
func New(s Setting) (*Set, error) {
	set := &Set{setting: s, failed: make(chan struct{})}
	ordered, _ := steps.OrderServices(s.Services) // the file has been checked
	for _, declared := range ordered {
		if port := declared.Ready.NamedPort(); port != 0 {
			set.ports = append(set.ports, port) // no other service gets it
		}
	}
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
		one.inside = one.Ready.NamedPort()
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
	if one.port = one.chosenPort(); one.port != 0 {
		return nil
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

// Record returns what became of the services.
func (s *Set) Record() []record.Service {
	if s == nil {
		return nil
	}
	var all []record.Service
	for _, one := range s.all {
		one.note(func(r *record.Service) {
			r.Lines, r.Dropped = one.lines.shown()
			all = append(all, *r)
		})
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

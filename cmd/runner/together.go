package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/process"
)

// stepList splits the value of PIPELINE_STEP, which may name several steps, separated by commas.
func stepList(value string) []string {
	var names []string
	for name := range strings.SplitSeq(value, ",") {
		names = append(names, strings.TrimSpace(name))
	}
	return names
}

// runTogether runs several steps one after the other in this process, each with a record, a report and a deadline of its
// own. The first that fails ends it, as does a signal.
func (o *options) runTogether(ctx context.Context, variables map[string]string, names []string) error {
	if err := checkTogether(variables, names); err != nil {
		return err
	}
	signals := newRelay(o.signals)
	defer signals.stop()
	for i, name := range names {
		variables[stepFlag.variable] = name
		in := o.invocation(variables)
		in.Follows = i > 0
		in.Signals = signals.next()
		if err := o.run(ctx, in); err != nil {
			if rest := names[i+1:]; len(rest) > 0 {
				fmt.Fprintf(o.stderr, "runner: %s did not pass, so these did not run: %s\n", name, strings.Join(rest, ", "))
			}
			return err
		}
		if sig := signals.received(); sig != 0 { // it came while the step ended
			return &process.CancelledError{Signal: sig}
		}
		o.started = time.Now()
	}
	return nil
}

// checkTogether refuses, before the first one runs, steps that are named twice or not known. In a workspace that is yet
// to be checked out, the steps are not known.
func checkTogether(variables map[string]string, names []string) error {
	for i, name := range names {
		switch {
		case name == "":
			return &usageError{"a step between commas has no name", "write them as in --step build,test"}
		case slices.Contains(names[:i], name):
			return &usageError{"step " + name + " is named twice", "name each step once"}
		}
	}
	first := maps.Clone(variables)
	first[stepFlag.variable] = names[0]
	settings, err := config.Read(first)
	if err != nil {
		return outcome.Refused(err)
	}
	if settings.Repository != "" && settings.SHA != "" {
		return nil
	}
	catalogue, err := config.LoadSteps(settings)
	if err != nil {
		return outcome.Refused(err)
	}
	for _, name := range names {
		if _, err := catalogue.Find(name); err != nil {
			return outcome.Refused(err)
		}
	}
	return nil
}

// relay passes the signals of the process to the run that is under way, and remembers the first one that stops it.
type relay struct {
	done chan struct{}

	mu      sync.Mutex
	current chan os.Signal
	first   syscall.Signal
}

func newRelay(signals <-chan os.Signal) *relay {
	r := &relay{done: make(chan struct{}), current: make(chan os.Signal, 8)}
	go func() {
		for {
			select {
			case sig := <-signals:
				r.pass(sig)
			case <-r.done:
				return
			}
		}
	}()
	return r
}

func (r *relay) pass(sig os.Signal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n, ok := sig.(syscall.Signal); ok && r.first == 0 && n != syscall.SIGPIPE {
		r.first = n
	}
	select {
	case r.current <- sig:
	default: // the run has been told eight times
	}
}

// next returns the channel of the next run. No earlier run takes its signals.
func (r *relay) next() <-chan os.Signal {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current = make(chan os.Signal, 8)
	return r.current
}

func (r *relay) received() syscall.Signal {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.first
}

func (r *relay) stop() { close(r.done) }

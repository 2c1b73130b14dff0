// Package keeper renews the locks of a run whose runner was killed, as long as the run's command works.
//
// In a task the runner is process 1, and everything ends with it. Anywhere else a migration outlives a runner that was
// killed, and a second one must not join it. So a process of its own waits beside the runner: once the runner is gone
// without having dismissed it, it renews the locks until no process of the run is left, then releases them.
package keeper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"syscall"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/lease"
)

// Command is the word by which the program starts a keeper. It is not for people.
const Command = "hold-locks"

// Request is what a keeper is started with. It is sent by a pipe, so that no other process can read it.
type Request struct {
	Variables map[string]string // of the runner: where the store is, and credentials
	RunID     string
	TTL       time.Duration
	Locks     map[string]string // the id of the lease by the key of the lock
}

// Keeper is a process that waits.
type Keeper struct {
	input io.WriteCloser
	ended chan error
}

// Start starts this program, by its path, as a keeper.
func Start(program string, r Request) (*Keeper, error) {
	cmd := exec.Command(program, Command)
	cmd.Dir, cmd.Env = "/", []string{"GOMAXPROCS=1"} // no RUN_ID: it is not a process of the run
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	k := &Keeper{input: input, ended: make(chan error, 1)}
	go func() { k.ended <- cmd.Wait() }()
	if err := json.NewEncoder(input).Encode(r); err != nil {
		k.Dismiss()
		return nil, err
	}
	return k, nil
}

// note is what is sent to a keeper after the request.
type note struct {
	Group     int  `json:",omitempty"` // the process group of the command that was started last
	Dismissed bool `json:",omitempty"` // the keeper ends without a word to the store
}

// Watch tells the keeper the process group of a command.
func (k *Keeper) Watch(group int) {
	if k != nil {
		_ = json.NewEncoder(k.input).Encode(note{Group: group})
	}
}

// Dismiss ends the keeper: the runner has released the locks, or could not.
func (k *Keeper) Dismiss() {
	if k == nil {
		return
	}
	_ = json.NewEncoder(k.input).Encode(note{Dismissed: true})
	_ = k.input.Close()
	<-k.ended
}

// Opener opens the store that the variables of a runner name.
type Opener func(ctx context.Context, variables map[string]string) (artifacts.Store, error)

// poll is how often a keeper looks for processes of the run.
const poll = time.Second

// Serve is the keeper. It returns when it is dismissed, and after the locks were released or lost. isRunning reports
// whether a process of a run, whose last command had a process group, is left.
func Serve(ctx context.Context, in io.Reader, open Opener, isRunning func(runID string, group int) bool) error {
	var r Request
	input := json.NewDecoder(in)
	if err := input.Decode(&r); err != nil {
		return fmt.Errorf("the request cannot be read: %w", err)
	}
	group := 0
	for { // until the runner is gone
		var n note
		if err := input.Decode(&n); err != nil {
			break
		}
		if n.Dismissed {
			return nil
		}
		group = n.Group
	}
	store, err := open(ctx, r.Variables)
	if err != nil {
		return err
	}
	swapper, ok := store.(artifacts.Swapper)
	if !ok {
		return errors.New("the store does not support locks")
	}
	var held []*lease.Lease
	for key, id := range r.Locks {
		l, resumeErr := lease.Resume(ctx, swapper, lease.Request{Key: key, TTL: r.TTL}, id)
		if err = errors.Join(err, resumeErr); resumeErr == nil {
			held = append(held, l)
		}
	}
	for isRunning(r.RunID, group) && anyHeld(held) {
		select {
		case <-time.After(poll):
		case <-ctx.Done():
			return errors.Join(err, ctx.Err()) // the locks expire
		}
	}
	for _, l := range held {
		err = errors.Join(err, l.Release(ctx))
	}
	return err
}

func anyHeld(leases []*lease.Lease) bool {
	for _, l := range leases {
		if l.Context().Err() == nil {
			return true
		}
	}
	return false
}

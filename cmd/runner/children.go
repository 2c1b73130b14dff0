package main

import (
	"context"
	"os"
	"os/exec"
	"sync"
	"syscall"
)

// children are processes of this program that run side by side. The first signal stops them, by the context of each; every
// later one is passed on, since a second one kills at once.
type children struct {
	done chan struct{}

	mu      sync.Mutex
	running map[*os.Process]bool
}

// newChildren passes on the signals that come after the context has ended.
func newChildren(ctx context.Context, signals <-chan os.Signal) *children {
	c := &children{done: make(chan struct{}), running: map[*os.Process]bool{}}
	go func() {
		select {
		case <-ctx.Done():
		case <-c.done:
			return
		}
		for {
			select {
			case sig := <-signals:
				if sig != syscall.SIGPIPE {
					c.pass()
				}
			case <-c.done:
				return
			}
		}
	}()
	return c
}

func (c *children) pass() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for process := range c.running {
		_ = process.Signal(syscall.SIGTERM) // it may have ended
	}
}

// start starts a process, and returns what waits for its end.
func (c *children) start(cmd *exec.Cmd) (wait func() error, err error) {
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c.set(cmd.Process, true)
	return func() error {
		defer c.set(cmd.Process, false)
		return cmd.Wait()
	}, nil
}

func (c *children) set(process *os.Process, running bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if running {
		c.running[process] = true
	} else {
		delete(c.running, process)
	}
}

func (c *children) stop() { close(c.done) }

package service

import (
	"context"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/carlin-cicd/runner/runner/process"
)

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
	left := make([]bool, len(s.all))
	var asked sync.WaitGroup
	for i, one := range s.all {
		asked.Go(func() { left[i] = one.supervisor.hasLeft(ctx) })
	}
	asked.Wait()
	s.mu.Lock()
	s.ending = true
	for i, one := range s.all {
		one.left = left[i]
	}
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
	s.watchers.Wait() // the record says how each ended, and Err which had before
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

package logs

import (
	"bytes"
	"io"
	"sync"
	"time"
)

// queue writes to the reader of the log (a pipe, a terminal, a log driver) so that a reader that stalls holds up
// nothing but the writes to it.
//
//  1. Callers add whole lines. That never blocks, so it may be done under the lock of the sink.
//  2. Where the write cannot block either, the caller does it. Else a goroutine, which exists while there is
//     something to write, writes in order.
//  3. Callers then wait for their lines without any lock. So a slow reader slows the command down, as a pipe would.
//  4. While no command runs, and once the run ends or has to stop, the wait is bounded (see bound). What then does
//     not fit into the queue is dropped and counted.
type queue struct {
	w     io.Writer
	room  room
	write func() // q.drain, as a value: starting a goroutine with it does not allocate

	mu      sync.Mutex
	changed sync.Cond // of done, err, bound, until
	pending []chunk
	head    int      // of pending
	free    [][]byte // buffers to use again
	running bool     // the goroutine exists
	added   uint64   // chunks, ever
	done    uint64   // chunks, written or given up
	size    int      // bytes in pending
	err     error    // the first of w: nothing is written after it
	dropped int      // lines

	bound     bound
	until     time.Time // stopping: no wait goes on after it
	progress  time.Time // bounded: when the reader last took something, or was given something after it had everything
	abandoned bool      // it has taken nothing for as long as patience since progress
}

// chunk is some whole lines, or a piece that a terminal's last line gets.
type chunk struct{ text, rest []byte }

// bound says how long callers wait for the reader.
type bound int

const (
	unlimited bound = iota // a command runs, which a slow reader slows down
	idle                   // no command runs: while it takes something within patience
	ending                 // the same in flush, elsewhere while it takes something within stalled
	stopping               // while it takes something within stalled, until a moment
)

const (
	// patience is how long a reader may take nothing while no command runs before it is no longer waited for. It is
	// more than a log driver needs to connect once more.
	patience = 10 * time.Second
	// stalled is the same where something more important is waiting: the record of the run, or the end of its budget.
	stalled = time.Second
	// pieceSize is what is written at once when the waits are bounded, so that progress shows: pipes take it as a
	// whole.
	pieceSize = 4 << 10
	// maxQueued is what the queue holds in bytes when the waits are bounded, and maxQueuedLines what the command
	// may use of it.
	maxQueued      = 2 << 20
	maxQueuedLines = 1 << 20
	// freeBuffers are kept for use.
	freeBuffers = 2
)

func newQueue(w io.Writer) *queue {
	q := &queue{w: w, room: roomOf(w)}
	q.changed.L = &q.mu
	q.write = q.drain
	return q
}

// add takes p over and returns an empty buffer in its place. Lines of the command leave room for those of the runner.
func (q *queue) add(p []byte, ofCommand bool) []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	limit := maxQueued
	if ofCommand {
		limit = maxQueuedLines
	}
	if q.err != nil || q.bound != unlimited && q.size+len(p) > limit {
		q.dropped += bytes.Count(p, newline)
		return p[:0]
	}
	if !q.running && q.room.take(len(p)) {
		if err := writeAll(q.w, p); err != nil {
			q.fail(err)
			q.dropped += bytes.Count(p, newline)
		}
		return p[:0]
	}
	queued, next := p, p[:0]
	switch n := len(q.free) - 1; {
	case q.bound != unlimited: // many may come, of a few bytes each
		queued = bytes.Clone(p)
	case n >= 0:
		next, q.free = q.free[n], q.free[:n]
	default:
		next = make([]byte, 0, bufferSize)
	}
	q.pending = append(q.pending, chunk{queued, queued})
	q.size += len(queued)
	q.added++
	if !q.running {
		q.running = true
		q.touch()
		go q.write()
	}
	return next
}

var newline = []byte("\n")

// drain writes what is pending.
func (q *queue) drain() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.head < len(q.pending) {
		c := &q.pending[q.head]
		piece := c.rest
		if q.bound != unlimited || !q.room.pipe { // of a pipe, progress shows without it
			piece = piece[:min(len(piece), pieceSize)]
		}
		q.mu.Unlock()
		err := writeAll(q.w, piece)
		q.mu.Lock()
		if err != nil {
			q.fail(err)
			break
		}
		if q.bound != unlimited {
			q.touch()
		}
		c = &q.pending[q.head] // add may have moved it
		if c.rest = c.rest[len(piece):]; len(c.rest) == 0 {
			q.pop()
		}
	}
	q.pending, q.head = q.pending[:0], 0
	q.running = false
	q.room.forget()
}

// pop ends the first chunk.
func (q *queue) pop() {
	text := q.pending[q.head].text
	q.pending[q.head] = chunk{}
	q.head++
	q.done++
	q.size -= len(text)
	if len(q.free) < freeBuffers && cap(text) <= 2*bufferSize { // one long record must not stay for good
		q.free = append(q.free, text[:0])
	}
	q.changed.Broadcast()
}

// fail gives everything up.
func (q *queue) fail(err error) {
	q.err = err
	for ; q.head < len(q.pending); q.head++ {
		q.dropped += bytes.Count(q.pending[q.head].text, newline)
		q.pending[q.head] = chunk{}
	}
	q.done, q.size, q.free = q.added, 0, nil
	q.changed.Broadcast()
}

// last returns the ticket of what was added last.
func (q *queue) last() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.added
}

// wait returns when the chunk with this ticket is written, or is not waited for any longer. flush says that the
// caller needs it written.
func (q *queue) wait(ticket uint64, flush bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.done < ticket {
		if q.bound == unlimited {
			q.changed.Wait()
			continue
		}
		limit := stalled
		if q.bound == idle || q.bound == ending && flush {
			limit = patience
		}
		if q.room.moved() {
			q.touch()
		}
		left := time.Until(q.progress.Add(limit))
		if left <= 0 && limit == patience {
			q.abandoned = true
		}
		if q.bound == stopping {
			left = min(left, time.Until(q.until))
		}
		if left <= 0 {
			return
		}
		wake := time.AfterFunc(min(left, limit/10), q.wake)
		q.changed.Wait()
		wake.Stop()
	}
}

// touch notes that the reader takes something.
func (q *queue) touch() {
	q.progress, q.abandoned = time.Now(), false
	q.room.look()
}

// wake has those who wait look at the clock.
func (q *queue) wake() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.changed.Broadcast()
}

// run unbounds the waits, because a command starts, unless the reader does not read.
func (q *queue) run() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.bound == idle && !q.abandoned {
		q.bound = unlimited
	}
}

// limit bounds all waits, those of a run that has to stop until a moment. It never widens a bound.
func (q *queue) limit(to bound, until time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.bound == unlimited {
		q.touch()
	}
	if q.bound <= to {
		q.bound, q.until = to, until
	}
	q.changed.Broadcast()
}

// isIdle reports whether the reader has everything.
func (q *queue) isIdle() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.done == q.added
}

// missing returns the number of lines that the reader will not get. If the run has to stop, or the reader was
// abandoned, that is all that it does not have.
func (q *queue) missing() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	lines := q.dropped
	if q.bound == stopping || q.abandoned {
		for _, c := range q.pending[q.head:] {
			lines += bytes.Count(c.text, newline)
		}
	}
	return lines
}

func (q *queue) firstError() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.err
}

func writeAll(w io.Writer, p []byte) error {
	n, err := w.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return err
}

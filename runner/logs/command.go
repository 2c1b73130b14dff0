package logs

import (
	"os"
	"slices"
	"time"
)

// command is one command's way into the sink. It frames once for each form, because what a line is differs
// between them: text may keep colours.
type command struct {
	sink       *Sink
	json, text *framer // nil where the sink has no such output
	closed     bool
	timer      *time.Timer // of push; nil while it is not running
}

// unfinishedFor is how long a line may be unfinished before the part of it that is there is written. What comes
// after that is collected for as long again.
const unfinishedFor = time.Second

// Write takes the next block of the command's output.
func (c *command) Write(p []byte) (int, error) {
	for rest := p; ; {
		n, ticket, err := c.frame(rest)
		if err != nil {
			return 0, err
		}
		if rest = rest[n:]; len(rest) == 0 {
			c.sink.queue.wait(ticket, false)
			return len(p), nil
		}
		c.sink.queue.wait(max(ticket, 1)-1, false) // while the reader takes one buffer, the next is filled
	}
}

// frame takes the start of a block, as much as fits into a buffer.
func (c *command) frame(p []byte) (n int, ticket uint64, err error) {
	s := c.sink
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.closed {
		return 0, 0, os.ErrClosed
	}
	n = len(p)
	if c.text != nil {
		was := c.text.out.open
		c.text.out.enter(c.text)
		n = c.text.feed(p)
		c.text.draw()
		if was != nil && was != c.text && c.text.name != "" {
			was.draw() // the command's unfinished line, below those of a service
		}
	}
	if c.json != nil {
		// One time for the block: its lines were read together, and reading the clock is not free.
		c.json.out.stamp(s.now())
		if c.text == nil {
			n = c.json.feed(p)
		} else {
			c.json.feedAll(p[:n])
		}
	}
	s.flush()
	c.watch()
	return n, s.queue.last(), nil
}

// watch starts the timer if a line is unfinished.
func (c *command) watch() {
	if c.timer == nil && (c.text.canPush() || c.json.canPush()) {
		for _, f := range c.framers() {
			f.watched = f.stretch
		}
		c.timer = time.AfterFunc(unfinishedFor, c.push)
	}
}

// push writes the stretches of text that have been unfinished since the timer was started.
func (c *command) push() {
	s := c.sink
	s.mu.Lock()
	defer s.mu.Unlock()
	c.timer = nil
	if c.closed {
		return
	}
	for _, f := range c.framers() {
		if f.canPush() && f.watched == f.stretch {
			f.out.enter(f)
			if f == c.json {
				f.out.stamp(s.now())
			}
			f.cut()
		}
	}
	s.flush()
	c.watch()
}

func (c *command) framers() []*framer {
	return slices.DeleteFunc([]*framer{c.text, c.json}, func(f *framer) bool { return f == nil })
}

// Close writes what is left: a last line without newline.
func (c *command) Close() error {
	_ = c.sink.do(c.end)
	return nil
}

func (c *command) end() {
	if c.closed {
		return
	}
	c.closed = true
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.text != nil && c.text.active {
		c.text.out.enter(c.text)
		c.text.end()
	}
	if c.json != nil && c.json.active {
		c.json.out.stamp(c.sink.now())
		c.json.end()
	}
}

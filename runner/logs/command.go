package logs

import "os"

// command is one command's way into the sink. It frames once for each form that somebody reads,
// because what a line is differs between them: text may keep colours.
type command struct {
	sink       *Sink
	json, text *framer // nil where the sink has no such output
	closed     bool
}

// Write takes the next block of the command's output.
func (c *command) Write(p []byte) (int, error) {
	s := c.sink
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.closed {
		return 0, os.ErrClosed
	}
	if c.text != nil {
		c.text.out.enter(c.text)
		c.text.feed(p)
		c.text.draw()
	}
	if c.json != nil {
		// One time for the block: its lines were read together, and the clock is not free.
		c.json.out.stamp(s.now())
		c.json.feed(p)
	}
	s.flush()
	return len(p), nil
}

// Close writes what is left: a last line without newline.
func (c *command) Close() error {
	s := c.sink
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	if c.text != nil && c.text.active {
		c.text.out.enter(c.text)
		c.text.end()
	}
	if c.json != nil && c.json.active {
		c.json.out.stamp(s.now())
		c.json.end()
	}
	s.flush()
	return nil
}

package process

import (
	"errors"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// pipeSize is the largest that needs no privilege. Node drops what a pipe does not hold when it exits: 64 KiB is a burst.
	pipeSize = 1 << 20
	block    = 256 << 10
)

// output carries the command's output from the pipe to the writer, in a goroutine of its own, so that a slow writer
// slows the command and nothing else.
type output struct {
	to   io.Writer
	from *os.File
	name string        // "pipe:[4711]", as /proc has it
	done chan struct{} // closed at the end of the output
	err  error         // of the writer; to be read after done
}

// newOutput makes the pipe and returns its end for the command.
func newOutput(to io.Writer) (*output, *os.File, error) {
	from, write, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	enlarge(write)
	o := &output{to: to, from: from, done: make(chan struct{})}
	if o.to == nil {
		o.to = io.Discard
	}
	if raw, err := from.SyscallConn(); err == nil { // Fd would make the file blocking, and a blocking read knows no deadline
		raw.Control(func(fd uintptr) { o.name = pipeName(fd) })
	}
	return o, write, nil
}

// copy reads until nobody has the other end open, or until it is told to take what is there and stop.
func (o *output) copy() {
	defer close(o.done)
	buffer := make([]byte, block)
	for {
		n, err := o.from.Read(buffer)
		o.deliver(buffer[:n])
		if errors.Is(err, os.ErrDeadlineExceeded) {
			o.rest(buffer)
			return
		}
		if err != nil {
			return
		}
	}
}

// deliver goes on after an error of the writer: a command must not block, or die of SIGPIPE, because our log is full.
func (o *output) deliver(p []byte) {
	if len(p) == 0 || o.err != nil {
		return
	}
	_, o.err = o.to.Write(p)
}

// rest takes what the pipe holds now, and not what somebody whom we could not find goes on writing.
func (o *output) rest(buffer []byte) {
	raw, err := o.from.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) {
		left, err := unix.IoctlGetInt(int(fd), fionread)
		for err == nil && left > 0 {
			var n int
			n, err = syscall.Read(int(fd), buffer[:min(left, len(buffer))])
			if n <= 0 {
				return
			}
			o.deliver(buffer[:n])
			left -= n
		}
	})
}

// finish returns when all output there is has been delivered. By now those who held the other end are gone, or cannot be found.
func (o *output) finish() error {
	o.from.SetReadDeadline(aLongTimeAgo)
	<-o.done
	o.from.Close()
	return o.err
}

func (o *output) close() { o.from.Close() }

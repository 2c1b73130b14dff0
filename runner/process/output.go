package process

import (
	"errors"
	"io"
	"os"
	"syscall"
	"time"
)

const (
	// pipeSize is the capacity of the pipe: a command like node exits without waiting for its last writes, which have
	// to fit. It is the most that an unprivileged process may request.
	pipeSize  = 1 << 20
	blockSize = 256 << 10
)

// output is the reading end of the pipe that the command writes to.
type output struct {
	pipe  *os.File
	inode uint64
	over  chan struct{} // closed when everything has been delivered

	// Valid once over is closed.
	err       error // the first error of the writer
	truncated bool  // reading was abandoned before the end
}

// newOutput creates the pipe; the caller closes the writing end once the command has it.
func newOutput() (o *output, writeEnd *os.File, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	o = &output{pipe: r, over: make(chan struct{})}
	enlarge(w, pipeSize)
	if info, err := r.Stat(); err == nil {
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			o.inode = stat.Ino
		}
	}
	return o, w, nil
}

// deliver copies everything to w, until all writers have closed the pipe or finish's time has come.
func (o *output) deliver(w io.Writer) {
	defer close(o.over)
	defer o.pipe.Close()
	block := make([]byte, blockSize)
	for {
		n, err := o.pipe.Read(block)
		o.write(w, block[:n])
		if errors.Is(err, os.ErrDeadlineExceeded) {
			o.deliverRest(w, block)
			return
		}
		if err != nil {
			return
		}
	}
}

// deliverRest delivers what the pipe holds at this moment, and no more: a process may go on writing forever.
func (o *output) deliverRest(w io.Writer, block []byte) {
	o.truncated = true
	raw, err := o.pipe.SyscallConn()
	if err != nil {
		return
	}
	for left := pipeSize; left >= 0; {
		n := -1
		raw.Control(func(fd uintptr) { // not Read, for which the deadline has passed
			for {
				if n, err = syscall.Read(int(fd), block); err != syscall.EINTR {
					return
				}
			}
		})
		switch {
		case err == nil && n == 0:
			o.truncated = false
			return
		case n <= 0:
			return
		}
		o.write(w, block[:n])
		left -= n
	}
}

func (o *output) write(w io.Writer, block []byte) {
	if len(block) == 0 || o.err != nil {
		return
	}
	n, err := w.Write(block)
	if err == nil && n < len(block) {
		err = io.ErrShortWrite
	}
	o.err = err
}

// finish waits until everything is delivered, but from the given time on not for new output.
func (o *output) finish(by time.Time) {
	o.pipe.SetReadDeadline(by) // fails if the pipe is closed already, which is fine
	<-o.over
}

func (o *output) isOver() bool {
	select {
	case <-o.over:
		return true
	default:
		return false
	}
}

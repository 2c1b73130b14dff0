package cause

import (
	"bytes"
	"encoding/binary"
	"sync"

	"github.com/carlin-cicd/runner/runner/problem"
	"github.com/carlin-cicd/runner/runner/workflow"
	"github.com/carlin-cicd/runner/steps/ansi"
)

// Watch reads a command's output as it comes, redacted, and keeps what may explain a failure and is not at the end: the
// first errors in the forms of known tools, and the notes that workflow commands print. Its memory is bounded, and its
// time is linear: most lines are passed over after a look at each eight bytes.
//
// Its methods may be called by several goroutines.
type Watch struct {
	mu       sync.Mutex
	lines    int    // that are complete
	part     []byte // the start of an unfinished line
	head     []byte // the last line that is not indented, if it may be a file's name
	reader   workflow.Reader
	matcher  problem.Matcher
	read     int // lines that the matcher has read
	problems tally
	notes    notes
}

// The bounds of what a Watch reads and keeps.
const (
	maxPart    = 4 << 10 // bytes of a line
	maxHead    = 512     // bytes of a file's name
	maxMatched = 20_000  // lines that are compared with the forms of tools, so that a flood of errors costs no more
)

// Write never fails.
func (w *Watch) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(p)
	var head []byte // in p
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			break
		}
		line := p[:i]
		p = p[i+1:]
		joined := len(w.part) > 0
		if joined {
			w.hold(line)
			line = w.part
		}
		w.lines++
		switch {
		case len(line) > 1 && line[0] > ' ' && line[0] != ':' && line[0] != '#' && !hasDoubleR(line) && !w.matcher.Expects():
			if head = line; joined { // the buffer is about to be used again
				w.keepHead(line)
				head = nil
			}
		case isInteresting(line) || w.matcher.Expects():
			if head != nil {
				w.keepHead(head)
				head = nil
			}
			w.line(line)
		}
		w.part = w.part[:0]
	}
	if head != nil {
		w.keepHead(head)
	}
	w.hold(p)
	return n, nil
}

// hold keeps the start of an unfinished line.
func (w *Watch) hold(p []byte) {
	w.part = append(w.part, p[:min(len(p), maxPart-len(w.part))]...)
}

func (w *Watch) keepHead(line []byte) { w.head = append(w.head[:0], line[:min(len(line), maxHead)]...) }

// line reads a line that may matter.
func (w *Watch) line(line []byte) {
	if workflow.MayCommand(line) {
		if c := w.reader.Read(line); c.Kind == workflow.Note {
			w.notes.command(w.lines, c.Note)
		}
		return
	}
	if w.read >= maxMatched {
		return
	}
	w.read++
	if len(w.head) > 0 {
		w.matcher.Head(plain(w.head))
		w.head = w.head[:0]
	}
	for _, p := range w.matcher.Line(w.lines, plain(line)) {
		w.problems.add(p)
		w.notes.problem(p)
	}
}

// isInteresting reports whether a line may be a workflow command or an error. It is asked of every line that does not
// begin like most.
func isInteresting(line []byte) bool { return workflow.MayCommand(line) || hasDoubleR(line) }

// hasDoubleR reports whether text has two letters R in a row, as every "error" and "ERR!" has, and little else. It looks
// at seven pairs at once.
func hasDoubleR(text []byte) bool {
	const (
		ones  = 0x0101010101010101
		tops  = 0x8080808080808080
		blank = 0x2020202020202020
		rs    = 0x7272727272727272
	)
	i := 0
	for ; i+8 <= len(text); i += 7 {
		x := (binary.LittleEndian.Uint64(text[i:]) | blank) ^ rs // zero where there is an r
		x |= x>>8 | 0xff<<56                                     // zero where there are two
		if (x-ones)&^x&tops != 0 {
			return true
		}
	}
	for ; i+1 < len(text); i++ {
		if text[i]|0x20 == 'r' && text[i+1]|0x20 == 'r' {
			return true
		}
	}
	return false
}

// plain returns a line as a terminal shows it at the end, without colors.
func plain(line []byte) string {
	if bytes.IndexByte(line, ansi.ESC) >= 0 {
		line = ansi.Strip(line)
	}
	line = bytes.TrimRight(line, "\r")
	if i := bytes.LastIndexByte(line, '\r'); i >= 0 && len(bytes.TrimSpace(line[i+1:])) > 0 {
		line = line[i+1:]
	}
	return string(bytes.TrimRight(bytes.ToValidUTF8(line, []byte("\uFFFD")), " \t\r"))
}

package cause

import (
	"bytes"
	"encoding/binary"
	"strings"
	"sync"

	"github.com/carlin-cicd/runner/runner/problem"
	"github.com/carlin-cicd/runner/runner/workflow"
	"github.com/carlin-cicd/runner/steps/ansi"
)

// Watch reads the beginning of a command's output as it comes, redacted, and keeps what may explain a failure and may
// not be at the end: the first errors in the forms of known tools, and the notes that workflow commands print. End reads
// the end. What is between the first 4 MiB and the end of a long output is not read: the memory is bounded, and the
// time, too.
//
// Its methods may be called by several goroutines.
type Watch struct {
	mu       sync.Mutex
	lines    int    // that are complete
	part     []byte // the start of an unfinished line
	head     []byte // the last line that is not indented, if it may be a file's name
	reader   workflow.Reader
	matcher  problem.Matcher
	scanned  int // bytes
	read     int // lines that the matcher has read
	problems tally
	notes    notes
}

// The bounds of what a Watch reads and keeps.
const (
	maxPart    = 4 << 10 // bytes of a line
	maxHead    = 512     // bytes of a file's name
	maxScanned = 4 << 20 // bytes of an output, to the end of a write
	maxMatched = 5000    // lines that are compared with the forms of tools, so that a flood of errors costs no more
)

// Write never fails.
func (w *Watch) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(p)
	if w.scanned >= maxScanned {
		return n, nil
	}
	w.scanned += n
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
		case workflow.MayCommand(line):
			w.command(line)
		case w.read >= maxMatched:
		case saysError(line) || w.matcher.Expects():
			if head != nil {
				w.keepHead(head)
				head = nil
			}
			w.line(line)
		case len(line) > 1 && line[0] > ' ':
			if head = line; joined { // the buffer is about to be used again
				w.keepHead(line)
				head = nil
			}
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

// command reads a line that may be a workflow command.
func (w *Watch) command(line []byte) {
	if c := w.reader.Read(line); c.Kind == workflow.Note {
		w.notes.command(w.lines, c.Note)
	}
}

// line reads a line that may be an error.
func (w *Watch) line(line []byte) {
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

// saysError reports whether a line has the word "error" where tools have it, or "ERR!". It is asked of every line, so
// that it looks for two letters R in a row first, at seven pairs at once: little else has them.
func saysError(line []byte) bool {
	const (
		ones  = 0x0101010101010101
		tops  = 0x8080808080808080
		blank = 0x2020202020202020
		rs    = 0x7272727272727272
	)
	i := 0
	for ; i+8 <= len(line); i += 7 {
		x := (binary.LittleEndian.Uint64(line[i:]) | blank) ^ rs // zero where there is an r
		x |= x>>8 | 0xff<<56                                     // zero where there are two
		if (x-ones)&^x&tops != 0 && errorWord(line, i, i+7) {
			return true
		}
	}
	return errorWord(line, i, len(line)-1)
}

// errorWord reports whether two letters R that begin in a range belong to an error.
func errorWord(line []byte, from, to int) bool {
	for i := from; i < to; i++ {
		if line[i]|0x20 == 'r' && line[i+1]|0x20 == 'r' && i > 0 && line[i-1]|0x20 == 'e' && errorAt(line, i-1) {
			return true
		}
	}
	return false
}

// errorAt reports whether "err" at a place is the mark of an error of a tool.
func errorAt(line []byte, i int) bool {
	before := byte('\n')
	if i > 0 {
		before = line[i-1]
	}
	rest := line[i+3:]
	if len(rest) > 0 && (rest[0] == '!' || rest[0] == '_') { // npm ERR!, ERR_PNPM
		return true
	}
	if len(rest) < 3 || rest[0]|0x20 != 'o' || rest[1]|0x20 != 'r' {
		return false
	}
	switch next := rest[2]; next {
	case ':':
		return before == ' ' || before == '\n' // gcc: "a.c:1:2: error: "
	case '[', ansi.ESC:
		return true // rustc, and whatever is colored
	case '/', ']':
		return before == '[' // eslint's unix format, esbuild
	case ' ':
		after := byte(0)
		if len(rest) > 3 {
			after = rest[3]
		}
		// "error TS2322", eslint's columns, "ERROR in ./a.js", "error during build", "npm error".
		return after == 'T' || after == ' ' || before == '\n' || i == 4 && bytes.HasPrefix(line, []byte("npm "))
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
	text := strings.TrimRight(strings.ToValidUTF8(string(line), "\uFFFD"), " \t\r")
	if strings.ContainsFunc(text, isHidden) {
		text = strings.Map(func(c rune) rune {
			if isHidden(c) {
				return -1
			}
			return c
		}, text)
	}
	return text
}

// isHidden reports whether a character is a control character, or turns the direction of text.
func isHidden(c rune) bool {
	return c < ' ' && c != '\t' || c >= 0x7f && c < 0xa0 || c >= 0x202a && c <= 0x202e || c >= 0x2066 && c <= 0x2069
}

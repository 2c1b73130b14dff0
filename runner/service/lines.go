package service

import (
	"bytes"
	"regexp"
	"strings"
	"sync"

	"github.com/carlin-cicd/runner/steps/ansi"
)

// The bounds of what is kept of an output.
const (
	maxLines      = 200
	maxLineLength = 400 // bytes
	lastOfError   = 10  // lines that are shown with an error
)

// lines keeps the end of the output of a service, redacted, and finds a line that says that it is ready. It is written
// to by one goroutine and read by others.
type lines struct {
	mu      sync.Mutex
	part    []byte
	kept    []string
	dropped int
	wanted  *regexp.Regexp // nil once it was found, or if there is none
	found   chan struct{}
}

func newLines(wanted *regexp.Regexp) *lines {
	return &lines{wanted: wanted, found: make(chan struct{})}
}

// Write never fails.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(p)
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			break
		}
		l.add(p[:i])
		l.end()
		p = p[i+1:]
	}
	l.add(p)
	return n, nil
}

// add adds to the unfinished line. What is too long is left out.
func (l *lines) add(p []byte) {
	const most = 16 << 10
	l.part = append(l.part, p[:min(len(p), most-len(l.part))]...)
}

func (l *lines) end() {
	line := strings.TrimRight(string(ansi.Strip(l.part)), " \t\r")
	l.part = l.part[:0]
	if l.wanted != nil && l.wanted.MatchString(line) {
		l.wanted = nil
		close(l.found)
	}
	if len(line) > maxLineLength {
		line = strings.ToValidUTF8(line[:maxLineLength], "") + "…"
	}
	if len(l.kept) == maxLines {
		l.kept = append(l.kept[:0], l.kept[1:]...)
		l.dropped++
	}
	l.kept = append(l.kept, line)
}

// shown returns what is kept, and how many lines were before that.
func (l *lines) shown() (all []string, dropped int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all = append(all, l.kept...)
	if len(l.part) > 0 {
		all = append(all, strings.TrimRight(string(ansi.Strip(l.part)), " \t\r"))
	}
	return all, l.dropped
}

// last returns the last lines that are not empty.
func (l *lines) last() []string {
	all, _ := l.shown()
	var last []string
	for _, line := range all {
		if strings.TrimSpace(line) != "" {
			last = append(last, line)
		}
	}
	return last[max(0, len(last)-lastOfError):]
}

package coverage

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
)

// lines reads a text line by line. A line that is longer than the buffer loses its end.
type lines struct {
	in     *bufio.Reader
	number int
	text   []byte
	err    error
}

func newLines(in io.Reader) *lines { return &lines{in: bufio.NewReaderSize(in, 64<<10)} }

func (l *lines) next() bool {
	if l.err != nil {
		return false
	}
	text, err := l.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		text = bytes.Clone(text)
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = l.in.ReadSlice('\n')
		}
	}
	l.err = err
	if len(text) == 0 {
		return false
	}
	l.number++
	l.text = bytes.TrimSpace(text)
	return true
}

// fault is the error that reading ended with, nil at the end of the text.
func (l *lines) fault() error {
	if errors.Is(l.err, io.EOF) {
		return nil
	}
	return l.err
}

func (l *lines) wrong(what string) error {
	return fmt.Errorf("line %d is not %s: %.60q", l.number, what, l.text)
}

func (l *lines) total(to *int64, text []byte) error {
	n, ok := parseCount(text)
	if !ok {
		return l.wrong("a total")
	}
	*to = n
	return nil
}

// maxCount bounds counts, so that sums of them cannot overflow.
const maxCount = 1 << 40

// parseCount reads a number of things or of executions, and reports whether it is one. Counters that overflowed are
// negative, or in the form 1e+20.
func parseCount(text []byte) (int64, bool) {
	if len(text) == 1 && text[0] >= '0' && text[0] <= '9' { // most are
		return int64(text[0] - '0'), true
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		f, err := strconv.ParseFloat(string(text), 64)
		if err != nil || math.IsNaN(f) {
			return 0, false
		}
		n = int64(min(max(f, 0), maxCount))
	}
	return min(max(n, 0), maxCount), true
}

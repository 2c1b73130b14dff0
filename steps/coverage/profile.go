package coverage

import (
	"bytes"
	"errors"
	"io"
	"math"
)

// place is where a block of statements is.
type place struct{ line, column, lastLine, lastColumn uint32 }

// parsePlace reads line.column,line.column.
func parsePlace(text []byte) (p place, ok bool) {
	from, to, found := bytes.Cut(text, []byte(","))
	ok = found && parsePoint(from, &p.line, &p.column) && parsePoint(to, &p.lastLine, &p.lastColumn)
	return p, ok
}

func parsePoint(text []byte, line, column *uint32) bool {
	before, after, _ := bytes.Cut(text, []byte("."))
	l, ok := parseCount(before)
	c, okToo := parseCount(after)
	*line, *column = uint32(min(l, math.MaxUint32)), uint32(min(c, math.MaxUint32))
	return ok && okToo
}

// readProfile reads a profile of Go: name.go:line.column,line.column statements count. One of several packages may have
// a block once for each test binary that could run it.
func readProfile(in io.Reader, d *data) error {
	l := newLines(in)
	for l.next() {
		if len(l.text) == 0 || bytes.HasPrefix(l.text, []byte("mode: ")) {
			continue
		}
		rest, count, _ := cutLast(l.text, ' ')
		where, statements, _ := cutLast(rest, ' ')
		name, span, ok := cutLast(where, ':')
		at, okToo := parsePlace(span)
		n, okThree := parseCount(statements)
		times, okFour := parseCount(count)
		if !ok || !okToo || !okThree || !okFour || len(name) == 0 {
			return l.wrong("a block of a profile")
		}
		d.block(d.file(name), at, n, times > 0)
	}
	if l.number == 0 {
		return errors.Join(errors.New("it is empty"), l.fault())
	}
	return l.fault()
}

func cutLast(text []byte, separator byte) (before, after []byte, found bool) {
	n := bytes.LastIndexByte(text, separator)
	if n < 0 {
		return text, nil, false
	}
	return text[:n], text[n+1:], true
}

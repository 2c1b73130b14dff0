package coverage

import (
	"bytes"
	"errors"
	"hash/maphash"
	"io"
)

// placeSeed makes the places of blocks comparable between reports of one process.
var placeSeed = maphash.MakeSeed()

// readProfile reads a profile of Go: name.go:line.column,line.column statements count. One of several packages may have
// a block once for each test binary that could run it.
func readProfile(in io.Reader, d *data) error {
	l := newLines(in)
	for l.next() {
		if len(l.text) == 0 || bytes.HasPrefix(l.text, []byte("mode: ")) {
			continue
		}
		rest, count, _ := cutLast(l.text, ' ')
		place, statements, _ := cutLast(rest, ' ')
		name, span, ok := cutLast(place, ':')
		n, okToo := parseCount(statements)
		times, okThree := parseCount(count)
		if !ok || !okToo || !okThree || len(name) == 0 {
			return l.wrong("a block of a profile")
		}
		d.block(d.file(name), maphash.Bytes(placeSeed, span), n, times > 0)
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

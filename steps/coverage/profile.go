package coverage

import (
	"bytes"
	"errors"
	"hash/maphash"
	"io"
)

// maxBlocks bounds how many blocks of a profile are told apart; what comes after that is counted as if none came twice.
const maxBlocks = 300_000

// readProfile reads a profile of Go. One of several packages may have a block once for each test binary that could run it.
func readProfile(in io.Reader, folders tally) (Summary, error) {
	var s Summary
	seed := maphash.MakeSeed()
	blocks := map[uint64]bool{} // whether they were covered
	files := map[uint64]struct{}{}
	l := newLines(in)
	for l.next() {
		if len(l.text) == 0 || bytes.HasPrefix(l.text, []byte("mode: ")) {
			continue
		}
		// name.go:line.column,line.column statements count
		rest, count, _ := cutLast(l.text, ' ')
		place, statements, _ := cutLast(rest, ' ')
		file, _, ok := cutLast(place, ':')
		n, okToo := parseCount(statements)
		times, okThree := parseCount(count)
		if !ok || !okToo || !okThree || len(file) == 0 {
			return Summary{}, l.wrong("block of a profile")
		}
		files[maphash.Bytes(seed, file)] = struct{}{}
		key := maphash.Bytes(seed, place)
		covered, known := blocks[key]
		switch {
		case !known:
			var block Figure
			block.count(n, times > 0)
			s.Lines = s.Lines.plus(block)
			folders.add(file, block, Figure{})
			if len(blocks) < maxBlocks {
				blocks[key] = times > 0
			}
		case !covered && times > 0:
			s.Lines.Covered += n
			folders.add(file, Figure{Covered: n}, Figure{})
			blocks[key] = true
		}
	}
	s.Files = len(files)
	if l.number == 0 {
		return s, errors.Join(errors.New("it is empty"), l.fault())
	}
	return s, l.fault()
}

func cutLast(text []byte, separator byte) (before, after []byte, found bool) {
	n := bytes.LastIndexByte(text, separator)
	if n < 0 {
		return text, nil, false
	}
	return text[:n], text[n+1:], true
}

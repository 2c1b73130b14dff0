package coverage

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"io"
)

// maxMarks bounds the memory in bytes for telling files and lines apart. It is enough for a hundred thousand files of a
// thousand lines; what comes after that is counted as if no file came twice.
const (
	maxMarks   = 16 << 20
	sourceSize = 128
)

func isLcov(head []byte) bool {
	for line := range bytes.Lines(head) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return bytes.HasPrefix(line, []byte("TN:")) || bytes.HasPrefix(line, []byte("SF:"))
		}
	}
	return false
}

// bits are a set of small numbers.
type bits []byte

// set adds n, in memory that it takes from room; it reports whether n was not there, and false where there is no room.
func (b *bits) set(n int64, room *int) (added, fits bool) {
	at := int(n / 8)
	if at >= len(*b) {
		more := max(at+1-len(*b), min(len(*b), 1<<10), 8) // not one by one
		if n < 0 || at > maxMarks || more > *room {
			return true, false
		}
		*room -= more
		*b = append(*b, make([]byte, more)...)
	}
	mask := byte(1) << (n % 8)
	added = (*b)[at]&mask == 0
	(*b)[at] |= mask
	return added, true
}

// source is a file of which a record has told. A file has a record for each test that runs it, in some reports.
type source struct {
	lines, linesHit       bits // by number
	branches, branchesHit bits // by their order in a record, which is the same in each of them
	ended                 bool // it has had a record
}

// lcov is a report that is being read.
type lcov struct {
	sum     Summary
	sources map[uint64]*source
	folders tally
	room    int
	seed    maphash.Seed

	current        *source
	name           string
	before         Summary // what the sum was when the record began
	branch         int64   // in the record
	stated         Summary // by the record
	linesListed    bool
	branchesListed bool
}

func readLcov(in io.Reader, folders tally) (Summary, error) {
	r := lcov{sources: map[uint64]*source{}, folders: folders, room: maxMarks, seed: maphash.MakeSeed()}
	l := newLines(in)
	for l.next() {
		if err := r.line(l); err != nil {
			return Summary{}, err
		}
	}
	switch err := l.fault(); {
	case err != nil:
		return Summary{}, err
	case r.current != nil:
		return Summary{}, fmt.Errorf("it ends inside of the record of %.100q", r.name)
	}
	return r.sum, nil
}

func (r *lcov) line(l *lines) error {
	key, value, _ := bytes.Cut(l.text, []byte(":"))
	if r.current == nil && string(key) != "SF" {
		if string(l.text) == "end_of_record" {
			return l.wrong("end of a record that has begun")
		}
		return nil // of the whole report, or of nothing
	}
	switch string(key) {
	case "SF":
		if r.current != nil {
			return l.wrong(fmt.Sprintf("line of the record of %.100q, which has not ended", r.name))
		}
		r.begin(value)
	case "DA":
		number, rest, _ := bytes.Cut(value, []byte(","))
		count, _, _ := bytes.Cut(rest, []byte(",")) // a checksum may follow
		at, ok := parseCount(number)
		n, okToo := parseCount(count)
		if !ok || !okToo {
			return l.wrong("line with its count")
		}
		r.linesListed = true
		mark(&r.sum.Lines, &r.current.lines, &r.current.linesHit, at, n > 0, &r.room)
	case "BRDA":
		taken := value[bytes.LastIndexByte(value, ',')+1:]
		n, ok := parseCount(taken)
		if !ok && string(taken) != "-" || bytes.Count(value, []byte(",")) < 3 {
			return l.wrong("branch with its count")
		}
		r.branchesListed = true
		mark(&r.sum.Branches, &r.current.branches, &r.current.branchesHit, r.branch, n > 0, &r.room)
		r.branch++
	case "LF":
		return l.total(&r.stated.Lines.Total, value)
	case "LH":
		return l.total(&r.stated.Lines.Covered, value)
	case "BRF":
		return l.total(&r.stated.Branches.Total, value)
	case "BRH":
		return l.total(&r.stated.Branches.Covered, value)
	case "end_of_record":
		r.end()
	}
	return nil
}

func (r *lcov) begin(name []byte) {
	hash := maphash.Bytes(r.seed, name)
	r.current = r.sources[hash]
	if r.current == nil {
		r.sum.Files++
		r.current = &source{}
		if r.room > 0 {
			r.room -= sourceSize
			r.sources[hash] = r.current
		}
	}
	r.name, r.before = string(name[:min(len(name), maxPath)]), r.sum
	r.branch, r.stated = 0, Summary{}
	r.linesListed, r.branchesListed = false, false
}

// end takes what a record states where it lists nothing, once for each file.
func (r *lcov) end() {
	if !r.current.ended && !r.linesListed {
		r.sum.Lines = r.sum.Lines.plus(possible(r.stated.Lines.Covered, r.stated.Lines.Total))
	}
	if !r.current.ended && !r.branchesListed {
		r.sum.Branches = r.sum.Branches.plus(possible(r.stated.Branches.Covered, r.stated.Branches.Total))
	}
	r.folders.add([]byte(r.name), r.sum.Lines.minus(r.before.Lines), r.sum.Branches.minus(r.before.Branches))
	r.current.ended = true
	r.current = nil
}

// mark counts number n of something, and that it was covered, once each.
func mark(f *Figure, all, hit *bits, n int64, covered bool, room *int) {
	added, fits := all.set(n, room)
	if added {
		f.Total++
	}
	if !covered {
		return
	}
	if fits {
		added, _ = hit.set(n, room)
	}
	if added {
		f.Covered++
	}
}

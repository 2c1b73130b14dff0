package coverage

import (
	"bytes"
	"fmt"
	"io"
)

func isLcov(head []byte) bool {
	for line := range bytes.Lines(head) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return bytes.HasPrefix(line, []byte("TN:")) || bytes.HasPrefix(line, []byte("SF:"))
		}
	}
	return false
}

// lcov is a report that is being read. A file has a record for each test that runs it, in some reports.
type lcov struct {
	*data
	file     *file // of the record; nil outside of one
	name     string
	branches map[int64]int // of the record, by line: how many came so far
	stated   Summary       // by the record
	listed   Summary       // of the report before the record
}

// readLcov reads records of the form SF:file, DA:line,hits, BRDA:line,block,branch,taken, end_of_record.
func readLcov(in io.Reader, d *data) error {
	r := lcov{data: d, branches: map[int64]int{}}
	l := newLines(in)
	for l.next() {
		if err := r.line(l); err != nil {
			return err
		}
	}
	switch err := l.fault(); {
	case err != nil:
		return err
	case r.file != nil:
		return fmt.Errorf("it ends inside the record of %.100q", r.name)
	}
	return nil
}

func (r *lcov) line(l *lines) error {
	key, value, _ := bytes.Cut(l.text, []byte(":"))
	if r.file == nil && string(key) != "SF" {
		if string(l.text) == "end_of_record" {
			return l.wrong("the end of a record that has begun")
		}
		return nil // of the whole report, or unknown
	}
	switch string(key) {
	case "SF":
		if r.file != nil {
			return l.wrong(fmt.Sprintf("of the record of %.100q, which has not ended", r.name))
		}
		r.file, r.name, r.stated = r.data.file(value), string(value[:min(len(value), maxPath)]), Summary{}
		r.listed = r.data.listed
		clear(r.branches)
	case "DA":
		number, rest, _ := bytes.Cut(value, []byte(","))
		count, _, _ := bytes.Cut(rest, []byte(",")) // a checksum may follow
		at, ok := parseCount(number)
		hits, okToo := parseCount(count)
		if !ok || !okToo {
			return l.wrong("a line with its count")
		}
		r.data.line(r.file, at, hits > 0)
	case "BRDA":
		number, _, _ := bytes.Cut(value, []byte(","))
		at, _ := parseCount(number)
		text := value[bytes.LastIndexByte(value, ',')+1:]
		taken, ok := parseCount(text)
		if !ok && string(text) != "-" || bytes.Count(value, []byte(",")) < 3 {
			return l.wrong("a branch with its count")
		}
		r.data.branch(r.file, at, r.branches[at], taken > 0)
		r.branches[at]++
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

// end takes the totals of a record that lists nothing.
func (r *lcov) end() {
	var stated Summary
	if r.data.listed.Lines == r.listed.Lines {
		stated.Lines = clamp(r.stated.Lines.Covered, r.stated.Lines.Total)
	}
	if r.data.listed.Branches == r.listed.Branches {
		stated.Branches = clamp(r.stated.Branches.Covered, r.stated.Branches.Total)
	}
	r.data.state(r.file, stated)
	r.file = nil
}

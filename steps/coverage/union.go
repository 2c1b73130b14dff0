package coverage

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"math/bits"
	"slices"
)

// maxLine bounds the numbers of lines that are written: of a nonsensical block of Go, too.
const maxLine = 1 << 20

// Union is the lines and branches of merged reports, by file.
type Union struct {
	files    map[string]*merged
	unlisted bool // the reports also count lines whose numbers are not known
}

// IsComplete reports whether the lines of all reports are in the union: summaries have no lines, and reports beyond the
// bounds of memory are only counted.
func (u Union) IsComplete() bool { return len(u.files) > 0 && !u.unlisted }

// union returns what was merged.
func (m *merger) union() Union {
	u := Union{files: m.files, unlisted: m.rest != Summary{} || m.unlisted.Lines != Figure{}}
	for _, f := range m.files {
		if f.extra.Lines != (Figure{}) || !f.listsLines() && len(f.blocks) == 0 && f.stated.Lines.Total > 0 {
			u.unlisted = true
		}
	}
	return u
}

// WriteLcov writes the union as a report of lcov. A line or branch counts 1 if a report covers it, else 0. A line of Go
// is in it if a block of statements is on it, and is covered if one of those is.
func (u Union) WriteLcov(w io.Writer) error {
	out := bufio.NewWriter(w)
	for _, name := range slices.Sorted(maps.Keys(u.files)) {
		u.files[name].writeLcov(out, name)
	}
	return out.Flush()
}

func (f *file) writeLcov(out *bufio.Writer, name string) {
	fmt.Fprintf(out, "TN:\nSF:%s\n", name)
	var sum Summary
	for _, key := range slices.Sorted(maps.Keys(f.branches)) {
		b := f.branches[key]
		line, first := key>>8, int(key&0xff)*64
		for rest := b.all; rest != 0; rest &= rest - 1 {
			i := bits.TrailingZeros64(rest)
			taken := b.taken>>i&1 == 1
			fmt.Fprintf(out, "BRDA:%d,0,%d,%d\n", line, first+i, hits(taken))
			sum.Branches.count(1, taken)
		}
	}
	if sum.Branches.Total > 0 {
		fmt.Fprintf(out, "BRF:%d\nBRH:%d\n", sum.Branches.Total, sum.Branches.Covered)
	}
	lines, hit := f.numbers()
	for n := range int64(len(lines)) * 8 {
		if lines.has(n) {
			fmt.Fprintf(out, "DA:%d,%d\n", n, hits(hit.has(n)))
			sum.Lines.count(1, hit.has(n))
		}
	}
	fmt.Fprintf(out, "LF:%d\nLH:%d\nend_of_record\n", sum.Lines.Total, sum.Lines.Covered)
}

// numbers are the lines of a file, and those that were hit.
func (f *file) numbers() (lines, hit bitset) {
	if len(f.blocks) == 0 {
		return f.lines, f.hit
	}
	last := int64(0)
	for at := range f.blocks {
		last = max(last, min(int64(at.lastLine), maxLine))
	}
	lines, hit = make(bitset, last/8+1), make(bitset, last/8+1)
	for at, b := range f.blocks {
		for n := int64(at.line); n <= min(int64(at.lastLine), maxLine) && b.statements > 0; n++ {
			lines.set(n)
			if b.covered {
				hit.set(n)
			}
		}
	}
	return lines, hit
}

// has reports whether a number is in the set.
func (b bitset) has(n int64) bool { return n/8 < int64(len(b)) && b[n/8]>>(n%8)&1 == 1 }

func hits(covered bool) int {
	if covered {
		return 1
	}
	return 0
}

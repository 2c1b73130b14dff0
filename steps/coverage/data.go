package coverage

import (
	"math/bits"
	"strings"
)

// The bounds of what is held of reports. What is beyond them is counted as if no file, line or branch came
// twice. They are enough for some ten thousand files of a thousand lines.
const (
	maxMarks   = 16 << 20 // bytes for lines, branches and blocks of one report
	maxFiles   = 50_000
	fileSize   = 256 // bytes of maxMarks that a file takes
	branchSize = 48  // a line with branches
	blockSize  = 64  // a block of statements

	maxBranches = 1 << 10 // of one line
	maxPath     = 300     // bytes of a name
)

// data is what one report lists, by file.
type data struct {
	files  map[string]*file // by name, as the report has it
	names  []string         // in their order
	rest   file             // files beyond the bounds
	stated Summary          // totals of the whole report, where its format has them
	listed Summary          // lines and branches as they are listed, repeated ones too
	room   int              // bytes left
}

func newData() *data {
	return &data{files: map[string]*file{}, rest: file{anonymous: true}, room: maxMarks}
}

// file is what is known of one source file.
type file struct {
	lines, hit bitset // by number; of the same length
	branches   map[int64]branch
	blocks     map[place]block // of Go
	extra      Summary         // lines and branches that were counted without their number
	stated     Summary         // totals, for where nothing is listed
	anonymous  bool            // stands for files beyond the bounds
}

// branch are the branches of one line, one bit each.
type branch struct{ all, taken uint64 }

// block is a block of statements of a Go profile.
type block struct {
	statements int64
	covered    bool
}

// file returns the file of that name.
func (d *data) file(name []byte) *file {
	if f := d.files[string(name)]; f != nil {
		return f
	}
	text := strings.ToValidUTF8(string(name[:min(len(name), maxPath)]), "\uFFFD")
	if f := d.files[text]; f != nil {
		return f
	}
	if len(d.files) >= maxFiles || d.room < fileSize+len(text) {
		d.rest.extra.Files++
		return &d.rest
	}
	d.room -= fileSize + len(text)
	f := &file{}
	d.files[text], d.names = f, append(d.names, text)
	return f
}

// line adds a line, and whether it was hit.
func (d *data) line(f *file, number int64, hit bool) {
	d.listed.Lines.count(1, hit)
	if f.anonymous || !d.grow(f, number) {
		f.extra.Lines.count(1, hit)
		return
	}
	f.lines.set(number)
	if hit {
		f.hit.set(number)
	}
}

// grow makes room for a line. It reports whether there was any.
func (d *data) grow(f *file, number int64) bool {
	at := number / 8
	if number < 0 || at > maxMarks {
		return false
	}
	if more := int(at) + 1 - len(f.lines); more > 0 {
		more = max(more, min(len(f.lines), 1<<10), 8) // not byte by byte
		if 2*more > d.room {
			return false
		}
		d.room -= 2 * more
		f.lines, f.hit = append(f.lines, make([]byte, more)...), append(f.hit, make([]byte, more)...)
	}
	return true
}

// state adds totals of a file, which count where nothing of it is listed.
func (d *data) state(f *file, s Summary) {
	d.listed.Lines, d.listed.Branches = d.listed.Lines.plus(s.Lines), d.listed.Branches.plus(s.Branches)
	if f.anonymous {
		f.extra.Lines, f.extra.Branches = f.extra.Lines.plus(s.Lines), f.extra.Branches.plus(s.Branches)
		return
	}
	f.stated.Lines, f.stated.Branches = f.stated.Lines.atLeast(s.Lines), f.stated.Branches.atLeast(s.Branches)
}

// branch adds the branch with an index on a line.
func (d *data) branch(f *file, line int64, index int, taken bool) {
	d.listed.Branches.count(1, taken)
	key := line<<8 | int64(index/64&0xff)
	b, known := f.branches[key]
	if !known {
		if f.anonymous || d.room < branchSize {
			f.extra.Branches.count(1, taken)
			return
		}
		d.room -= branchSize
		if f.branches == nil {
			f.branches = map[int64]branch{}
		}
	}
	bit := uint64(1) << (index % 64)
	b.all |= bit
	if taken {
		b.taken |= bit
	}
	f.branches[key] = b
}

// branchCounts adds the branches of a line of which only the number is known.
func (d *data) branchCounts(f *file, line int64, figure Figure) {
	for i := range min(figure.Total, maxBranches) {
		d.branch(f, line, int(i), i < figure.Covered)
	}
}

// block adds a block of statements.
func (d *data) block(f *file, at place, statements int64, covered bool) {
	d.listed.Lines.count(statements, covered)
	b, known := f.blocks[at]
	if !known {
		if f.anonymous || d.room < blockSize {
			f.extra.Lines.count(statements, covered)
			return
		}
		d.room -= blockSize
		if f.blocks == nil {
			f.blocks = map[place]block{}
		}
	}
	f.blocks[at] = block{max(b.statements, statements), b.covered || covered}
}

// summary counts a file. Totals that are stated count where nothing is listed; beside what is listed they can only show
// that more was covered.
func (f *file) summary() Summary {
	s := Summary{Lines: f.extra.Lines, Branches: f.extra.Branches, Files: 1}
	if f.anonymous {
		s.Files = f.extra.Files
	}
	s.Lines = s.Lines.plus(Figure{f.hit.count(), f.lines.count()})
	for _, b := range f.blocks {
		s.Lines.count(b.statements, b.covered)
	}
	for _, b := range f.branches {
		s.Branches = s.Branches.plus(Figure{int64(bits.OnesCount64(b.taken)), int64(bits.OnesCount64(b.all))})
	}
	s.Lines, s.Branches = s.Lines.orStated(f.stated.Lines), s.Branches.orStated(f.stated.Branches)
	return s
}

func (f Figure) orStated(stated Figure) Figure {
	if f.Total == 0 {
		return stated
	}
	return Figure{max(f.Covered, min(stated.Covered, f.Total)), f.Total}
}

// unlisted are the totals of a report that it does not list.
func (d *data) unlisted() Summary {
	return Summary{Lines: d.stated.Lines.minus(d.listed.Lines), Branches: d.stated.Branches.minus(d.listed.Branches)}
}

// merge adds what another report has of the same file.
func (f *file) merge(g *file) {
	f.lines.union(g.lines)
	f.hit.union(g.hit)
	for key, b := range g.branches {
		if f.branches == nil {
			f.branches = map[int64]branch{}
		}
		a := f.branches[key]
		f.branches[key] = branch{a.all | b.all, a.taken | b.taken}
	}
	for at, b := range g.blocks {
		if f.blocks == nil {
			f.blocks = map[place]block{}
		}
		a := f.blocks[at]
		f.blocks[at] = block{max(a.statements, b.statements), a.covered || b.covered}
	}
	f.extra.Lines, f.extra.Branches = f.extra.Lines.atLeast(g.extra.Lines), f.extra.Branches.atLeast(g.extra.Branches)
	f.stated.Lines, f.stated.Branches = f.stated.Lines.atLeast(
		g.stated.Lines,
	), f.stated.Branches.atLeast(
		g.stated.Branches,
	)
}

// size is the memory that a file takes, in bytes.
func (f *file) size() int {
	return fileSize + len(f.lines) + len(f.hit) + branchSize*len(f.branches) + blockSize*len(f.blocks)
}

// listsLines reports whether the lines of a file are known by their numbers.
func (f *file) listsLines() bool { return len(f.lines) > 0 }

// bitset is a set of small numbers.
type bitset []byte

func (b bitset) set(n int64) { b[n/8] |= 1 << (n % 8) }

func (b bitset) count() int64 {
	var n int
	for _, byte := range b {
		n += bits.OnesCount8(byte)
	}
	return int64(n)
}

func (b *bitset) union(c bitset) {
	if len(c) > len(*b) {
		*b = append(*b, make([]byte, len(c)-len(*b))...)
	}
	for i, byte := range c {
		(*b)[i] |= byte
	}
}

// equal reports whether two sets have the same numbers.
func (b bitset) equal(c bitset) bool {
	if len(b) < len(c) {
		b, c = c, b
	}
	for i, byte := range b {
		if i < len(c) && byte != c[i] || i >= len(c) && byte != 0 {
			return false
		}
	}
	return true
}

// overlap counts the numbers in both sets.
func (b bitset) overlap(c bitset) int64 {
	var n int
	for i := range min(len(b), len(c)) {
		n += bits.OnesCount8(b[i] & c[i])
	}
	return int64(n)
}

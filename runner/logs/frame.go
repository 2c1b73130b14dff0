package logs

import (
	"unicode/utf8"

	"github.com/carlin-cicd/runner/steps/ansi"
)

const none = -1

// framer makes lines of blocks, wherever the blocks were split. It holds one unfinished line at
// most, encoded already, and no more of it than fits into a record.
//
// A line is what a terminal would have shown last:
//   - a carriage return, CSI G or CSI 2K lets what follows it take the place of what was before;
//     if nothing follows before the newline, the text stays. Pieces of a long line that have been
//     written cannot be taken back.
//   - escape sequences are left out (text may keep colours and links). What begins like one but is
//     not finished on its line, or not within ansi.MaxSequence bytes, is ordinary text.
//   - a byte that is not UTF-8 is a U+FFFD.
type framer struct {
	out    *output
	name   string // of the source; "" for the command
	active bool   // a line has begun
	line   []byte // of it, encoded: what has not been written
	cr     int    // where in line the text that follows a carriage return goes; none: at the end

	stretch     int  // counts the lines and pieces that were written
	watched     int  // the stretch that was unfinished when the command's timer was started
	overwritten bool // this line has lost text to a carriage return

	scan ansi.State // not ground: within a sequence
	seq  []byte     // the sequence so far
	rune []byte     // the start of a character whose rest has not come

	// On a terminal:
	shown int  // bytes of line that stand there
	gone  bool // a piece of this line stands there that is not in line any more
	wipe  bool // what stands there has been overwritten
}

// feed takes the start of a block, up to where the buffer is full or the block ends, and returns its length.
func (f *framer) feed(p []byte) int {
	n := 0
	for n < len(p) && !f.out.isFull() {
		if !f.active && f.name == "" {
			n += f.out.lines(p[n:])
		}
		if !f.out.isFull() {
			n += f.rest(p[n:])
		}
	}
	return n
}

// feedAll takes a whole block.
func (f *framer) feedAll(p []byte) {
	for len(p) > 0 {
		p = p[f.feed(p):]
		f.out.room()
	}
}

// rest takes p up to the end of the current line and returns how much that was.
func (f *framer) rest(p []byte) int {
	for i := 0; i < len(p); {
		f.active = true
		c := p[i]
		if f.scan != ansi.Ground {
			if f.escape(c) {
				i++
			}
			continue
		}
		switch {
		case c == '\n':
			f.end()
			return i + 1
		case c == '\r':
			f.home()
			i++
		case c == ansi.ESC:
			f.stray()
			f.scan, f.seq = ansi.Escape, append(f.seq[:0], c)
			i++
		case c < ' ':
			f.stray()
			f.char(c)
			i++
		default:
			n := 1
			for i+n < len(p) && p[i+n] >= ' ' {
				n++
			}
			f.text(p[i : i+n])
			i += n
		}
	}
	return len(p)
}

// escape takes the next byte of a sequence; false: it was none of it, and neither was the rest.
func (f *framer) escape(c byte) bool {
	was := f.scan
	f.scan = was.Next(c)
	if f.scan != ansi.Ended && len(f.seq)+1 >= ansi.MaxSequence {
		f.scan = ansi.Abandoned
	}
	switch f.scan {
	case ansi.Abandoned:
		f.abandon(was)
		return false
	case ansi.Ended:
		f.scan = ansi.Ground
		f.seq = append(f.seq, c)
		switch ansi.KindOf(f.seq) {
		case ansi.Style:
			if f.out.keeps(f.seq) {
				f.fit(len(f.seq))
				f.line = append(f.line, f.seq...)
			}
		case ansi.LineStart:
			f.home()
		}
		return true
	}
	f.seq = append(f.seq, c)
	return true
}

// abandon makes text of a sequence that is none; was is how far it had come.
func (f *framer) abandon(was ansi.State) {
	f.scan = ansi.Ground
	seq := f.seq
	if was == ansi.StringEsc {
		seq = seq[:len(seq)-1] // its ESC begins the next one
	}
	f.char(ansi.ESC)
	f.text(seq[1:])
	f.stray()
	if was == ansi.StringEsc {
		f.scan, f.seq = ansi.Escape, append(f.seq[:0], ansi.ESC)
	}
}

// home is a carriage return.
func (f *framer) home() {
	f.stray()
	if f.cr == none {
		f.cr = len(f.line)
	}
}

// text adds bytes that are not control characters.
func (f *framer) text(p []byte) {
	for len(f.rune) > 0 && len(p) > 0 {
		f.rune = append(f.rune, p[0])
		p = p[1:]
		for len(f.rune) > 0 && utf8.FullRune(f.rune) {
			_, n := utf8.DecodeRune(f.rune)
			f.valid(f.rune[:n])
			f.rune = f.rune[:copy(f.rune, f.rune[n:])]
		}
	}
	for i := max(0, len(p)-utf8.UTFMax+1); i < len(p); i++ {
		if !utf8.FullRune(p[i:]) {
			f.rune = append(f.rune, p[i:]...)
			p = p[:i]
		}
	}
	if utf8.Valid(p) {
		f.put(p)
		return
	}
	for len(p) > 0 {
		n := 0
		for n < len(p) {
			r, size := utf8.DecodeRune(p[n:])
			if r == utf8.RuneError && size == 1 {
				break
			}
			n += size
		}
		f.put(p[:n])
		if p = p[n:]; len(p) > 0 {
			f.valid(p[:1])
			p = p[1:]
		}
	}
}

// valid adds one character or a byte that is none.
func (f *framer) valid(p []byte) {
	if utf8.Valid(p) {
		f.put(p)
	} else {
		f.put([]byte("\uFFFD"))
	}
}

// stray gives up waiting for the rest of a character.
func (f *framer) stray() {
	for range f.rune {
		f.put([]byte("\uFFFD"))
	}
	f.rune = f.rune[:0]
}

// char adds one ASCII character.
func (f *framer) char(c byte) {
	f.overwrite()
	var room [8]byte
	p := f.out.appendASCII(room[:0], c)
	f.fit(len(p))
	f.line = append(f.line, p...)
}

// unsafe adds a character that isUnsafe.
func (f *framer) unsafe(r rune) {
	p := f.out.appendUnsafe(nil, r)
	f.fit(len(p))
	f.line = append(f.line, p...)
}

// put adds UTF-8 without control characters.
func (f *framer) put(p []byte) {
	for len(p) > 0 {
		f.overwrite()
		n := indexUnsafe(p)
		if f.out.escape {
			n = min(n, plain(p))
		}
		switch {
		case n > 0:
		case p[0] >= utf8.RuneSelf:
			r, size := utf8.DecodeRune(p)
			f.unsafe(r)
			p = p[size:]
			continue
		default:
			f.char(p[0])
			p = p[1:]
			continue
		}
		if space := f.limit() - len(f.line); n > space {
			for n = max(space, 0); n > 0 && !utf8.RuneStart(p[n]); n-- {
			}
		}
		if n == 0 {
			f.cut()
			continue
		}
		f.line = append(f.line, p[:n]...)
		p = p[n:]
	}
}

// overwrite drops what a carriage return has left behind, now that something follows.
func (f *framer) overwrite() {
	if f.cr == none {
		return
	}
	f.wipe = f.wipe || f.shown > 0 || f.gone && f.out.live
	f.shown = 0
	f.line = f.line[:copy(f.line, f.line[f.cr:])]
	f.cr = none
	f.overwritten = true
}

// canPush reports whether there is text of an unfinished line that may be written as a piece. A line that
// overwrites itself, as progress bars do, is left to come to its end.
func (f *framer) canPush() bool {
	return f != nil && len(f.line) > 0 && f.cr == none && !f.overwritten && !(f.out.live && f.name == "")
}

// fit writes the line so far as a piece if n more bytes would make it too long.
func (f *framer) fit(n int) {
	if len(f.line) > 0 && len(f.line)+n > f.limit() {
		f.cut()
	}
}

// limit is how many bytes a line may have, encoded. A name takes the place of "command", or stands before the line.
func (f *framer) limit() int { return f.out.limit - len(f.name) }

func (f *framer) cut() {
	f.write(true)
	f.gone = f.name == ""
	if f.cr != none {
		f.cr = 0
	}
}

// end finishes the line.
func (f *framer) end() {
	if f.scan != ansi.Ground {
		// A sequence within a sequence's end may be left of this one.
		f.abandon(f.scan)
		if f.scan != ansi.Ground {
			f.abandon(f.scan)
		}
	}
	f.stray()
	f.write(false)
	f.active, f.gone, f.cr, f.overwritten = false, false, none, false
	if f.out.open == f {
		f.out.open = nil
	}
}

// write hands the line or a piece of it on.
func (f *framer) write(goesOn bool) {
	f.erase()
	f.out.line(f.line[f.shown:], goesOn, f.name)
	f.line, f.shown = f.line[:0], 0
	f.stretch++
	if goesOn && !f.out.escape && f.name == "" {
		f.out.open = f
	}
}

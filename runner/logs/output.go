package logs

import (
	"io"
	"slices"
	"time"
)

// file is the writer of the stored log and the first error it had. After it nothing more is written there: a line
// with a hole in it is worse than an end.
type file struct {
	w   io.Writer
	err error
}

func (f *file) write(p []byte) {
	if f.err != nil {
		return
	}
	f.err = writeAll(f.w, p)
}

const (
	// A write of this size costs next to nothing a byte, and with one record more it fits into an empty pipe: see
	// pipeFits.
	flushAt = 40 << 10
	// One record more than flushAt must fit. The encoder writes up to twice a record before it
	// sees that a line is too long, and up to a word too far.
	bufferSize = flushAt + 3*MaxRecord + 256
)

const (
	timeFormat = "2006-01-02T15:04:05.000Z"
	commandMid = `","level":"INFO","msg":"`
	sourceKey  = `,"source":"`
	seqKey     = `","seq":`
	partial    = `,"partial":true`
	maxDigits  = 20 // of a seq
)

// output is one form of the log, encoded once into one buffer for all who read that form.
// The sink's mutex guards it.
type output struct {
	file  *file  // nil: nothing of this form is stored
	queue *queue // nil: the reader of the log gets another form
	buf   []byte // whole lines, but for the terminal's unfinished one

	escape bool // JSON: quotes, backslashes and control characters are escaped
	colors bool // text: colours and links of the command are kept
	live   bool // text: unfinished lines are shown
	limit  int  // bytes that a line of the command may have, encoded; longer ones are cut

	// A line of the command is head + encoded line + tail.
	head   []byte
	tail   []byte // JSON: ends in the digits of the next seq and "}\n"; the digits are counted up in place
	digits int    // where they start in tail; 0: no seq
	shared int    // JSON: where the attributes of all records end in tail
	millis int64  // of the time in head

	status bool    // what stands on the reader's last line is a status, and goes with what is written next
	open   *framer // whose unfinished line stands on the reader's last line; nil: that line is empty
}

func newJSONOutput(f *file, q *queue, shared []byte) *output {
	o := &output{file: f, queue: q, buf: make([]byte, 0, bufferSize), escape: true}
	o.tail = append(o.tail, '"')
	o.tail = append(o.tail, shared...)
	o.shared = len(o.tail)
	o.tail = append(o.tail, sourceKey+"command"+seqKey...)
	o.digits = len(o.tail)
	o.tail = append(o.tail, "1}\n"...)
	o.limit = MaxRecord - len(`{"time":"`+timeFormat+commandMid) - o.digits - maxDigits - len(partial+"}\n")
	return o
}

func newTextOutput(q *queue, colors, live bool) *output {
	return &output{
		queue: q, buf: make([]byte, 0, bufferSize),
		colors: colors, live: live, limit: MaxRecord, tail: []byte("\n"),
	}
}

// stamp sets the time of the lines that follow.
func (o *output) stamp(t time.Time) {
	ms := t.UnixMilli()
	if ms == o.millis && len(o.head) > 0 {
		return
	}
	o.millis = ms
	o.head = append(o.head[:0], `{"time":"`...)
	o.head = t.UTC().AppendFormat(o.head, timeFormat)
	o.head = append(o.head, commandMid...)
}

// count adds one to the seq at the end of tail. Counting in decimal saves a conversion a line.
func (o *output) count() {
	if o.digits == 0 {
		return
	}
	last := len(o.tail) - len("}\n") - 1
	if o.tail[last]++; o.tail[last] > '9' {
		o.carry(last)
	}
}

func (o *output) carry(i int) {
	for ; o.tail[i] > '9'; i-- {
		o.tail[i] = '0'
		if i == o.digits {
			o.tail = slices.Insert(o.tail, i, '1')
			return
		}
		o.tail[i-1]++
	}
}

// line adds an encoded line, or a piece of one that goes on in the next record. The name is of the source; "" for the
// command.
func (o *output) line(encoded []byte, goesOn bool, name string) {
	o.room()
	o.buf = append(o.buf, o.head...)
	if name != "" && !o.escape {
		o.buf = append(o.buf, name+" | "...)
	}
	o.buf = append(o.buf, encoded...)
	switch {
	case !goesOn:
		o.end(name)
	case o.escape:
		o.end(name)
		o.buf = append(o.buf[:len(o.buf)-len("}\n")], partial+"}\n"...)
	case name != "": // the next piece has the name again
		o.buf = append(o.buf, '\n')
	default:
		return // text: the rest follows on the same line
	}
	o.count()
}

// end adds what is after the text of a line.
func (o *output) end(name string) {
	if name == "" || !o.escape {
		o.buf = append(o.buf, o.tail...)
		return
	}
	o.buf = append(o.buf, o.tail[:o.shared]...)
	o.buf = append(append(append(o.buf, sourceKey...), name...), seqKey...)
	o.buf = append(o.buf, o.tail[o.digits:]...)
}

// record adds a record of the runner: JSON up to where its seq goes.
func (o *output) record(p []byte) {
	o.room()
	o.buf = append(o.buf, p...)
	o.buf = append(o.buf, `,"seq":`...)
	o.buf = append(o.buf, o.tail[o.digits:]...)
	o.count()
}

// isFull reports whether the buffer has to be flushed before one more record.
func (o *output) isFull() bool { return len(o.buf) >= flushAt }

// room makes sure that one more record fits into the buffer.
func (o *output) room() {
	if o.isFull() {
		o.flush()
	}
}

// flush hands the buffer on. Lines of the command may be dropped before the runner's own.
func (o *output) flush() { o.handOn(true) }

func (o *output) handOn(ofCommand bool) {
	if len(o.buf) == 0 {
		return
	}
	if o.status {
		o.status = false
		o.buf = slices.Insert(o.buf, 0, []byte(eraseLine)...)
	}
	if o.file != nil {
		o.file.write(o.buf)
	}
	if o.queue == nil {
		o.buf = o.buf[:0]
		return
	}
	o.buf = o.queue.add(o.buf, ofCommand)
}

// write hands p on as it is, after what is in the buffer.
func (o *output) write(p []byte) {
	o.flush()
	o.buf = append(o.buf, p...)
	o.handOn(false)
}

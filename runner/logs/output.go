package logs

import (
	"io"
	"slices"
	"time"
)

// destination is a writer and the first error it had. After it nothing more is written there: a
// line with a hole in it is worse than an end.
type destination struct {
	name string
	w    io.Writer
	err  error
}

func (d *destination) write(p []byte) {
	if d.err != nil {
		return
	}
	n, err := d.w.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	d.err = err
}

const (
	flushAt = 64 << 10 // a write of this size costs next to nothing a byte
	// One record more than flushAt must fit. The encoder writes up to twice a record before it
	// sees that a line is too long, and up to a word too far.
	bufferSize = flushAt + 3*MaxRecord + 256
)

const (
	timeFormat = "2006-01-02T15:04:05.000Z"
	commandMid = `","level":"INFO","msg":"`
	partial    = `,"partial":true`
	maxDigits  = 20 // of a seq
)

// output is one form of the log, encoded once into one buffer for all who read that form.
// The sink's mutex guards it.
type output struct {
	dest []*destination
	buf  []byte // whole lines, but for the terminal's unfinished one

	escape bool // JSON: quotes, backslashes and control characters are escaped
	colors bool // text: colours and links of the command are kept
	live   bool // text: unfinished lines are shown
	limit  int  // bytes that a line of the command may have, encoded; longer ones are cut

	// A line of the command is head + encoded line + tail.
	head   []byte
	tail   []byte // JSON: ends in the digits of the next seq and "}\n"; the digits are counted up in place
	digits int    // where they start in tail; 0: no seq
	millis int64  // of the time in head

	status bool    // what stands on the reader's last line is a status, and goes with what is written next
	open   *framer // whose unfinished line stands on the reader's last line; nil: that line is empty
}

func newJSONOutput(dest []*destination, shared []byte) *output {
	o := &output{dest: dest, buf: make([]byte, 0, bufferSize), escape: true}
	o.tail = append(o.tail, '"')
	o.tail = append(o.tail, shared...)
	o.tail = append(o.tail, `,"source":"command","seq":`...)
	o.digits = len(o.tail)
	o.tail = append(o.tail, "1}\n"...)
	o.limit = MaxRecord - len(`{"time":"`+timeFormat+commandMid) - o.digits - maxDigits - len(partial+"}\n")
	return o
}

func newTextOutput(dest *destination, colors, live bool) *output {
	return &output{
		dest: []*destination{dest}, buf: make([]byte, 0, bufferSize),
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

// line adds an encoded line of the command, or a piece of one that goes on in the next record.
func (o *output) line(encoded []byte, goesOn bool) {
	o.room()
	o.buf = append(o.buf, o.head...)
	o.buf = append(o.buf, encoded...)
	switch {
	case !goesOn:
		o.buf = append(o.buf, o.tail...)
	case o.escape:
		o.buf = append(o.buf, o.tail[:len(o.tail)-len("}\n")]...)
		o.buf = append(o.buf, partial+"}\n"...)
	default:
		return // text: the rest follows on the same line
	}
	o.count()
}

// record adds a record of the runner: JSON up to where its seq goes.
func (o *output) record(p []byte) {
	o.room()
	o.buf = append(o.buf, p...)
	o.buf = append(o.buf, `,"seq":`...)
	o.buf = append(o.buf, o.tail[o.digits:]...)
	o.count()
}

// room makes sure that one more record fits into the buffer.
func (o *output) room() {
	if len(o.buf) >= flushAt {
		o.flush()
	}
}

func (o *output) flush() {
	if len(o.buf) > 0 {
		o.write(o.buf)
		o.buf = o.buf[:0]
	}
}

func (o *output) write(p []byte) {
	if o.status {
		o.status = false
		o.write([]byte(eraseLine))
	}
	for _, d := range o.dest {
		d.write(p)
	}
}

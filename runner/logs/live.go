package logs

// What stands on the reader's last line while the command has not finished it: on a terminal the
// unfinished line itself, elsewhere at most a piece of a very long one.

const eraseLine = "\r\x1b[K"

// draw brings the unfinished line on the terminal up to date.
func (f *framer) draw() {
	if !f.out.live || !f.active || f.name != "" {
		return
	}
	f.erase()
	if f.shown == len(f.line) {
		return
	}
	f.out.room()
	f.out.buf = append(f.out.buf, f.line[f.shown:]...)
	f.shown = len(f.line)
	f.out.open = f
}

// erase clears the terminal's last line if what stands there has been overwritten.
func (f *framer) erase() {
	if f.wipe {
		f.out.buf = append(f.out.buf, eraseLine...)
		f.wipe, f.gone = false, false
	}
}

// enter makes the reader's last line f's own, or empty.
func (o *output) enter(f *framer) {
	was := o.open
	if was == nil || was == f {
		return
	}
	if was.gone {
		o.buf = append(o.buf, '\n')
	} else {
		o.buf = append(o.buf, eraseLine...)
	}
	was.shown, was.gone, was.wipe = 0, false, false
	o.open = nil
}

// between lets write add whole lines and puts the unfinished line under them again.
func (o *output) between(write func()) {
	was := o.open
	o.enter(nil)
	write()
	if was != nil {
		was.draw()
	}
	o.flush()
}

// showStatus puts a status on the terminal's last line in place of the one before.
func (o *output) showStatus(line string) {
	if o.status {
		o.status = false
		o.buf = append(o.buf, eraseLine...)
	}
	o.buf = append(o.buf, line...)
	o.handOn(false)
	o.status = line != ""
}

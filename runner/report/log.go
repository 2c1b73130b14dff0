package report

import (
	"bufio"
	"bytes"
	"strings"

	"github.com/carlin-cicd/runner/runner/units"
	"github.com/carlin-cicd/runner/steps/ansi"
)

// maxLogMarkup is how much room the log has in the page, in bytes: markup makes a multiple of a log of short or many-coloured lines.
const (
	maxLogMarkup = 1 << 20
	leastMarkup  = 40 // of a line
)

// logView is the log as the page has it.
type logView struct {
	Log
	lines  [][]byte // as a terminal would have left them
	plain  []string // the same to search in, once somebody has: see find
	markup []byte   // of those from shown on
	shown  int      // the first line that there is room for
}

func viewLog(l Log) *logView {
	v := &logView{Log: l}
	v.First = max(l.First, 1)
	if len(l.Text) == 0 {
		return v
	}
	for line := range bytes.SplitSeq(bytes.TrimSuffix(l.Text, []byte("\n")), []byte("\n")) {
		v.lines = append(v.lines, lastState(line))
	}
	var b bytes.Buffer
	b.Grow(min(2*len(l.Text), maxLogMarkup)) // what markup takes of most logs: a run's memory is measured, too
	w := &writer{to: bufio.NewWriter(&b)}
	v.shown = max(0, len(v.lines)-maxLogMarkup/leastMarkup)
	var begins []int
	var s style
	for i, line := range v.lines[v.shown:] {
		begins = append(begins, b.Len())
		s = w.numbered(v.First+v.shown+i, line, s)
		_ = w.flush() // to a buffer, which takes everything
	}
	for len(begins) > 1 && b.Len()-begins[0] > maxLogMarkup {
		begins = begins[1:]
		v.shown++
	}
	if v.markup = b.Bytes()[begins[0]:]; len(v.markup) > maxLogMarkup { // one line, which cannot be cut in the middle of its markup
		const longest = 6 // bytes that a byte of text may become
		b.Reset()
		w.numbered(v.First+v.shown, clipBytes(ansi.Strip(v.lines[v.shown]), maxLogMarkup/longest-leastMarkup), style{})
		_ = w.flush()
		v.markup = b.Bytes()
	}
	return v
}

// numbered writes a line that can be linked to.
func (w *writer) numbered(n int, line []byte, s style) style {
	w.put("<span class=\"l\" id=\"L%d\" data-n=\"%d\">", n, n)
	s = w.line(line, s)
	w.raw("\n</span>")
	return s
}

// lastState is what a terminal would have shown of a line last: a progress bar is many states of one line.
func lastState(line []byte) []byte {
	if bytes.IndexByte(line, '\r') < 0 && !bytes.Contains(line, []byte("\x1b[")) {
		return line
	}
	for end := len(line); ; {
		all := known().overwrites.FindAllIndex(line[:end], -1)
		if all == nil {
			return line[:end]
		}
		last := all[len(all)-1]
		if len(bytes.TrimSpace(ansi.Strip(line[last[1]:end]))) > 0 {
			return line[last[1]:end]
		}
		end = last[0]
	}
}

// separators stand between the parts of a test's name; each tool has its own, and its report may have another one.
var separators = []string{" › ", " > ", " » ", " / ", "::", "."}

// levelled is text in which all separators are the same.
func levelled(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	for _, s := range separators {
		text = strings.ReplaceAll(text, s, " ")
	}
	return strings.Join(strings.Fields(text), " ")
}

// find returns the lines around the place that says most of a test: where its failure is told, else where it is named last, else
// where its file is. at is that place; from and to are indices of lines.
func (v *logView) find(c Test) (at, from, to int, found bool) {
	if v.plain == nil {
		for _, line := range v.lines {
			v.plain = append(v.plain, levelled(string(ansi.Strip(line))))
		}
	}
	const short = 4 // names that may stand anywhere
	names := []string{levelled(c.Class + " " + c.Name), levelled(c.Name)}
	if i := strings.LastIndexByte(c.Name, '/'); i > 0 { // Go indents a subtest under its own name
		names = append(names, levelled(c.Name[:i]))
	}
	names = append(names, levelled(c.File))
	rank := 0
	for _, name := range names {
		if len(name) < short || rank > 0 {
			continue
		}
		for i := len(v.plain) - 1; i >= 0; i-- {
			if !strings.Contains(v.plain[i], name) {
				continue
			}
			line := strings.TrimSpace(string(ansi.Strip(v.lines[i])))
			switch {
			case known().headsFailure.MatchString(line) && rank < 3:
				rank, at, from, to = 3, i, i-2, i+2*around+4
			case known().endsFailure.MatchString(line) && rank < 2:
				rank, at, from, to = 2, i, i-2*around, i+3
			case rank < 1:
				rank, at, from, to = 1, i, i-around/2, i+2*around
			}
			if rank == 3 {
				break
			}
		}
	}
	return at, max(0, from), min(len(v.lines), to), rank > 0
}

// nearby shows the lines of the log around a test.
func (w *writer) nearby(c Test, v *logView) {
	at, from, to, found := v.find(c)
	if !found {
		return
	}
	w.raw("<details class=\"context\"><summary>in the log</summary>\n")
	if at >= v.shown {
		w.put("<p><a href=\"#L%d\">line %d of the log</a></p>\n", v.First+at, v.First+at)
	}
	w.raw("<pre tabindex=\"0\" role=\"group\" aria-label=\"lines of the log\">")
	var s style
	for _, line := range v.lines[from:to] {
		s = w.line(clipBytes(line, 400), s)
		w.raw("\n")
	}
	w.raw("</pre></details>\n")
}

func (w *writer) log(v *logView) {
	if len(v.lines) == 0 {
		return
	}
	w.section("log", "Log")
	w.raw("<div role=\"search\" class=\"search\" id=\"searching\" hidden><label for=\"search\">Search the log</label> <input id=\"search\" type=\"search\" autocomplete=\"off\" spellcheck=\"false\"> <button type=\"button\" id=\"previous\">Previous</button> <button type=\"button\" id=\"next\">Next</button> <output id=\"found\" for=\"search\"></output></div>\n")
	dropped := v.Dropped
	for _, line := range v.lines[:v.shown] {
		dropped += int64(len(line)) + 1
	}
	if dropped > 0 {
		w.put("<p class=\"note\">from line %d on; %s came before", v.First+v.shown, units.Size(dropped))
		if v.Link != "" {
			w.put(", see %s", link(v.Link, "the whole log"))
		}
		w.raw("</p>\n")
	}
	w.put("<p class=\"note paper\">On paper: the last %d lines.</p>\n", linesOnPaper)
	w.put("<pre id=\"lines\" class=\"d%d\" tabindex=\"0\" role=\"region\" aria-label=\"log of the command\">", digits(v.First+len(v.lines)))
	w.raw(string(v.markup))
	w.raw("</pre>\n</section>\n")
}

// linesOnPaper is how many lines of the log are printed; the style sheet knows it, too.
const linesOnPaper = 200

// digits is how many there are in the number of a line, which gets that much room.
func digits(n int) int {
	count := 1
	for ; n >= 10; n /= 10 {
		count++
	}
	return min(count, 7)
}

package page

import (
	"bufio"
	"bytes"
	"slices"
	"strings"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/units"
	"github.com/carlin-cicd/runner/runner/workflow"
	"github.com/carlin-cicd/runner/steps/ansi"
	"github.com/carlin-cicd/runner/steps/results"
)

// Markup multiplies the size of a log with short or colored lines, so it has a limit.
const (
	maxLogMarkup  = 1 << 20 // bytes
	minLineMarkup = 40      // bytes of a line without text
)

// logView is the log as the page shows it.
type logView struct {
	Log
	lines  [][]byte // as a terminal would show them at the end
	plain  []string // normalized lines to search in; nil before the first search
	markup []byte   // of the lines from shown on
	shown  int      // the first line that fits
	begins []int    // in markup, of each line from shown on

	sections []workflow.Section // groups of lines, which are shown as folds
}

func viewLog(l Log) *logView {
	v := &logView{Log: l}
	v.First = max(l.First, 1)
	if len(l.Text) == 0 {
		return v
	}
	raw := bytes.Split(bytes.TrimSuffix(l.Text, []byte("\n")), []byte("\n"))
	for _, line := range raw {
		v.lines = append(v.lines, lastState(line))
	}
	v.sections = workflow.Sections(raw)
	var b bytes.Buffer
	b.Grow(min(2*len(l.Text), maxLogMarkup)) // enough for most logs: the memory counts as the run's
	w := &writer{to: bufio.NewWriter(&b)}
	v.shown = max(0, len(v.lines)-maxLogMarkup/minLineMarkup)
	var begins []int
	var s style
	for i, line := range v.lines[v.shown:] {
		begins = append(begins, b.Len())
		s = w.numbered(v.First+v.shown+i, line, s)
		_ = w.flush() // into a buffer, which does not fail
	}
	for len(begins) > 1 && b.Len()-begins[0] > maxLogMarkup {
		begins = begins[1:]
		v.shown++
	}
	v.begins = begins
	if v.markup = b.Bytes()[begins[0]:]; len(v.markup) > maxLogMarkup { // a single line, whose markup cannot be cut
		const longest = 6 // bytes that a byte of text can become
		b.Reset()
		w.numbered(
			v.First+v.shown, clipBytes(ansi.Strip(v.lines[v.shown]), maxLogMarkup/longest-minLineMarkup), style{},
		)
		_ = w.flush()
		v.markup, v.begins = b.Bytes(), []int{0}
	}
	return v
}

// span returns the markup of lines from one to before another, by their indexes.
func (v *logView) span(from, to int) string {
	offset := func(i int) int {
		if i -= v.shown; i < len(v.begins) {
			return v.begins[i] - v.begins[0]
		}
		return len(v.markup)
	}
	return string(v.markup[offset(from):offset(to)])
}

// numbered writes a line that can be linked to.
func (w *writer) numbered(n int, line []byte, s style) style {
	w.put("<span class=\"l\" id=\"L%d\" data-n=\"%d\">", n, n)
	s = w.line(line, s)
	w.raw("\n</span>")
	return s
}

// lastState returns what a terminal shows of a line at the end: a progress bar is many states of one line.
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

// separators stand between the parts of a test's name. A tool may use another one in its report than in its log.
var separators = []string{" › ", " > ", " » ", " / ", "::", "."}

// normalize replaces separators and white space by single blanks.
func normalize(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	for _, s := range separators {
		text = strings.ReplaceAll(text, s, " ")
	}
	return strings.Join(strings.Fields(text), " ")
}

// find returns the lines around the best place of a test in the log: the report of its failure, else the last mention
// of its name, else that of its file. at is the index of that line; from and to are indices, too.
func (v *logView) find(c results.Case) (at, from, to int, found bool) {
	if v.plain == nil {
		for _, line := range v.lines {
			v.plain = append(v.plain, normalize(string(ansi.Strip(line))))
		}
	}
	const short = 4 // a shorter name may be anywhere
	names := []string{normalize(c.Class + " " + c.Name), normalize(c.Name)}
	if i := strings.LastIndexByte(c.Name, '/'); i > 0 { // Go indents a subtest under its own name
		names = append(names, normalize(c.Name[:i]))
	}
	names = append(names, normalize(c.File))
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

// around is how many lines of the log are shown on each side of a failed test.
const around = 6

// logAround shows the lines of the log around a test.
func (w *writer) logAround(c results.Case, v *logView) {
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

// log shows the log. Whole is the link to all of it, or "".
func (w *writer) log(run record.Run, v *logView, whole string) {
	if len(v.lines) == 0 {
		return
	}
	w.section("log", "Log")
	w.raw("<div role=\"search\" class=\"search\" id=\"searching\" hidden><label for=\"search\">Search the log</label> ")
	w.raw("<input id=\"search\" type=\"search\" autocomplete=\"off\" spellcheck=\"false\"> ")
	w.raw(
		"<button type=\"button\" id=\"previous\">Previous</button> <button type=\"button\" id=\"next\">Next</button> ",
	)
	w.raw("<output id=\"found\" for=\"search\"></output></div>\n")
	dropped := v.Dropped
	for _, line := range v.lines[:v.shown] {
		dropped += int64(len(line)) + 1
	}
	if dropped > 0 {
		w.put("<p class=\"note\">from line %d on; %s came before", v.First+v.shown, units.Size(dropped))
		if whole != "" {
			w.put(", see %s", link(whole, "the whole log"))
		}
		w.raw("</p>\n")
	}
	w.put("<p class=\"note paper\">On paper: the last %d lines.</p>\n", linesOnPaper)
	w.put(
		"<pre id=\"lines\" class=\"d%d\" tabindex=\"0\" role=\"region\" aria-label=\"log of the command\">",
		digits(v.First+len(v.lines)),
	)
	w.logLines(v, errorLines(run))
	w.raw("</pre>\n</section>\n")
}

// errorLines returns the numbers of the lines that a fold must not hide.
func errorLines(run record.Run) []int {
	var lines []int
	if run.Cause != nil {
		lines = append(lines, run.Cause.LogLine)
	}
	for _, n := range run.Notes {
		if n.Level == record.LevelError {
			lines = append(lines, n.LogLine)
		}
	}
	return lines
}

// logLines writes the lines, each section as a fold. One with an error is open.
func (w *writer) logLines(v *logView, errors []int) {
	next := v.shown
	for _, s := range v.sections {
		if s.From < next || s.To-s.From < 2 { // its title is not shown, or there is nothing to fold
			continue
		}
		w.raw(v.span(next, s.From))
		open := s.Open || slices.ContainsFunc(errors, func(n int) bool { return n > v.First+s.From && n < v.First+s.To })
		w.put("<details class=\"fold\"%s><summary>", opened(open))
		w.numbered(v.First+s.From, clipBytes([]byte(s.Title), maxName), style{})
		w.put("<span class=\"count\">%s</span></summary>", units.Count(s.To-s.From-1, "line"))
		w.raw(v.span(s.From+1, s.To))
		w.raw("</details>")
		next = s.To
	}
	w.raw(v.span(next, len(v.lines)))
}

func opened(yes bool) markup {
	if yes {
		return " open"
	}
	return ""
}

// linesOnPaper is how many lines of the log are printed, here and in the style sheet.
const linesOnPaper = 200

// digits returns the length of a line number, by which the style sheet sets its width.
func digits(n int) int {
	count := 1
	for ; n >= 10; n /= 10 {
		count++
	}
	return min(count, 7)
}

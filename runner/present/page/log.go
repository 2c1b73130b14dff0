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
	maxLogMarkup  = 320 << 10 // bytes
	minLineMarkup = 65        // bytes of a line without text
)

// logView is the log as the page shows it.
type logView struct {
	Log
	lines  [][]byte       // as a terminal would show them at the end
	plain  []string       // normalized lines to search in; nil before the first search
	markup []byte         // of the lines from shown on
	shown  int            // the first line that fits
	begins []int          // in markup, of each line from shown on
	marked map[int]markup // the classes of lines, by their numbers

	sections []workflow.Section // groups of lines, which are shown as folds
}

// viewLog prepares a log whose markup takes up to limit bytes. Marked has the classes of some lines, by their numbers.
func viewLog(l Log, marked map[int]markup, limit int) *logView {
	v := &logView{Log: l, marked: marked}
	v.First = max(l.First, 1)
	if len(l.Text) == 0 {
		return v
	}
	raw := bytes.Split(bytes.TrimSuffix(l.Text, []byte("\n")), []byte("\n"))
	v.lines = make([][]byte, len(raw))
	for i, line := range raw {
		v.lines[i] = lastState(line)
	}
	v.sections = workflow.Sections(raw)
	v.render(limit)
	return v
}

// render makes the markup of as many of the last lines as fit.
func (v *logView) render(limit int) {
	var b bytes.Buffer
	b.Grow(min(2*len(v.Text), limit)) // enough for most logs: the memory counts as the run's
	w := &writer{to: bufio.NewWriter(&b)}
	v.shown = max(0, len(v.lines)-limit/minLineMarkup)
	begins := make([]int, 0, len(v.lines)-v.shown)
	var s style
	for i := v.shown; i < len(v.lines); i++ {
		begins = append(begins, b.Len())
		s = w.numbered(v, i, v.lines[i], s)
		_ = w.flush() // into a buffer, which does not fail
	}
	for len(begins) > 1 && b.Len()-begins[0] > limit {
		begins = begins[1:]
		v.shown++
	}
	v.begins = begins
	if v.markup = b.Bytes()[begins[0]:]; len(v.markup) > limit { // a single line, whose markup cannot be cut
		const longest = 6 // bytes that a byte of text can become
		b.Reset()
		w.numbered(v, v.shown, clipBytes(ansi.Strip(v.lines[v.shown]), limit/longest-minLineMarkup), style{})
		_ = w.flush()
		v.markup, v.begins = b.Bytes(), []int{0}
	}
}

// began returns when a line was begun, if that is known and differs from the line before it.
func (v *logView) began(n int) string {
	i, _ := slices.BinarySearchFunc(v.Times, n+1, func(m Moment, n int) int { return m.Line - n })
	if i == 0 || v.Times[i-1].Line != n && n != v.First+v.shown {
		return ""
	}
	return v.Times[i-1].At.Format("15:04:05")
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

// numbered writes a line that can be linked to, by its index.
func (w *writer) numbered(v *logView, i int, line []byte, s style) style {
	n := w.startLine(v, i)
	w.put("<a href=\"#L%d\" tabindex=\"-1\">%d</a>", n, n)
	s = w.line(line, s)
	w.raw("\n</span>")
	return s
}

// startLine begins a line up to its number, which it returns.
func (w *writer) startLine(v *logView, i int) int {
	n := v.First + i
	class := v.marked[n]
	if i >= len(v.lines)-linesOnPaper {
		class += " p"
	}
	w.put("<span class=\"l%s\" id=\"L%d\"", class, n)
	if at := v.began(n); at != "" {
		w.put(" data-t=\"%s\"", at)
	}
	w.raw(">")
	return n
}

// foldTitle writes the line that a fold shows when it is shut. A link within it could not be used by all, so the
// script makes one of the number.
func (w *writer) foldTitle(v *logView, s workflow.Section) {
	n := w.startLine(v, s.From)
	w.put("<span class=\"at\">%d</span>", n)
	w.line(clipBytes([]byte(s.Title), maxName), style{})
	w.raw("\n</span>")
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

// log shows the end of the log.
func (w *writer) log(run record.Run, v *logView) {
	if len(v.lines) == 0 {
		return
	}
	w.section("log", "Log")
	w.raw("<div class=\"tools\"><div role=\"search\" class=\"search\" id=\"searching\" hidden><label for=\"search\">Search the log</label> ")
	w.raw("<input id=\"search\" type=\"search\" autocomplete=\"off\" spellcheck=\"false\"> ")
	w.raw("<button type=\"button\" id=\"previous\">Previous</button> <button type=\"button\" id=\"next\">Next</button> ")
	w.raw("<output id=\"found\" for=\"search\"></output></div>\n")
	whole := ""
	if run.Published["log.jsonl.gz"] {
		whole = "log.jsonl.gz"
		w.put("<p class=\"raw\">%s</p>", link(whole, "raw"))
	}
	w.raw("</div>\n")
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
	w.raw("<p class=\"warning\" id=\"elsewhere\" hidden></p>\n")
	if v.soon() > v.shown {
		w.raw("<p class=\"note\" id=\"unread\">A browser that refuses the page's script shows the end of the log only.</p>\n")
	}
	w.put("<p class=\"note paper\">On paper: the last %d lines.</p>\n", linesOnPaper)
	timed := markup("")
	if len(v.Times) > 0 {
		timed = " timed"
	}
	w.put(
		"<pre id=\"lines\" class=\"d%d%s\" data-first=\"%d\" tabindex=\"0\" role=\"region\" aria-label=\"log of the command\">",
		digits(v.First+len(v.lines)), timed, v.First+v.shown,
	)
	w.logLines(v)
	w.raw("</pre>\n</section>\n")
}

// markedLines returns the classes of the lines of the log that a fold must not hide, and of warnings.
func markedLines(run record.Run) map[int]markup {
	lines := map[int]markup{}
	for _, n := range run.Notes {
		switch n.Level {
		case record.LevelError:
			lines[n.LogLine] = isError
		case record.LevelWarning:
			if lines[n.LogLine] == "" {
				lines[n.LogLine] = " w"
			}
		}
	}
	if run.Cause != nil && run.Cause.LogLine > 0 {
		lines[run.Cause.LogLine] = isError
	}
	delete(lines, 0)
	return lines
}

const isError markup = " e"

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

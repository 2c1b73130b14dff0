package page

import (
	"github.com/carlin-cicd/runner/runner/units"
	"github.com/carlin-cicd/runner/runner/workflow"
)

// The lines of the log are most of a large page, and a browser that makes elements of them needs more time for that
// than for all the rest. So of a long log only the end is elements at first. What is before it is in noscript: a browser
// without scripts shows that as any other part, and for one with scripts it is a single text, which costs next to
// nothing. The page's script makes elements of it as soon as the page has been painted, or before, for a link to a line,
// a search, a key or the printer.
const (
	chunkLines = 200 // lines that a browser lays out together once they come into view, and that the script adds at a time

	soonLines  = 60       // of the end, which are elements at first: twice what the box of the log shows
	soonMarkup = 24 << 10 // bytes of them, at most, and of a log that is elements as a whole
)

// lineWriter writes the lines of the log.
type lineWriter struct {
	*writer
	view *logView
	soon int // the line that the end begins at
	held int // lines in the noscript that is open
	open bool
}

// logLines writes the lines, each section as a fold. One with an error is open.
func (w *writer) logLines(v *logView) {
	lw := &lineWriter{writer: w, view: v, soon: v.soon()}
	next := v.shown
	for _, s := range v.folds() {
		lw.lines(next, s.From, false)
		lw.fold(s)
		next = s.To
	}
	lw.lines(next, len(v.lines), false)
	lw.release()
}

// folds returns the sections that are shown as folds.
func (v *logView) folds() []workflow.Section {
	var folds []workflow.Section
	next := v.shown
	for _, s := range v.sections {
		if s.From < next || s.To-s.From < 2 { // its title is not shown, or there is nothing to fold
			continue
		}
		s.Open = s.Open || v.hasError(s)
		folds = append(folds, s)
		next = s.To
	}
	return folds
}

func (v *logView) hasError(s workflow.Section) bool {
	for n, class := range v.marked {
		if class == isError && n > v.First+s.From && n < v.First+s.To {
			return true
		}
	}
	return false
}

// soon returns the line that the end of the log begins at. Of a fold that is shut it counts the title only.
func (v *logView) soon() int {
	if len(v.markup) <= soonMarkup {
		return v.shown
	}
	folds := v.folds()
	n, bytes, at := 0, 0, len(v.lines)
	for at > v.shown && n < soonLines {
		to := at
		at--
		if last := len(folds) - 1; last >= 0 && folds[last].To == to {
			if !folds[last].Open {
				at = folds[last].From
			}
			folds = folds[:last]
		}
		n++
		if at == to-1 {
			bytes += len(v.span(at, to))
		}
		if bytes > soonMarkup && n > 1 {
			return to
		}
	}
	return at
}

// fold writes a section: a short one before the end of the log is held as a whole, of another one what is not seen.
func (w *lineWriter) fold(s workflow.Section) {
	whole := s.To <= w.soon && s.To-s.From <= chunkLines
	if whole {
		w.hold(s.To - s.From)
	} else {
		w.release()
	}
	w.put("<details class=\"fold\"%s><summary>", opened(s.Open))
	w.foldTitle(w.view, s)
	w.put("<span class=\"count\">%s</span></summary>", units.Count(s.To-s.From-1, "line"))
	if whole {
		w.chunks(s.From+1, s.To, func(int) {})
	} else {
		w.lines(s.From+1, s.To, !s.Open && w.soon > w.view.shown)
		w.release()
	}
	w.raw("</details>")
}

// lines writes the lines from one to before another, by their indexes. Later holds those of the end, too.
func (w *lineWriter) lines(from, to int, later bool) {
	soon := min(max(w.soon, from), to)
	if later {
		soon = to
	}
	w.chunks(from, soon, w.hold)
	if soon < to {
		w.release()
		w.chunks(soon, to, func(int) {})
	}
}

// chunks writes lines in chunks, and announces each.
func (w *lineWriter) chunks(from, to int, announce func(lines int)) {
	for from < to {
		next := min(from+chunkLines, to)
		class := "rest" // it has another height than a whole chunk
		if next-from == chunkLines {
			class = "chunk"
		}
		announce(next - from)
		w.put("<span class=\"%s\">", class)
		w.raw(w.view.span(from, next))
		w.raw("</span>")
		from = next
	}
}

// hold has the next lines written into a noscript.
func (w *lineWriter) hold(lines int) {
	if w.held > 0 && w.held+lines > chunkLines {
		w.release()
	}
	if !w.open {
		w.raw("<noscript>")
		w.open = true
	}
	w.held += lines
}

func (w *lineWriter) release() {
	if w.open {
		w.raw("</noscript>")
	}
	w.open, w.held = false, 0
}

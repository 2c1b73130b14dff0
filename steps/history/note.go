package history

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/steps/results"
)

// Note is what is known of a test beyond one run.
type Note struct {
	New     bool          // no other run had it, and there are some
	Since   *Revision     // of the first failure of those in a row; nil if this run is the first
	Passed  *Revision     // of the last pass, if this run is the first failure after it
	Passes  int           // passes in a row before that one
	Flaky   int           // in so many runs it failed and passed at one commit
	Of      int           // of so many that had it
	Typical time.Duration // of those that passed; 0 for unknown
}

// Note returns what is known of a test of the run with the given ID, which has been added. root is that of its sample.
func (h *History) Note(c results.Case, root, id string) Note {
	at := h.indexOf(id)
	t, ok := h.tests[keyOf(root, c)]
	if at < 0 || !ok {
		return Note{}
	}
	return h.note(t, at)
}

func (h *History) note(t test, at int) Note {
	n := Note{Flaky: h.flakes(t), Of: len(t.Outcomes) - strings.Count(t.Outcomes, string(missing))}
	n.New = n.Of == 1 && len(h.runs) > 1 && t.Since == nil && t.Outcomes[at] != missing
	if t.Outcomes[at] == failed {
		if n.Since = h.since(t, at); n.Since == nil {
			n.Passed, n.Passes = h.lastPass(t, at)
			if n.Passed != nil && n.Passed.SHA == h.runs[at].SHA && n.Flaky > 0 { // at one commit: it is flaky
				n.Passed, n.Passes = nil, 0
			}
		}
	}
	if strings.Count(t.Outcomes, string(passed)) >= enoughRuns {
		n.Typical = time.Duration(t.Typical) * time.Millisecond
	}
	return n
}

// enoughRuns is the number of passes that make a duration typical.
const enoughRuns = 5

// since finds the first failure of those in a row that end at a run, if that is an earlier run.
func (h *History) since(t test, at int) *Revision {
	first := at
	for i := at; i >= 0; i-- {
		switch t.Outcomes[i] {
		case failed:
			first = i
		case passed, flaky:
			if first == at {
				return nil
			}
			return h.runs[first].revision()
		}
	}
	switch {
	case t.Since != nil:
		return t.Since
	case first == at:
		return nil
	}
	return h.runs[first].revision()
}

// lastPass finds the pass that a failure follows, and counts the passes in a row before it.
func (h *History) lastPass(t test, at int) (last *Revision, before int) {
	for i := at - 1; i >= 0; i-- {
		switch t.Outcomes[i] {
		case missing:
		case passed:
			if last == nil {
				last = h.runs[i].revision()
			} else {
				before++
			}
		default:
			return last, before
		}
	}
	return last, before
}

// flakes counts the runs in which a test failed at a commit at which it also passed, in the same run or in another one.
func (h *History) flakes(t test) int {
	const (
		green = 1 << iota
		red
	)
	ends := map[string]int{}
	for i, o := range t.Outcomes {
		if r := h.runs[i]; !r.Dirty {
			switch o {
			case passed:
				ends[r.SHA] |= green
			case failed:
				ends[r.SHA] |= red
			}
		}
	}
	n := 0
	for i, o := range t.Outcomes {
		if r := h.runs[i]; o == flaky || o == failed && !r.Dirty && ends[r.SHA] == green|red {
			n++
		}
	}
	return n
}

// Text is the note in a few words, "" if there is nothing to say. A branch is named if it is another one.
func (n Note) Text(branch string) string {
	var parts []string
	if n.New {
		parts = append(parts, "new")
	}
	if n.Since != nil {
		parts = append(parts, "failing since "+n.Since.Text(branch))
	}
	if n.Passed != nil {
		text := "newly failing: passed at " + n.Passed.Text(branch)
		switch {
		case n.Passes == 1:
			text += " and in the run before"
		case n.Passes > 1:
			text += fmt.Sprintf(" and %d runs before", n.Passes)
		}
		parts = append(parts, text)
	}
	if n.Flaky > 0 && n.Of > 1 {
		parts = append(parts, fmt.Sprintf("flaky %d of the last %d", n.Flaky, n.Of))
	}
	return strings.Join(parts, ", ")
}

// SlowText is what a test usually takes, if it took far longer this time; else "".
func (n Note) SlowText(d time.Duration) string {
	const matters = time.Second
	if n.Typical == 0 || d < 2*n.Typical || d-n.Typical < matters {
		return ""
	}
	return fmt.Sprintf("usually %v", n.Typical)
}

// Text returns the commit, short, and its branch unless that is the given one. Where there was no commit it is the time.
func (m Revision) Text(branch string) string {
	const short = 7
	text := m.SHA[:min(len(m.SHA), short)]
	if strings.Trim(m.SHA, "0") == "" { // there was no commit
		text = m.At.Format("2006-01-02 15:04")
	}
	if m.Branch != branch {
		text += " of " + m.Branch
	}
	return text
}

// ID identifies a test in all histories of a step: eight letters. root is that of the samples.
func ID(root string, c results.Case) string {
	text, _ := keyOf(filepath.ToSlash(root), c).MarshalText() // never fails
	return string(text)
}

// Past returns how a test ended in the runs of the history, the oldest first, by its ID: an Outcome for each. It is ""
// for a test that the history does not have.
func (h *History) Past(id string) string {
	var k key
	if k.UnmarshalText([]byte(id)) != nil {
		return ""
	}
	t, ok := h.tests[k]
	if !ok {
		return ""
	}
	if !strings.Contains(t.Times, skippedTime) {
		return t.Outcomes
	}
	past := []byte(t.Outcomes)
	for i := range past {
		if t.Times[timeSize*i:timeSize*(i+1)] == skippedTime {
			past[i] = byte(skipped)
		}
	}
	return string(past)
}

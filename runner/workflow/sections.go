package workflow

import (
	"bytes"
	"strings"

	"github.com/carlin-cicd/runner/steps/ansi"
)

// Section is a range of lines that belong together. Sections do not overlap: within another one, only the outer counts.
type Section struct {
	From, To int // the line of its title, and that after its last
	Title    string
	Open     bool // it is to be shown unfolded: its end is missing, or it was printed so
}

// Sections finds the groups of lines: GitHub's ::group::, Azure's ##[group], TeamCity's blocks, GitLab's
// section_start, and Buildkite's headings (---, +++ and ~~~), which end at the next one.
func Sections(lines [][]byte) []Section {
	var s sections
	for i, line := range lines {
		s.read(i, line, lines)
	}
	s.close(len(lines), true)
	return s.all
}

// sections collects them.
type sections struct {
	all    []Section
	reader Reader
	depth  int  // of groups that have an end
	within bool // the last of all is not closed
}

func (s *sections) read(i int, line []byte, lines [][]byte) {
	if MayCommand(line) {
		switch c := s.reader.Read(line); c.Kind {
		case GroupStart:
			s.open(i, c.Title, false)
		case GroupEnd:
			s.end(i + 1)
		}
		return
	}
	if bytes.Contains(line, []byte("section_")) {
		if title, collapsed, ok := gitLabStart(line); ok {
			s.open(i, title, !collapsed)
		} else if isGitLabEnd(line) {
			s.end(i + 1)
		}
		return
	}
	if title, open, ok := heading(line); ok && s.depth == 0 && !isDiff(i, lines) {
		s.close(i, false)
		s.all = append(s.all, Section{From: i, Title: title, Open: open})
		s.within = true
	}
}

// open begins a group that has an end.
func (s *sections) open(i int, title string, open bool) {
	if s.depth++; s.depth > 1 {
		return
	}
	s.close(i, false)
	s.all = append(s.all, Section{From: i, Title: title, Open: open})
	s.within = true
}

// end ends the innermost group before a line.
func (s *sections) end(i int) {
	if s.depth == 0 {
		return
	}
	if s.depth--; s.depth == 0 {
		s.close(i, false)
	}
}

// close ends the section, if one is open. One that the end of the output cuts off is where it ended: it is shown.
func (s *sections) close(i int, cut bool) {
	if !s.within {
		return
	}
	last := &s.all[len(s.all)-1]
	last.To = i
	last.Open = last.Open || cut
	s.within = false
}

// gitLabStart reads section_start:TIME:NAME[collapsed=true]CR ERASE TITLE.
func gitLabStart(line []byte) (title string, collapsed, ok bool) {
	text := string(ansi.Strip(line))
	_, rest, ok := strings.Cut(text, "section_start:")
	time, rest, found := strings.Cut(rest, ":")
	if !ok || !found || !isTime(time) {
		return "", false, false
	}
	name, title, _ := strings.Cut(rest, "\r")
	name, options, _ := strings.Cut(name, "[")
	if title = strings.TrimSpace(title); title == "" {
		title = strings.TrimSpace(name)
	}
	return title, strings.Contains(options, "collapsed=true"), true
}

func isGitLabEnd(line []byte) bool {
	_, rest, ok := strings.Cut(string(ansi.Strip(line)), "section_end:")
	time, _, found := strings.Cut(rest, ":")
	return ok && found && isTime(time)
}

// isTime reports whether a text is a number of seconds since 1970.
func isTime(text string) bool { return text != "" && strings.Trim(text, "0123456789") == "" }

// heading reads Buildkite's headings. go test begins lines by the same dashes.
func heading(line []byte) (title string, open, ok bool) {
	if len(line) < 5 || line[3] != ' ' {
		return "", false, false
	}
	mark := string(line[:3])
	if mark != "---" && mark != "+++" && mark != "~~~" {
		return "", false, false
	}
	title = strings.TrimSpace(string(ansi.Strip(line[4:])))
	for _, result := range []string{"FAIL:", "PASS:", "SKIP:", "BENCH:"} {
		if strings.HasPrefix(title, result) {
			return "", false, false
		}
	}
	return title, mark == "+++", title != "" && strings.Trim(title, "-+~ ") != ""
}

// isDiff reports whether a heading is one of two lines at the head of a diff: --- OLD and +++ NEW.
func isDiff(i int, lines [][]byte) bool {
	begins := func(i int, mark string) bool {
		return i >= 0 && i < len(lines) && bytes.HasPrefix(lines[i], []byte(mark))
	}
	return begins(i, "--- ") && begins(i+1, "+++ ") || begins(i, "+++ ") && begins(i-1, "--- ")
}

package steps

import (
	"fmt"
	"strings"
)

// UnknownError says that no step has the name.
type UnknownError struct {
	Name  string
	Known []string
}

func (e *UnknownError) Error() string { return "Unknown PIPELINE_STEP=" + e.Name }

// Hint says what would have been known.
func (e *UnknownError) Hint() string {
	hint := "the steps are " + strings.Join(e.Known, ", ") + "; add your own to runner.yaml under steps:"
	if near := nearest(e.Name, e.Known); near != "" {
		return fmt.Sprintf("did you mean %s? %s", near, hint)
	}
	return hint
}

// FileError is something in runner.yaml that cannot be accepted, with its place.
type FileError struct {
	Path         string // as it was given
	Line, Column int    // from 1; 0 when the whole file is meant
	Source       string // the line itself
	Message      string
	Advice       string
}

func (e *FileError) Error() string {
	if e.Line == 0 {
		return e.Path + ": " + e.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s: %s", e.Path, e.Line, e.Column, e.Message, strings.TrimSpace(e.Source))
}

// Hint says what would be accepted.
func (e *FileError) Hint() string { return e.Advice }

// nearest returns the candidate that a typing slip away is meant, or "".
func nearest(word string, candidates []string) string {
	best, bestDistance := "", 3
	for _, c := range candidates {
		if d := distance(word, c); d < bestDistance && d < len(c) {
			best, bestDistance = c, d
		}
	}
	return best
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			diagonal, row[j] = row[j], min(row[j]+1, row[j-1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

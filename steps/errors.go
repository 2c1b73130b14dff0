package steps

import (
	"fmt"
	"strings"
)

// UnknownError is for a name that no step has.
type UnknownError struct {
	Name  string
	Known []string
}

func (e *UnknownError) Error() string { return "Unknown PIPELINE_STEP=" + e.Name }

// Hint lists the known steps.
func (e *UnknownError) Hint() string {
	hint := "the steps are " + strings.Join(e.Known, ", ") + "; add your own to runner.yaml under steps:"
	if near := Nearest(e.Name, e.Known); near != "" {
		return fmt.Sprintf("did you mean %s? %s", near, hint)
	}
	return hint
}

// FileError is an error in runner.yaml, with its place.
type FileError struct {
	Path         string
	Line, Column int    // from 1; 0 for the whole file
	Source       string // the line
	Message      string
	Advice       string
}

func (e *FileError) Error() string {
	if e.Line == 0 {
		return e.Path + ": " + e.Message
	}
	text := fmt.Sprintf("%s:%d:%d: %s", e.Path, e.Line, e.Column, e.Message)
	if source := strings.TrimSpace(e.Source); source != "" {
		text += ": " + source
	}
	return text
}

// Hint says what to write instead.
func (e *FileError) Hint() string { return e.Advice }

// Nearest returns the candidate that the word is most likely a typing error of, or "".
func Nearest(word string, candidates []string) string {
	best, bestDistance := "", 3
	for _, c := range candidates {
		allowed := 1 // a short name two errors away is another name
		if len(c) > 4 {
			allowed = 2
		}
		if d := typingErrors(word, c); d < bestDistance && d <= allowed && d < len(c) {
			best, bestDistance = c, d
		}
	}
	return best
}

// typingErrors counts the characters that were left out, added or replaced, and the neighbors that were swapped,
// between a and b (the optimal string alignment distance).
func typingErrors(a, b string) int {
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next := make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}

package main

import (
	"context"
	"io"
	"os"

	"golang.org/x/term"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner"
)

// progress returns a context whose work tells on the terminal how far it has come, and what ends that. Where stderr is
// no terminal, or one that cannot draw a line anew, nothing is told.
func (s shelf) progress(ctx context.Context, what string) (context.Context, func()) {
	file, ok := s.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) || s.variables["TERM"] == "dumb" {
		return ctx, func() {}
	}
	p := &runner.ProgressLine{
		Draw:  func(line string) { io.WriteString(file, "\r\x1b[K"+line) },
		Width: func() int { return width(file) }, What: what, Color: s.variables["NO_COLOR"] == "",
	}
	return artifacts.WithProgress(ctx, p.Tell), p.Clear
}

// width of a terminal, in columns; 0 if it does not say, or is none.
func width(w io.Writer) int {
	file, ok := w.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		return 0
	}
	return width
}

package main

import (
	"context"
	"io"
	"os"

	"golang.org/x/term"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner"
	"github.com/carlin-cicd/runner/runner/terminal"
)

// showProgress returns a context whose transfers draw their progress on the terminal, and the function that clears it.
// Nothing is drawn if stderr is not a terminal, or one that cannot redraw a line.
func (s artifactStore) showProgress(ctx context.Context, what string) (context.Context, func()) {
	file, ok := s.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) || s.variables["TERM"] == "dumb" {
		return ctx, func() {}
	}
	p := &runner.ProgressLine{
		Draw:  func(line string) { io.WriteString(file, "\r\x1b[K"+line) },
		Width: func() int { return terminalWidth(file) }, What: terminal.Escape(what), Color: s.variables["NO_COLOR"] == "",
	}
	return artifacts.WithProgress(ctx, p.Tell), p.Clear
}

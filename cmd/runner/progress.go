package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

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
	p := &progressLine{w: file, what: what, begun: time.Now(), color: s.variables["NO_COLOR"] == ""}
	p.width = func() int {
		width, _, err := term.GetSize(int(file.Fd()))
		if err != nil || width <= 0 {
			return 80
		}
		return width
	}
	return artifacts.WithProgress(ctx, p.tell), p.clear
}

// progressLine is the last line of a terminal, drawn anew at most ten times a second.
type progressLine struct {
	w     io.Writer
	width func() int
	what  string // "fetching"
	begun time.Time
	color bool

	mu    sync.Mutex
	drawn time.Time
}

const (
	redraw    = 100 * time.Millisecond
	eraseLine = "\r\x1b[K"
)

func (p *progressLine) tell(now artifacts.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.drawn) < redraw {
		return
	}
	p.drawn = time.Now()
	io.WriteString(p.w, eraseLine+p.render(now, time.Since(p.begun), p.width()))
}

// clear leaves the line to what comes next.
func (p *progressLine) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.drawn.IsZero() {
		io.WriteString(p.w, eraseLine)
	}
}

// render draws the line in less than width columns, so that the cursor stays on it. What there is no room for goes,
// the least telling first.
func (p *progressLine) render(now artifacts.Progress, elapsed time.Duration, width int) string {
	part := 0.0
	files := fmt.Sprintf("  %d of %s", now.Files, runner.Count(now.TotalFiles, "file"))
	bytes, speed := "", ""
	switch {
	case now.TotalBytes > 0:
		moved := min(now.Bytes, now.TotalBytes)
		part = float64(moved) / float64(now.TotalBytes)
		bytes = fmt.Sprintf("  %s of %s", runner.Size(moved), runner.Size(now.TotalBytes))
		if elapsed >= time.Second {
			speed = fmt.Sprintf("  %s/s", runner.Size(int64(float64(moved)/elapsed.Seconds())))
		}
	case now.TotalFiles > 0:
		part = float64(min(now.Files, now.TotalFiles)) / float64(now.TotalFiles)
	}
	percent := fmt.Sprintf("%3d%%", int(100*part)) // 100 is for what is done
	text := p.what + " " + percent
	bar := true
	for _, more := range []string{files, bytes, speed} {
		if utf8.RuneCountInString(text+more) >= width {
			bar = false
			break
		}
		text += more
	}
	const least, most = 10, 30 // columns of the bar
	room := min(most, width-utf8.RuneCountInString(text)-3)
	if !bar || room < least {
		return cut(text, width-1)
	}
	full := int(part * float64(room))
	done, rest := strings.Repeat("█", full), strings.Repeat("░", room-full)
	if p.color {
		done, rest = "\x1b[32m"+done+"\x1b[0m", "\x1b[2m"+rest+"\x1b[0m"
	}
	return p.what + " " + done + rest + " " + text[len(p.what)+1:]
}

func cut(text string, width int) string {
	return string([]rune(text)[:max(0, min(width, utf8.RuneCountInString(text)))])
}

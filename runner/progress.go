package runner

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/terminal"
	"github.com/carlin-cicd/runner/runner/units"
)

// ProgressLine is the last line of a terminal, redrawn at most ten times a second during a transfer.
type ProgressLine struct {
	Draw  func(line string) // replaces the line; "" removes it
	Width func() int        // of the terminal, in columns; 0 if unknown
	What  string            // "fetching"
	Color bool

	mu           sync.Mutex
	begun, drawn time.Time
}

const redraw = 100 * time.Millisecond

// Tell redraws the line if it is due. Pass it to artifacts.WithProgress.
func (p *ProgressLine) Tell(now artifacts.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := time.Now()
	if at.Sub(p.drawn) < redraw {
		return
	}
	if p.begun.IsZero() {
		p.begun = at
	}
	p.drawn = at
	width := p.Width()
	if width <= 0 {
		width = 80
	}
	p.Draw(p.render(now, at.Sub(p.begun), width))
}

// Clear removes the line.
func (p *ProgressLine) Clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.drawn.IsZero() {
		p.Draw("")
	}
}

// render fits the line into less than width columns, so that the cursor stays on it, and leaves out the least important
// parts.
func (p *ProgressLine) render(now artifacts.Progress, elapsed time.Duration, width int) string {
	part := 0.0
	files := fmt.Sprintf("  %d of %s", now.Files, units.Count(now.TotalFiles, "file"))
	bytes, speed := "", ""
	switch {
	case now.TotalBytes > 0:
		moved := min(now.Bytes, now.TotalBytes)
		part = float64(moved) / float64(now.TotalBytes)
		bytes = fmt.Sprintf("  %s of %s", units.Size(moved), units.Size(now.TotalBytes))
		if elapsed >= time.Second {
			speed = fmt.Sprintf("  %s/s", units.Size(int64(float64(moved)/elapsed.Seconds())))
		}
	case now.TotalFiles > 0:
		part = float64(min(now.Files, now.TotalFiles)) / float64(now.TotalFiles)
	}
	percent := fmt.Sprintf("%3d%%", int(100*part)) // 100 only when it is complete
	text := p.What + " " + percent
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
		return cutTo(text, width-1)
	}
	full := int(part * float64(room))
	done, rest := strings.Repeat("█", full), strings.Repeat("░", room-full)
	if p.Color {
		done, rest = "\x1b[32m"+done+"\x1b[0m", "\x1b[2m"+rest+"\x1b[0m"
	}
	return p.What + " " + done + rest + " " + text[len(p.What)+1:]
}

func cutTo(text string, width int) string {
	return string([]rune(text)[:max(0, min(width, utf8.RuneCountInString(text)))])
}

// showProgress returns a context whose transfers draw their progress on the terminal, and a function that removes it.
func (r *run) showProgress(ctx context.Context, what string) (context.Context, func()) {
	if r.in.Width == nil {
		return ctx, func() {}
	}
	p := &ProgressLine{Draw: r.sink.Status, Width: r.in.Width, What: terminal.Escape(what), Color: r.in.Color}
	return artifacts.WithProgress(ctx, p.Tell), p.Clear
}

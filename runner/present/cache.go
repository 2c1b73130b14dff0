package present

import (
	"fmt"
	"strings"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/units"
)

// CacheLine returns what became of a cache: "deps: exact hit of main, 120 files, 1.5 MiB in 2s; saved 1.6 MiB, 80 KiB
// of it new, in 1s".
func CacheLine(c record.Cache) string {
	if t := c.Tool; t != nil {
		text := fmt.Sprintf("%s: %s, %s, %d stored", c.Name, units.Count(t.Hits, "hit"), misses(t.Misses), t.Stored)
		if t.Withheld > 0 {
			text += fmt.Sprintf(", %d withheld for a secret", t.Withheld)
		}
		if c.Note != "" {
			text += "; " + c.Note
		}
		return text
	}
	parts := []string{c.Name + ": " + cacheHit(c)}
	if text := cacheSave(c); text != "" {
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

func misses(n int) string {
	if n == 1 {
		return "1 miss"
	}
	return fmt.Sprintf("%d misses", n)
}

func cacheHit(c record.Cache) string {
	took := units.Duration(record.Duration(c.Restore))
	switch c.Hit {
	case record.ExactHit, record.OlderHit:
		what := "exact hit"
		if c.Hit == record.OlderHit {
			what = "older entry"
		}
		return fmt.Sprintf("%s of %s, %s, %s in %s", what, c.Branch, units.Count(c.Files, "file"), units.Size(c.Bytes), took)
	case record.Miss:
		if c.Note != "" {
			return "miss (" + c.Note + ")"
		}
		return "miss"
	}
	if c.Note != "" {
		return "not restored (" + c.Note + ")"
	}
	return "not restored"
}

func cacheSave(c record.Cache) string {
	switch c.Save {
	case record.SaveDone:
		return fmt.Sprintf("saved %s, %s of it new, in %s", units.Size(c.Kept), units.Size(c.Added),
			units.Duration(record.Duration(c.Saving)))
	case record.SaveUnchanged, "":
		return ""
	}
	if c.SaveNote == "" || c.SaveNote == c.Note {
		return ""
	}
	if c.Save == record.SaveNone {
		return "not saved: " + c.SaveNote
	}
	return string(c.Save) + ": " + c.SaveNote
}

// TimeSavedLine returns how much longer a run would have taken without its caches, "" if that is not known.
func TimeSavedLine(run record.Run) string {
	if run.Saved <= 0 {
		return ""
	}
	return "about " + units.Duration(record.Duration(run.Saved)) + " saved by caches"
}

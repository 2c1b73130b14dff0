package coverage

import (
	"fmt"
	"math"
	"strconv"
)

// Floor are the limits of line coverage.
type Floor struct {
	Minimum float64 // percent; 0 for none
	Drop    float64 // the percentage points that it may lose since the previous run; 0 for any
}

// tiny is the rounding error of a difference of percentages.
const tiny = 1e-9

// Check returns a *FloorError if coverage is too low, or has lost too much. A previous summary without lines does not
// count.
func (f Floor) Check(now, previous Summary) error {
	percent := now.Lines.Percent()
	switch {
	case f.Minimum > 0 && (now.Lines.Total <= 0 || percent < f.Minimum):
		return &FloorError{Summary: now, Floor: f}
	case f.Drop > 0 && now.Change(previous).Lines < -f.Drop-tiny:
		return &FloorError{Summary: now, Floor: f, Lost: -now.Change(previous).Lines}
	}
	return nil
}

// FloorError is for coverage under the floor.
type FloorError struct {
	Summary Summary
	Floor   Floor
	Lost    float64 // percentage points, if the drop is too large; else 0
}

func (e *FloorError) Error() string {
	lines := e.Summary.Lines
	switch {
	case lines.Total <= 0:
		return fmt.Sprintf(
			"%s has no lines, which is under the floor of %s %%",
			e.Summary.Source,
			number(e.Floor.Minimum),
		)
	case e.Lost > 0:
		return fmt.Sprintf("line coverage fell by %s points to %s %%, more than the %s points allowed",
			number(math.Ceil((e.Lost-tiny)*10)/10), down(lines.Percent()), number(e.Floor.Drop))
	}
	return fmt.Sprintf(
		"line coverage %s %% is under the floor of %s %%",
		down(lines.Percent()),
		number(e.Floor.Minimum),
	)
}

// Hint says what to do about it.
func (e *FloorError) Hint() string {
	switch {
	case e.Summary.Lines.Total <= 0:
		return "check whether the tests measured coverage: the report lists no lines"
	case e.Lost > 0:
		return "cover the new code, or allow a larger drop"
	}
	return fmt.Sprintf(
		"cover %d more lines, or lower the floor",
		max(1, int64(math.Ceil(e.Floor.Minimum*float64(e.Summary.Lines.Total)/100))-e.Summary.Lines.Covered),
	)
}

// down cuts a percentage after its first decimal: 79.97 must not be shown as 80.
func down(percent float64) string { return number(math.Floor(percent*10) / 10) }

func number(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

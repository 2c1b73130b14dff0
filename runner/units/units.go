// Package units writes durations and sizes as people read them.
package units

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Duration is short enough to be read at a glance.
func Duration(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	default:
		return d.Round(time.Second).String()
	}
}

// Size is a number of bytes, in binary units, as the tools of AWS have it.
func Size(bytes int64) string {
	const unit = 1024
	if bytes < unit {
		return fmt.Sprintf("%d B", bytes)
	}
	value, exponent := float64(bytes)/unit, 0
	for value >= unit && exponent < 4 {
		value, exponent = value/unit, exponent+1
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGTP"[exponent])
}

// Count is a number of things: "1 file", "2 files".
func Count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Path is a path relative to the current folder if it is below it, else as it is.
func Path(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	return PathFrom(here, path)
}

// PathFrom is a path relative to a folder if it is below it, else as it is.
func PathFrom(dir, path string) string {
	if relative, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(relative) {
		return relative
	}
	return path
}

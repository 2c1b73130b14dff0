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

// Path shortens a path for messages, seen from the current folder.
func Path(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	return PathFrom(here, path)
}

// PathFrom shortens a path for messages: relative to a folder if it is below it, or with ~ if it is below the home
// folder.
func PathFrom(dir, path string) string {
	if relative, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(relative) {
		return relative
	}
	if home := os.Getenv("HOME"); filepath.IsAbs(home) && home != "/" && filepath.IsAbs(path) {
		if relative, err := filepath.Rel(home, path); err == nil && filepath.IsLocal(relative) {
			return filepath.Join("~", relative)
		}
	}
	return path
}

package history

import (
	"strconv"
	"strings"
	"time"
)

// A row has two characters for the time that a test took in each run: a number to the base of 36. Up to 99 it is
// milliseconds; from there on each power of ten has 90 numbers, so that a time has two digits.
const (
	timeSize    = 2
	noTime      = "--" // it did not run, or the time is unknown
	skippedTime = "##"

	timeBase    = 36
	exactTimes  = 100 // the times below are exact, in milliseconds
	timesPerTen = 90
)

// time is how a row keeps the time that a test took.
func (s seen) time() string {
	switch s.outcome {
	case missing:
		return noTime
	case skipped:
		return skippedTime
	}
	n, offset := min(max(s.milliseconds, 0), maxTypical), int64(0)
	for ; n >= exactTimes; offset += timesPerTen {
		n = (n + 5) / 10
	}
	text := strconv.FormatInt(n+offset, timeBase)
	return strings.Repeat("0", timeSize-len(text)) + text
}

// parseTime reads what seen.time has written, other than noTime and skippedTime.
func parseTime(text string) (time.Duration, bool) {
	n, err := strconv.ParseUint(text, timeBase, 16)
	if err != nil {
		return 0, false
	}
	d := time.Millisecond
	for ; n >= exactTimes; n -= timesPerTen {
		d *= 10
	}
	return time.Duration(n) * d, true
}

// validTimes reports whether a row of so many runs has valid times.
func validTimes(times string, runs int) bool {
	if times == "" {
		return true
	}
	if len(times) != timeSize*runs {
		return false
	}
	for i := 0; i < len(times); i += timeSize {
		text := times[i : i+timeSize]
		if _, ok := parseTime(text); !ok && text != noTime && text != skippedTime {
			return false
		}
	}
	return true
}

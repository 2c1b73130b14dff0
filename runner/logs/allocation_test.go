//go:build !race

package logs

import (
	"io"
	"strings"
	"testing"
)

// The race detector allocates.
func TestTheFastPathDoesNotAllocate(t *testing.T) {
	p := []byte(strings.Repeat("plain text\n\x1b[32mcoloured\x1b[0m \"quoted\"\tand größer\r\n", 5000) + "unfinished")
	for _, o := range []Options{{}, {File: io.Discard}, {Format: Text, Color: true}, {Format: Text, File: io.Discard}} {
		c := New(io.Discard, o).Command()
		if n := testing.AllocsPerRun(20, func() { _, _ = c.Write(p) }); n != 0 {
			t.Errorf("%+v: %v allocations a Write", o, n)
		}
	}
}

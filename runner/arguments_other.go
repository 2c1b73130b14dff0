//go:build !linux

package runner

// What macOS takes.
const (
	maxArgument = 1 << 20
	allRoom     = 1<<20 - 8<<10
)

func argumentRoom() int { return allRoom }

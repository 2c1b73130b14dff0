//go:build race

package results

// The race detector takes several times the memory.
const raceEnabled = true

//go:build race

package cache

// raceDetector needs memory of its own.
const raceDetector = true

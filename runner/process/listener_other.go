//go:build !linux

package process

// Listener is unknown on this system.
func Listener(int) (Process, bool) { return Process{}, false }

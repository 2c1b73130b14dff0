//go:build !unix

package source

// isForeign is unknown on this system.
func isForeign(string) bool { return false }

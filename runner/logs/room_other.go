//go:build !linux

package logs

import "io"

// room is how much a writer takes at once, whatever its reader does: that is known on Linux only.
type room struct{ pipe bool }

func roomOf(io.Writer) room     { return room{} }
func (r *room) take(n int) bool { return false }
func (r *room) forget()         {}
func (r *room) look()           {}
func (r *room) moved() bool     { return false }

//go:build !linux

package limit

import "errors"

// Group is of Linux only.
type Group struct{}

// New fails.
func New() (*Group, error) { return nil, errors.ErrUnsupported }

// Close does nothing.
func (*Group) Close() error { return nil }

// Line returns the line.
func (*Group) Line(_ string, line []string) []string { return line }

// Run fails.
func Run([]string) error { return errors.ErrUnsupported }

// PeakMemory returns 0.
func PeakMemory(int) int64 { return 0 }

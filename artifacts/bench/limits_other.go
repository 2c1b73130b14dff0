//go:build !linux

package main

import "errors"

type limits struct{}

func newLimits() (*limits, error) { return nil, errors.ErrUnsupported }

func (*limits) close() error { return nil }

func (*limits) line(_ string, line []string) []string { return line }

func runLimited([]string) error { return errors.ErrUnsupported }

func peakMemory(int) int64 { return 0 }

//go:build !man

package main

import "github.com/spf13/cobra"

// extraCommands are those of a build for a purpose of its own.
func extraCommands(*options) []*cobra.Command { return nil }

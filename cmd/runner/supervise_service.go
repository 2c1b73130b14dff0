package main

import (
	"github.com/spf13/cobra"

	"github.com/carlin-cicd/runner/runner/service"
)

// newSuperviseServiceCommand is what a runner starts for each service of a step, see package service.
func newSuperviseServiceCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use: service.Command, Hidden: true, Args: arguments(0),
		RunE: func(*cobra.Command, []string) error { return service.Serve(o.stdin, o.stdout, o.stderr) },
	}
}

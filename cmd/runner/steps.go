package main

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/carlin-cicd/runner/runner"
	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/terminal"
	"github.com/carlin-cicd/runner/steps"
)

func newStepsCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "steps",
		GroupID: groupRun,
		Short:   "list the steps, and where their settings come from",
		Args:    arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := config.Read(o.variables(cmd))
			if err != nil {
				return outcome.Refused(err)
			}
			var commands []string
			for _, c := range cmd.Root().Commands() {
				commands = append(append(commands, c.Name()), c.Aliases...)
			}
			return outcome.Refused(runner.PrintSteps(terminal.Writer(o.stdout), settings, func(step string) string {
				if slices.Contains(commands, step) {
					return "runner " + step + " is a command: start the step with runner run " + step
				}
				return ""
			}))
		},
	}
	declare(cmd, checkoutFlags...)
	return cmd
}

func newSchemaCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:     "schema",
		GroupID: groupSetUp,
		Short:   "print the JSON Schema of runner.yaml",
		Example: "runner schema > runner.schema.json",
		Args:    arguments(0),
		RunE:    func(*cobra.Command, []string) error { return o.write(string(steps.Schema())) },
	}
}

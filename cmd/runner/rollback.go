package main

import (
	"cmp"

	"github.com/spf13/cobra"
)

func newRollbackCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "rollback",
		GroupID: groupDeliver,
		Short:   "bring a stack back to what it was before a deploy",
		Long: "runner rollback brings a stack back to what the last deploy found, or with --to, to what that run\n" +
			"found. It is a run like any other: it takes the lock, keeps a record and ends as a run does.",
		Example: "runner rollback --environment production --dry-run\n" +
			"runner rollback --environment production --to 01m833pcrq",
		Args: arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			variables := o.variables(cmd)
			variables[stepFlag.variable] = cmp.Or(variables[stepFlag.variable], "deploy")
			in := o.invocation(variables)
			in.Undo, in.To = true, variables[toFlag.variable]
			return o.run(cmd.Context(), in)
		},
	}
	declare(
		cmd,
		environmentFlag.describe("where it was deployed"),
		stackNameFlag,
		toFlag.describe("the run to undo, with all that came after it"),
		stepFlag.describe("the step that deployed (default deploy)"),
		branchFlag,
		shaFlag,
		storeFlag,
		dryRunFlag.describe("show what would be done"),
	)
	declare(cmd, checkoutFlags...)
	declare(cmd, runFlags...)
	return cmd
}

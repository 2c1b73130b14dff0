package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

var (
	retriesFlag = flagSpec{
		"retries",
		"RUNNER_RETRIES",
		"NUMBER",
		"restarts after oom and the like (default the step's)",
	}
	onlyTestsFlag   = flagSpec{"only", "RUNNER_ONLY", "TEST…", "run this file or test alone (may be repeated)"}
	shardFlag       = flagSpec{"shard", "RUNNER_SHARD", "I/N", "run one of N shards of the tests, such as 2/4"}
	parallelFlag    = flagSpec{"parallel", "RUNNER_PARALLEL", "N", "run N shards side by side here, each in a copy of the workspace"}
	mergeShardsFlag = flagSpec{"merge-shards", "RUNNER_MERGE_SHARDS", "N", "merge what N shards have stored into one record"}
	rightSizeFlag   = flagSpec{"right-size", "RUNNER_RIGHT_SIZE", "", "show the Fargate size that fits the last runs; of several steps: what fewer tasks would cost"}
)

// newRunCommand runs a step; the root does the same without the word.
func newRunCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "run [STEP]",
		GroupID: groupRun,
		Short:   "run a step: runner test is short for runner run test",
		Long: "runner run runs the STEP, else $PIPELINE_STEP, else build. Without the word run it does the same,\n" +
			"unless a command has the step's name. Several steps, as in build,test, run one after the other\n" +
			"until one fails, each with a record of its own.",
		Example: "runner run test\nrunner test --timeout 5m\nrunner --step build,test\n" +
			"runner test --only src/price.test.ts\nrunner test --parallel 4\n" +
			"runner deploy --environment staging --dry-run\nrunner test --right-size",
		Args: cobra.ArbitraryArgs,
		RunE: o.runStep,

		ValidArgsFunction: o.completeSteps,
		Annotations:       map[string]string{helpFooter: exitCodesHelp},
	}
	declareStepFlags(cmd)
	return cmd
}

// declareStepFlags adds the flags of a run.
func declareStepFlags(cmd *cobra.Command) {
	at := shaFlag.describe("the commit; a clone of your own is brought to it (default $GITHUB_SHA, else that of git)")
	declare(cmd, stepFlag, environmentFlag, stackNameFlag, branchFlag, at, storeFlag)
	declare(cmd, checkoutFlags...)
	declare(cmd, runFlags...)
	declare(
		cmd, onlyTestsFlag, shardFlag, parallelFlag, mergeShardsFlag, retriesFlag, forceFlag, dryRunFlag, rightSizeFlag,
		jsonFlag.describe("with --right-size: one JSON object"),
		limitFlag.describe("with --right-size: how many runs (default 20)"),
	)
}

// runStep runs the step that is the argument, else that of the variables.
func (o *options) runStep(cmd *cobra.Command, args []string) error {
	if err := arguments(0, "STEP")(cmd, args); err != nil {
		return err
	}
	variables := o.variables(cmd)
	if len(args) == 1 {
		if given := cmd.Flags().Lookup(stepFlag.name); given.Changed && given.Value.String() != args[0] {
			message := fmt.Sprintf("two steps were given, %s and %s", args[0], given.Value)
			return &usageError{message, "run them one after the other: --step build,test"}
		}
		variables[stepFlag.variable] = args[0]
	}
	if o.isDigest(cmd, variables) {
		return o.postDigest(cmd, variables)
	}
	rightSize, err := boolean(variables, rightSizeFlag.variable)
	switch {
	case err != nil:
		return err
	case rightSize:
		return o.rightSize(cmd.Context(), variables)
	}
	for _, f := range []flagSpec{jsonFlag, limitFlag} {
		if cmd.Flags().Changed(f.name) {
			return &usageError{fmt.Sprintf("--%s needs --right-size", f.name), "add --right-size, or see runner help run"}
		}
	}
	names := stepList(variables[stepFlag.variable])
	if err := checkSharding(variables, names); err != nil {
		return err
	}
	if variables[parallelFlag.variable] != "" {
		return o.runParallel(cmd.Context(), variables)
	}
	if len(names) > 1 {
		if variables[onlyTestsFlag.variable] != "" {
			return &usageError{"--only is for one step", "name the step whose tests they are, as in runner test --only FILE"}
		}
		return o.runTogether(cmd.Context(), variables, names)
	}
	return o.run(cmd.Context(), o.invocation(variables))
}

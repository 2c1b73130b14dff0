package main

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner"
	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/deploy"
	"github.com/carlin-cicd/runner/runner/outcome"
)

var fromFlag = flagSpec{"from", "RUNNER_FROM", "NAME", "the environment in which the commit has passed"}

func newPromoteCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "promote",
		GroupID: groupDeliver,
		Short:   "deploy a commit that passed in one environment to another",
		Example: "runner promote --sha 1f2e3d4 --from staging --to production\n" +
			"runner promote --sha 1f2e3d4 --from staging --to production --dry-run   # may it, and if not, why",
		Args: arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return o.promote(cmd.Context(), o.variables(cmd)) },
	}
	declare(
		cmd, shaFlag, fromFlag, toFlag.describe("the environment to deploy to"), branchFlag,
		stepFlag.describe("the step that deploys (default deploy)"), stackNameFlag, storeFlag,
		forceFlag.describe("even if a newer commit is live"),
		dryRunFlag.describe("show whether it may be deployed there, and why not"),
	)
	declare(cmd, checkoutFlags...)
	declare(cmd, runFlags...)
	return cmd
}

// promote shows why a commit may or may not go to the environment, and unless it is a dry run, runs the step that
// deploys it there.
func (o *options) promote(ctx context.Context, variables map[string]string) error {
	from, to := variables[fromFlag.variable], variables[toFlag.variable]
	variables[stepFlag.variable] = cmp.Or(variables[stepFlag.variable], "deploy")
	switch {
	case from == "" || to == "":
		return &usageError{"missing --from or --to", "runner promote --sha COMMIT --from staging --to production"}
	case from == to:
		return &usageError{"--from and --to are both " + to, "name two environments"}
	}
	variables[environmentFlag.variable] = to
	var examined deploy.Examined
	err := o.interruptible(ctx, func(ctx context.Context) error {
		report := o.findingsAsText(o.color(variables))
		var writeErr error
		var err error
		examined, err = runner.ExaminePromotion(ctx, variables, from, func(f artifacts.Finding) {
			if err := report.finding(f); writeErr == nil {
				writeErr = err
			}
		})
		return cmp.Or(err, writeErr)
	})
	if err != nil {
		return err
	}
	settings, err := config.Read(variables)
	switch {
	case !examined.Allowed:
		return &usageError{message: "the commit may not be deployed to " + to + " yet"}
	case err != nil:
		return outcome.Refused(err)
	case settings.DryRun:
		return nil
	}
	if variables[digestsVariable] == "" { // what was examined is what is deployed
		var digests []string
		for _, kind := range slices.Sorted(maps.Keys(examined.Digests)) {
			digests = append(digests, kind+"="+examined.Digests[kind])
		}
		variables[digestsVariable] = strings.Join(digests, ",")
	}
	return o.run(ctx, o.invocation(variables))
}

// digestsVariable names the sets that a run may fetch, see config.Config.
const digestsVariable = "RUNNER_ARTIFACT_DIGESTS"

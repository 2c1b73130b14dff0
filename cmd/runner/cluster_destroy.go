package main

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/spf13/cobra"

	"github.com/carlin-cicd/runner/runner/cluster"
	"github.com/carlin-cicd/runner/steps"
)

var allFlag = flagSpec{
	"all", "RUNNER_CLUSTER_ALL", "", "also the bucket, the images, the webhook's secret and the base of the account",
}

func newClusterDestroyCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "destroy",
		Short: "delete the stacks of the cluster; its bucket and its images only with --all",
		Long: "runner cluster destroy says what it deletes and what it keeps, and asks. What the pipeline deployed stays;\n" +
			"so do the bucket, the images, the webhook's secret and the base, unless --all is given.",
		Example: "runner cluster destroy --dry-run\nrunner cluster destroy --all",
		Args:    arguments(0),
		RunE:    o.withCluster(clusterCommand.destroy),
	}
	declare(
		cmd, allFlag, dryRunFlag.describe("say what would be deleted, and delete nothing"), yesFlag,
		jsonFlag.describe("what is deleted and kept as JSON"),
	)
	declare(cmd, clusterFlags...)
	return cmd
}

func (c clusterCommand) destroy(ctx context.Context) error {
	var all, dryRun bool
	var err error
	for f, to := range map[flagSpec]*bool{allFlag: &all, dryRunFlag: &dryRun} {
		if *to, err = boolean(c.variables, f.variable); err != nil {
			return err
		}
	}
	d, _, err := c.adopted(ctx)
	if err != nil {
		return err
	}
	// A stack in an account that no setting names is kept without its credentials, and said to be.
	err = c.openTargets(ctx, func(e steps.ClusterEnvironment, err error) bool {
		var other *usageError
		return d.Adopted[e.Name] && errors.As(err, &other)
	})
	if err != nil {
		return err
	}
	removal, err := d.Removal(ctx, all)
	if err != nil {
		return err
	}
	if err := c.showRemoval(removal); err != nil || dryRun || removal.Empty() {
		return err
	}
	if err := c.confirmed(ctx, "delete this?", "nothing was deleted"); err != nil {
		return err
	}
	*c.started = true
	if err := d.Destroy(ctx, removal); err != nil {
		return err
	}
	return c.print("deleted\n")
}

func (c clusterCommand) showRemoval(r *cluster.Removal) error {
	if c.json {
		text, err := json.Marshal(r)
		if err != nil {
			return err
		}
		return c.printJSON(append(text, '\n'))
	}
	if r.Empty() {
		return c.print("there is nothing to delete: no stack %s in %s\n", c.deployment.Settings.Stack, c.deployment.Account.Region)
	}
	return c.print("%s", r)
}

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/carlin-cicd/runner/runner/cluster"
	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/deploy/stack"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/session"
)

var (
	baseFlag       = flagSpec{"base", "RUNNER_CLUSTER_BASE", "NAME", "the stack of the base (default carlin-cicd-base)"}
	regionFlag     = flagSpec{"region", "AWS_REGION", "NAME", "the region (default that of the profile)"}
	repositoryFlag = flagSpec{"repository", "GITHUB_REPOSITORY", "OWNER/NAME", "the repository (default that of origin)"}
)

// clusterFlags say which cluster is meant.
var clusterFlags = []flagSpec{clusterFlag, baseFlag, regionFlag, workspaceFlag, configFlag}

func newClusterCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "cluster",
		GroupID: groupCluster,
		Short:   "deploy the cluster into an AWS account, check it, remove it",
		Long: "runner cluster makes what runs the pipelines in an AWS account of your own: stacks of CloudFormation.\n" +
			"What it deploys is in runner.yaml, under cluster:, or in flags; each has a default.",
		Args: cobra.ArbitraryArgs,
		RunE: requireSubcommand,
	}
	cmd.AddCommand(newClusterDeployCommand(o), newClusterImageCommand(o), newClusterCheckCommand(o), newClusterUpgradeCommand(o),
		newClusterDestroyCommand(o),
	)
	return cmd
}

// clusterCommand is a command below runner cluster.
type clusterCommand struct {
	*options
	variables  map[string]string
	settings   cluster.Settings
	deployment *cluster.Deployment
	yes        bool
	json       bool
	fromOrigin bool  // whether the repository is that of the checkout
	started    *bool // whether anything in the account was changed
}

// withCluster is the body of a command below runner cluster. What AWS refuses before anything was changed counts as
// input.
func (o *options) withCluster(
	f func(clusterCommand, context.Context) error,
) func(*cobra.Command, []string) error {
	return o.withSignals(func(ctx context.Context, variables map[string]string, _ []string) error {
		started := false
		c, err := o.openCluster(ctx, variables)
		if err == nil {
			c.started = &started
			err = f(c, ctx)
		}
		var refused *cluster.Error
		var service *stack.ServiceError
		if !started && (errors.As(err, &refused) || errors.As(err, &service)) {
			return outcome.Refused(err)
		}
		return err
	})
}

// openCluster reads the settings and opens the account.
func (o *options) openCluster(ctx context.Context, variables map[string]string) (clusterCommand, error) {
	c := clusterCommand{options: o, variables: variables}
	var err error
	for f, to := range map[flagSpec]*bool{yesFlag: &c.yes, jsonFlag: &c.json} {
		if *to, err = boolean(variables, f.variable); err != nil {
			return c, err
		}
	}
	settings, err := config.Read(variables)
	if err != nil {
		return c, err
	}
	file, err := config.LoadFile(settings)
	if err != nil {
		return c, err
	}
	if file != nil {
		c.settings.Cluster = file.Cluster
	}
	if err := c.applyFlags(ctx, settings.Workspace); err != nil {
		return c, err
	}
	if c.variables[templateFlag.variable] != "" {
		return c, nil // it deploys nothing
	}
	awsConfig, err := session.NewAWS(nil)(ctx)
	if err != nil {
		return c, err
	}
	account, err := cluster.Open(ctx, awsConfig, c.settings.Region)
	if err != nil {
		return c, err
	}
	if wanted := c.settings.Account; wanted != "" && wanted != account.ID {
		return c, &usageError{
			fmt.Sprintf("the credentials are those of account %s, and the cluster is in %s", account.ID, wanted),
			"set AWS_PROFILE to the profile of that account, or correct account: below cluster: in runner.yaml",
		}
	}
	if account.Poll, err = duration(variables, "RUNNER_STACK_POLL"); err != nil {
		return c, err
	}
	account.Note = func(line string) { o.note("%s", line) }
	c.deployment = &cluster.Deployment{
		Settings: c.settings, Account: account, Note: account.Note,
		GitHub: &cluster.GitHub{Token: variables["GITHUB_TOKEN"], URL: variables["GITHUB_API_URL"], HTTP: &http.Client{}},
	}
	return c, nil
}

// applyFlags overrides what runner.yaml says by what the command line and the environment say.
func (c *clusterCommand) applyFlags(ctx context.Context, workspace string) error {
	s := &c.settings
	for _, f := range []struct {
		flag flagSpec
		to   *string
	}{
		{clusterFlag, &s.Stack},
		{baseFlag, &s.Base},
		{regionFlag, &s.Region},
		{alarmEmailFlag, &s.AlarmEmail},
		{imageTagFlag, &s.ImageTag},
	} {
		*f.to = cmp.Or(c.variables[f.flag.variable], *f.to)
	}
	if named := cmp.Or(c.variables[repositoryFlag.variable], s.Repository); named != "" {
		s.Repository = named
		return nil
	}
	s.Repository, c.fromOrigin = cluster.Origin(ctx, workspace), true
	return nil
}

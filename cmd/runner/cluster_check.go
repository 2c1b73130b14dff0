package main

import (
	"context"
	"net/http"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/cluster"
	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/steps"
)

var (
	pingFlag    = flagSpec{"ping", "RUNNER_CLUSTER_PING", "", "send an event through the bus and the machine, which runs nothing"}
	noDriftFlag = flagSpec{"no-drift", "RUNNER_CLUSTER_NO_DRIFT", "", "do not let CloudFormation look for changes by other means"}
)

// pingTimeout is how long an event may take to the machine.
const pingTimeout = time.Minute

func newClusterCheckCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "check the cluster that is deployed: a line each, with what to do",
		Long: "runner cluster check looks at the stacks, the image, triggers, the bucket, the network, alarms, secrets,\n" +
			"quotas, roles and the webhook. It exits with 1 if something will make a pipeline fail.",
		Example: "runner cluster check\nrunner cluster check --ping --json",
		Args:    arguments(0),
		RunE:    o.withCluster(clusterCommand.check),
	}
	declare(cmd, pingFlag, noDriftFlag, jsonFlag)
	declare(cmd, clusterFlags...)
	return cmd
}

func (c clusterCommand) check(ctx context.Context) error {
	var ping, noDrift bool
	var err error
	for f, to := range map[flagSpec]*bool{pingFlag: &ping, noDriftFlag: &noDrift} {
		if *to, err = boolean(c.variables, f.variable); err != nil {
			return err
		}
	}
	i, err := c.inspection(ctx)
	if err != nil {
		return err
	}
	i.Drift = !noDrift
	*c.started = true // from here on, a failure is one of the cluster
	report := c.findingsAsText(c.color(c.variables))
	if c.json {
		report = c.findingsAsJSON()
	}
	counts := map[artifacts.Severity]int{}
	var writeErr error
	note := func(f artifacts.Finding) {
		counts[f.Severity]++
		if err := report.finding(f); writeErr == nil {
			writeErr = err
		}
	}
	if err := i.Run(ctx, note); err != nil {
		return err
	}
	if ping {
		f, err := i.Ping(ctx, pingTimeout)
		if err != nil {
			f = artifacts.Finding{
				Subject: "ping", Problem: "could not send an event: " + err.Error(), Severity: artifacts.Warning,
				Advice: "allow dynamodb:PutItem on the table, events:PutEvents on the bus, and reading executions",
			}
		}
		note(f)
	}
	if writeErr == nil {
		writeErr = report.total(counts[artifacts.Failure], counts[artifacts.Warning])
	}
	if writeErr == nil && counts[artifacts.Failure] > 0 {
		return &exitError{code: exitFailure}
	}
	return writeErr
}

// inspection is a look at what is deployed, with what the workspace knows of it.
func (c clusterCommand) inspection(ctx context.Context) (*cluster.Inspection, error) {
	d, deployed, err := c.adopted(ctx)
	unreachable := map[string]error{}
	if err == nil && deployed {
		err = c.openTargets(ctx, func(e steps.ClusterEnvironment, err error) bool {
			unreachable[e.Name] = err
			return true
		})
	}
	if err != nil {
		return nil, err
	}
	i := &cluster.Inspection{
		Unreachable: unreachable,
		Deployment:  d, GitHubToken: c.variables["GITHUB_TOKEN"], GitHubURL: c.variables["GITHUB_API_URL"], HTTP: &http.Client{},
	}
	if !deployed {
		return i, nil
	}
	settings, err := config.Read(c.variables)
	if err != nil {
		return nil, err
	}
	catalogue, err := config.LoadSteps(settings)
	if err != nil {
		return nil, err
	}
	i.Steps = catalogue.All()
	i.DefaultBranch = defaultBranch(ctx, settings.Workspace)
	return i, nil
}

// defaultBranch is the default branch of origin, as the clone noted it; "" if it did not.
func defaultBranch(ctx context.Context, workspace string) string {
	out, err := exec.CommandContext(ctx, "git", "-C", workspace, "symbolic-ref", "--short", "refs/remotes/origin/HEAD").Output()
	if err != nil {
		return ""
	}
	_, branch, _ := strings.Cut(strings.TrimSpace(string(out)), "/")
	return branch
}

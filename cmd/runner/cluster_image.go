package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/carlin-cicd/runner/runner/cluster"
)

var (
	engineFlag = flagSpec{
		"engine", "RUNNER_CLUSTER_ENGINE", "NAME", "podman or docker (default whichever is there)",
	}
	remoteFlag = flagSpec{
		"remote", "RUNNER_CLUSTER_REMOTE", "", "build it in the account, by CodeBuild (default if neither engine is there)",
	}
)

func newClusterImageCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "image",
		Short: "build the image of the steps, push it, and let every step run it",
		Long: "runner cluster image builds the Dockerfile of the workspace by podman or docker, or in the account, and\n" +
			"pushes it to the repository that the pipeline's stack made. A tag that is there already is not built again.\n" +
			"The steps run the tag " + cluster.CurrentTag + ", which moves to it; when what the image is built from changes on\n" +
			"the main branch, the pipeline rebuilds it.\n" +
			"With pinned: true below cluster: image: in runner.yaml they run this very tag.",
		Example: "runner cluster image\nrunner cluster image --remote\nrunner cluster image --image-tag 1.4.2",
		Args:    arguments(0),
		RunE:    o.withCluster(clusterCommand.image),
	}
	declare(cmd, imageTagFlag.describe("the tag of the image (default the commit)"), engineFlag, remoteFlag)
	declare(cmd, clusterFlags...)
	return cmd
}

func (c clusterCommand) image(ctx context.Context) error {
	d, _, err := c.adopted(ctx)
	if err != nil {
		return err
	}
	workspace := cmp.Or(c.variables[workspaceFlag.variable], ".")
	image := &cluster.Image{
		Deployment: d, Workspace: workspace, Tag: c.variables[imageTagFlag.variable],
		Engine: c.variables[engineFlag.variable], Output: c.stderr,
	}
	if image.Remote, err = boolean(c.variables, remoteFlag.variable); err != nil {
		return err
	}
	if image.Remote && image.Engine != "" {
		return &usageError{"--remote and --engine say different things", "leave one of them out"}
	}
	if e := image.Engine; e != "" && e != "podman" && e != "docker" {
		return &usageError{fmt.Sprintf("--engine cannot be %q", e), "write podman or docker"}
	}
	if image.Tag == "" {
		var changed bool
		if image.Tag, changed, err = cluster.TagOf(ctx, workspace, time.Now()); err != nil {
			return err
		}
		if changed {
			c.note("runner: the workspace has changes that are not in the commit, so the tag is %s", image.Tag)
		}
	}
	*c.started = true
	if err := image.Publish(ctx); err != nil {
		return err
	}
	return c.print("every step runs the image %s\nnext     git push; then runner pipeline status --follow%s\n", image.Tag, c.stackWords())
}

// adopted are the settings, completed by what is deployed.
func (c clusterCommand) adopted(ctx context.Context) (*cluster.Deployment, bool, error) {
	d := c.deployment
	d.Settings = c.settings
	if c.fromOrigin {
		d.Settings.Repository = ""
	}
	deployed, err := d.Adopt(ctx)
	if err != nil {
		return nil, false, err
	}
	d.Settings.Repository = cmp.Or(d.Settings.Repository, c.settings.Repository, "owner/name")
	return d, deployed, d.Settings.Complete()
}

// stackWords name the stack in a command, unless it has the default name.
func (c clusterCommand) stackWords() string {
	if stack := c.deployment.Settings.Stack; stack != cluster.DefaultStack {
		return " --stack " + stack
	}
	return ""
}

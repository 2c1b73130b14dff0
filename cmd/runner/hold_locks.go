package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/lease"
	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/deploy"
	"github.com/carlin-cicd/runner/runner/deploy/keeper"
	"github.com/carlin-cicd/runner/runner/environment"
	"github.com/carlin-cicd/runner/runner/session"
)

// newHoldLocksCommand is what a runner starts beside a deployment, see package keeper.
func newHoldLocksCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use: keeper.Command, Hidden: true, Args: arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return keeper.Serve(cmd.Context(), o.stdin, openStoreOf, deploy.IsRunning)
		},
	}
}

// openStoreOf opens the store of another runner, by its variables, which the AWS SDK finds in our environment.
func openStoreOf(ctx context.Context, variables map[string]string) (artifacts.Store, error) {
	for name, value := range variables {
		if !environment.IsPrivate(name) && name != "RUN_ID" {
			_ = os.Setenv(name, value)
		}
	}
	c, err := config.Read(variables)
	if err != nil {
		return nil, err
	}
	s := session.New(ctx, variables, c)
	err = s.OpenStore(ctx, lease.Owner{}, s.LogWait)
	return s.Store, err
}

package main

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/location"
)

// runPublish is the process: "publish LOCATION KIND DIR BRANCH SHA" does what runner artifacts put does.
func runPublish(ctx context.Context, args []string) error {
	if len(args) != 5 {
		return fmt.Errorf("publish needs LOCATION KIND DIR BRANCH SHA")
	}
	load := func(ctx context.Context) (aws.Config, error) { return config.LoadDefaultConfig(ctx) }
	store, _, err := location.Open(ctx, args[0], location.Options{AWS: load})
	if err != nil {
		return err
	}
	_, err = artifacts.Publish(ctx, store, artifacts.Set{
		Kind: args[1], Dir: args[2], Ref: artifacts.Ref{Branch: args[3], SHA: args[4]}, RunID: "bench",
	})
	return err
}

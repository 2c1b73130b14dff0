package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/carlin-cicd/runner/artifacts/cache/gocacheprog"
)

// newGoCacheProgCommand is what the go command starts in a step with cache: { go: true }.
func newGoCacheProgCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:    "gocacheprog",
		Hidden: true,
		Short:  "serve the go command the cache of the step that it runs in",
		Long: "runner gocacheprog is for GOCACHEPROG, which a step with cache: { go: true } sets. It passes the go\n" +
			"command's requests on to the runner of the step, by RUNNER_CACHE_URL and RUNNER_CACHE_TOKEN.",
		Args: arguments(0),
		RunE: o.withSignals(func(ctx context.Context, variables map[string]string, _ []string) error {
			url := variables["RUNNER_CACHE_URL"]
			if url == "" {
				return &usageError{
					"RUNNER_CACHE_URL is not set", "the go command starts it in a step with cache: { go: true } in runner.yaml",
				}
			}
			p := gocacheprog.Program{URL: url, Token: variables["RUNNER_CACHE_TOKEN"]}
			return p.Run(ctx, o.stdin, o.stdout)
		}),
	}
}

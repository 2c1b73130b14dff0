package main

import (
	"cmp"
	"context"

	"github.com/carlin-cicd/runner/runner"
)

// rollback is a run like any other, but for what it does.
func (c console) rollback(ctx context.Context, variables map[string]string) int {
	variables["PIPELINE_STEP"] = cmp.Or(variables["PIPELINE_STEP"], "deploy")
	in := c.invocation(variables)
	in.Undo, in.To = true, variables["RUNNER_TO"]
	return runner.Run(ctx, in).ExitCode
}

package main

import (
	"cmp"
	"context"

	"github.com/carlin-cicd/runner/runner/config"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner"
)

// promote says why a commit may go from one environment to another, or why not, and unless that is all that was asked
// for, runs the step that deploys it there.
func (c console) promote(ctx context.Context, variables map[string]string) int {
	p := runner.Promotion{Variables: variables, From: variables["RUNNER_FROM"], To: variables["RUNNER_TO"]}
	variables["PIPELINE_STEP"] = cmp.Or(variables["PIPELINE_STEP"], "deploy")
	switch {
	case p.From == "" || p.To == "":
		return c.fail(exitUsage, "where from, or where to, is missing", "runner promote --sha COMMIT --from staging --to production")
	case p.From == p.To:
		return c.fail(exitUsage, "from and to are both "+p.To, "name two environments")
	}
	variables["ENVIRONMENT"] = p.To
	asking, stop := c.interruptible(ctx)
	report := reportText(c, c.color(variables))
	var lost error
	may, err := p.Examine(asking, func(f artifacts.Finding) {
		if err := report(f, nil); lost == nil {
			lost = err
		}
	})
	config, _ := config.Read(variables)
	switch stop(); {
	case err != nil:
		return c.end(asking, err)
	case lost != nil:
		return c.end(asking, lost)
	case !may:
		return c.fail(exitUsage, "it may not go there yet", "")
	case config.DryRun:
		return 0
	}
	return c.step(ctx, variables)
}

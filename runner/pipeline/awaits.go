package pipeline

import (
	"slices"

	"github.com/carlin-cicd/runner/runner/record"
)

// DefaultAwaits returns the approval that the cluster asks for after a step where runner.yaml has no pipeline, nil if it
// asks for none: it builds and tests, then delivers to the environments in their order.
func DefaultAwaits(environments, approvals []string, step, environment string) *record.Awaits {
	if len(environments) == 0 {
		return nil
	}
	next, steps := environments[0], []string{"build", "test"}
	if environment != "" {
		i := slices.Index(environments, environment)
		if i < 0 || i+1 == len(environments) || step != "deploy" {
			return nil
		}
		next, steps = environments[i+1], []string{"deploy@" + environment}
	} else if !slices.Contains(steps, step) {
		return nil
	}
	if !slices.Contains(approvals, next) {
		return nil
	}
	return &record.Awaits{Environment: next, Steps: steps}
}

// Awaits returns the approval that comes after the stage of a step, nil if none does.
func (p Plan) Awaits(step, environment string) *record.Awaits {
	for i := range len(p.Stages) - 1 {
		stage := p.Stages[i]
		if p.Stages[i+1].Approval == "" || stage.Environment != environment {
			continue
		}
		all := slices.Clone(stage.Steps)
		for _, job := range stage.Jobs {
			all = append(all, job.Steps...)
		}
		if !slices.Contains(all, step) {
			continue
		}
		if environment != "" {
			for k := range all {
				all[k] += "@" + environment
			}
		}
		return &record.Awaits{Environment: p.Stages[i+1].Approval, Steps: all}
	}
	return nil
}

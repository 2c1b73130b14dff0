package pipeline

import (
	"slices"

	"github.com/carlin-cicd/runner/runner/record"
)

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

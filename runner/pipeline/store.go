package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/steps"
)

// ForRun resolves the pipeline of the steps for a session's event.
func ForRun(s *session.Session, known steps.Catalogue, changed Changed) Plan {
	e := Event{Name: s.Config.Event, Branch: s.Ref.Branch, SHA: s.Ref.SHA, MainBranch: s.Config.MainBranch}
	plan := Resolve(s.Stop.Work, known.Pipeline(), e, Since(s, changed))
	plan.Apply(known)
	return plan
}

// Entry returns the step that stores the plan: the first of the pipeline; "" if there is no pipeline.
func Entry(stages steps.Pipeline) string {
	if len(stages) == 0 {
		return ""
	}
	return stages[0].Jobs[0].Steps[0]
}

// Load returns the plan of the session's commit and event. The error is fs.ErrNotExist if there is none.
func Load(ctx context.Context, s *session.Session, stages steps.Pipeline) (p Plan, err error) {
	entry := Entry(stages)
	if entry == "" || s.Ref.SHA == session.NoCommit {
		return p, fs.ErrNotExist
	}
	err = artifacts.GetJSON(ctx, s.Store, keys.Plan(s.Ref, entry, s.Config.Event), &p)
	if err == nil && (p.Format != Format || p.SHA != s.Ref.SHA || p.Event != s.Config.Event) {
		err = fmt.Errorf("the plan of commit %.12s is not of format %d, or of another commit or event", s.Ref.SHA, Format)
	}
	return p, err
}

// Stands returns the run that stands for a step that the plan leaves out, since nothing that it depends on has changed,
// and the reason. The plan only names the run, its record decides: the error is fs.ErrNotExist if none stands for it.
func (p Plan) Stands(
	ctx context.Context, s *session.Session, step string, branches []string,
) (latest record.Latest, reason string, err error) {
	for _, skipped := range p.Skipped {
		i := slices.IndexFunc(skipped.Passed, func(proof Proof) bool { return proof.Step == step })
		if i < 0 || !slices.Contains(branches, skipped.Passed[i].Branch) {
			continue
		}
		ref := artifacts.Ref{Branch: skipped.Passed[i].Branch, SHA: skipped.Passed[i].SHA}
		if err := ref.Validate(); err != nil {
			return latest, "", fs.ErrNotExist
		}
		err = artifacts.GetJSON(ctx, s.Store, keys.LatestRun(ref, step, ""), &latest)
		if err == nil && (!latest.Passed || latest.Dirty) {
			err = fs.ErrNotExist
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return latest, "", err
		}
		return latest, skipped.Reason, err
	}
	return latest, "", fs.ErrNotExist
}

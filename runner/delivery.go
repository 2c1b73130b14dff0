package runner

import (
	"context"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/deploy"
	"github.com/carlin-cicd/runner/runner/environment"
	"github.com/carlin-cicd/runner/runner/needs"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/session"
)

// beginDelivery takes the snapshot and stores the start of the deployment.
func (r *run) beginDelivery() error { return r.delivery.Begin(r.identity()) }

// checkDelivery finds out whether a command that passed did what it says.
func (r *run) checkDelivery() error {
	if r.result != nil {
		if err := r.delivery.CheckDeployed(r.result.Started); err != nil {
			return err
		}
	}
	if !r.delivery.HasChanged() {
		return nil
	}
	return r.phase("stack", r.delivery.WaitForStacks)
}

// concludeDelivery restores the stack if the run failed, and completes the record of the deployment.
func (r *run) concludeDelivery(runErr error) error {
	if !r.delivery.Began() {
		return runErr
	}
	command := deploy.Command{Attempts: len(r.attempts), Variables: r.env.Variables}
	if r.result != nil {
		command.Started = r.result.Started
	}
	if n := len(r.attempts); n > 0 {
		command.Passed = r.attempts[n-1].Reason == record.Success
	}
	_ = r.timed("conclude", func() error {
		runErr = r.delivery.Conclude(runErr, command)
		return nil
	})
	return runErr
}

// rollback is the run of runner rollback.
func (r *run) rollback() error {
	for _, p := range []struct {
		name string
		do   func() error
	}{
		{"record", r.recordStart},
		{"secrets", r.resolveAWSSecrets},
		{"lock", func() error { return r.delivery.Lock(r.account, r.env.Variables) }},
		{"rollback", func() error { return r.delivery.Rollback(r.in.To, r.identity()) }},
	} {
		if err := r.phase(p.name, p.do); err != nil {
			return err
		}
	}
	return nil
}

// ExaminePromotion reports everything that speaks for or against deploying a commit that passed in the environment
// from, as a run with these variables would, and returns whether it is allowed. It changes nothing.
func ExaminePromotion(
	ctx context.Context,
	variables map[string]string,
	from string,
	report func(artifacts.Finding),
) (deploy.Examined, error) {
	c, err := config.Read(variables)
	if err != nil {
		return deploy.Examined{}, err
	}
	s := session.New(ctx, variables, c)
	if err := s.Identify(); err != nil {
		return deploy.Examined{}, err
	}
	catalogue, err := config.LoadSteps(c)
	if err != nil {
		return deploy.Examined{}, outcome.Refused(err)
	}
	step, err := catalogue.Find(c.Step)
	if err != nil {
		return deploy.Examined{}, outcome.Refused(err)
	}
	c.Apply(&step)
	if err = s.OpenStore(ctx, s.LockOwner(step.Name), s.LogWait); err != nil {
		return deploy.Examined{}, err
	}
	return deploy.Promotion{
		Session: s, Step: step, From: from, Variables: environment.New(s, step).Variables,
		CheckNeeds: func() error { _, err := needs.Check(s.Stop.Work, s, step, catalogue.Pipeline()); return err },
	}.Examine(report)
}

package runner

import (
	"maps"
	"strings"

	"github.com/carlin-cicd/runner/runner/account"
	"github.com/carlin-cicd/runner/runner/environment"
	"github.com/carlin-cicd/runner/steps/reference"
)

// checkAccount finds where the command works in AWS, and checks that its credentials are those of the account that the
// step requires.
func (r *run) checkAccount() (err error) {
	if r.account, err = account.Of(&r.Session, r.step, r.env.Variables); err != nil {
		return err
	}
	if r.account.Account == "" {
		return nil
	}
	return r.phase("account", func() error { return r.account.CheckAccount(r.Stop.Work) })
}

// assumeRole gives the command the credentials of the step's role.
func (r *run) assumeRole() error {
	if r.account.Role == "" {
		return nil
	}
	if r.step.Timeout > account.RoleDuration {
		r.Log.Warn("the credentials of the step's role expire before its timeout", "role", r.account.Role,
			"valid", account.RoleDuration.String(), "timeout", r.step.Timeout.String())
	}
	return r.phase("role", func() error {
		secrets, err := r.account.AddCredentials(r.Stop.Work, r.env.Variables)
		r.Redactor.Add(secrets...)
		return err
	})
}

// resolveAWSSecrets resolves the secrets with which the command works in AWS, which is all that a rollback needs of
// them.
func (r *run) resolveAWSSecrets() error {
	needed := map[string]reference.Reference{}
	for name, ref := range r.env.References {
		if strings.HasPrefix(name, "AWS_") {
			needed[name] = ref
		}
	}
	e := environment.Environment{Variables: maps.Clone(r.env.Variables), References: needed}
	if err := r.resolveSecrets(e); err != nil {
		return err
	}
	r.env.Variables = e.Variables
	return r.checkAccount()
}

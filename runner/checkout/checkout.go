// Package checkout brings the workspace of a run to its commit as the settings of a step ask for, and lets the
// command's own git work there.
package checkout

import (
	"context"
	"os"

	"github.com/carlin-cicd/runner/runner/environment"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/runner/source"
	"github.com/carlin-cicd/runner/steps"
)

// Checkout is that of one run. Close it when the step has ended.
type Checkout struct {
	session *session.Session
	private *environment.Private
	access  *source.Access
}

// New returns a checkout that has not started.
func New(s *session.Session, private *environment.Private) *Checkout {
	return &Checkout{session: s, private: private}
}

// Fetch checks out the commit, without history, unless the workspace has it already. It replaces the SHA of a tag
// object in the session by that of its commit, and reports whether the workspace has changed. The error is an
// outcome.SourceError or a *outcome.SecretsError.
func (c *Checkout) Fetch() (changed bool, err error) {
	options, err := c.options()
	if err != nil {
		return false, err
	}
	commit, changed, err := source.Checkout(c.session.Stop.Work, c.session.Git, options)
	if err != nil {
		return false, outcome.SourceError{Err: err}
	}
	c.session.Ref.SHA = commit.SHA
	return changed, nil
}

// Switch brings a clone of one's own to the commit: see source.Switch. The error is an outcome.SourceError.
func (c *Checkout) Switch() (changed bool, err error) {
	s := c.session
	commit, changed, err := source.Switch(s.Stop.Work, s.Git, s.Config.Workspace, s.Ref.SHA, s.Generated()...)
	if err != nil {
		return false, outcome.SourceError{Err: err}
	}
	s.Ref.SHA = commit
	return changed, nil
}

// Complete fetches what else the settings ask for, and warns of what they leave out. The errors are those of Fetch.
func (c *Checkout) Complete(s steps.Checkout) error {
	options, err := c.options()
	if err != nil {
		return err
	}
	applied := settings(s, inContainer(c.session))
	if err := source.Complete(c.session.Stop.Work, c.session.Git, options, applied); err != nil {
		return outcome.SourceError{Err: err}
	}
	return nil
}

// Changed returns the files of the workspace that differ between an earlier commit and the session's: see
// source.Changed.
func (c *Checkout) Changed(ctx context.Context, earlier string) ([]string, error) {
	options := source.Options{Dir: c.session.Config.Workspace, SHA: c.session.Ref.SHA}
	if c.session.AwaitsCheckout() {
		var err error
		if options, err = c.options(); err != nil {
			return nil, err
		}
	}
	return source.Changed(ctx, c.session.Git, options, earlier)
}

// Configure adds to the command's variables what its git needs: the right to use a workspace of another user, and
// access to the repository if the settings grant it. The errors are those of Fetch.
func (c *Checkout) Configure(s steps.Checkout, variables map[string]string) error {
	source.TrustWorkspace(c.session.Config.Workspace, variables)
	if s.Credentials == nil || *s.Credentials != steps.StepCheckoutCredentials {
		return nil
	}
	options, err := c.options()
	if err != nil {
		return err
	}
	c.Close() // of an earlier call
	if c.access, err = source.OpenAccess(options); err != nil {
		return outcome.SourceError{Err: err}
	}
	c.access.Configure(variables)
	return nil
}

// Close ends the command's access to the repository.
func (c *Checkout) Close() {
	c.access.Close()
	c.access = nil
}

func (c *Checkout) options() (source.Options, error) {
	s := c.session
	credentials, err := c.private.Resolve(s.Stop.Work, s, "GITHUB_TOKEN", "RUNNER_SSH_KEY")
	if err != nil {
		return source.Options{}, err
	}
	return source.Options{
		URL: s.Config.Repository, SHA: s.Ref.SHA, Branch: s.Config.Branch, Dir: s.Config.Workspace,
		Token: credentials["GITHUB_TOKEN"], SSHKey: credentials["RUNNER_SSH_KEY"], KnownHosts: s.Config.KnownHosts,
		SSHCommand: s.Variables["GIT_SSH_COMMAND"], Retries: max(s.Config.Retries, 3), Log: s.Log,
	}, nil
}

// settings applies the defaults.
func settings(c steps.Checkout, clean bool) source.Settings {
	s := source.Settings{
		Depth: value(c.Depth, 1), Tags: value(c.Tags, false), LFS: value(c.LFS, false), Clean: value(c.Clean, clean),
		Filter: value(c.Filter, ""),
	}
	switch value(c.Submodules, steps.WithoutSubmodules) {
	case steps.WithSubmodules:
		s.Submodules = source.TopSubmodules
	case steps.RecursiveSubmodules:
		s.Submodules = source.AllSubmodules
	}
	return s
}

func value[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

// inContainer reports whether the workspace is certainly the run's own: in a task, or in a container of podman or
// Docker.
func inContainer(s *session.Session) bool {
	if s.Config.Metadata != "" {
		return true
	}
	for _, name := range []string{"/.dockerenv", "/run/.containerenv"} {
		if _, err := os.Stat(name); err == nil {
			return true
		}
	}
	return false
}

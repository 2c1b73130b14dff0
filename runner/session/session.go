// Package session is what the parts of a run share: who it is, its clock, log, store, stop plan and git.
package session

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/artifacts/keys"

	"github.com/oklog/ulid/v2"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/lease"
	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/redact"
	"github.com/carlin-cicd/runner/runner/source"
	"github.com/carlin-cicd/runner/steps"
)

// NoCommit and Detached stand where there is no commit, and no branch.
const (
	NoCommit = record.NoCommit
	Detached = record.Detached
)

// Session is one run, or a command that asks what a run would do.
type Session struct {
	ID        string
	Began     time.Time
	Variables map[string]string // the environment, with the flags applied
	Config    config.Config
	Ref       artifacts.Ref
	Head      string // the commit of the workspace, "" if it has none
	Dirty     bool   // the workspace has changes that are not in the commit
	TaskARN   string
	Program   string // path of this program, where it may be started once more; else ""

	Log      *slog.Logger
	Redactor *redact.Redactor
	Stop     *Stopper
	AWS      AWS
	Store    artifacts.Store
	Place    string // the store's location, for messages

	Deadline time.Time // of the step; zero before it is known

	identified *steps.Catalogue // as Identify read it; nil after the first LoadSteps
}

// New returns a session that logs nothing and stops with ctx. A run sets its own log, stopper and deadline.
func New(ctx context.Context, variables map[string]string, c config.Config) *Session {
	redactor := redact.New()
	return &Session{
		ID: NewID(), Began: time.Now(), Variables: variables, Config: c,
		Log: slog.New(
			slog.DiscardHandler,
		), Redactor: redactor, Stop: NewStopper(ctx, time.Second, nil), AWS: NewAWS(redactor),
	}
}

// NewID returns the id of a new run. Ids sort by time.
func NewID() string { return strings.ToLower(ulid.Make().String()) }

// Identify sets the commit and the branch: from the variables, else from GitHub's, else from the workspace's git.
// The error is a *outcome.ConfigError.
func (s *Session) Identify() error {
	c := s.Config
	s.Ref = artifacts.Ref{Branch: cmp.Or(c.Branch, c.GitHubBranch), SHA: cmp.Or(c.SHA, c.GitHubSHA)}
	var leaves []string
	if source.HasRepository(c.Workspace) {
		if all, err := config.LoadSteps(c); err == nil { // an error is reported with the step
			s.identified, leaves = &all, generatedBy(all)
		}
	}
	commit, err := source.Describe(s.Stop.Work, s.Git, c.Workspace, leaves...)
	if err == nil {
		s.Head = commit.SHA
		if strings.HasPrefix(commit.SHA, strings.ToLower(s.Ref.SHA)) { // it is not set, or abbreviated
			s.Ref.SHA = commit.SHA
		}
		s.Dirty = commit.Dirty && s.Ref.SHA == commit.SHA
		if s.Ref.Branch == "" && (!s.AwaitsSwitch() || s.isInHistory()) {
			s.Ref.Branch = commit.Branch
		}
	}
	s.Ref.Branch, s.Ref.SHA = cmp.Or(s.Ref.Branch, Detached), strings.ToLower(cmp.Or(s.Ref.SHA, NoCommit))
	if err := s.Ref.Validate(); err != nil {
		return &outcome.ConfigError{Err: err, Advice: "BRANCH must be a valid git branch name, GIT_SHA hexadecimal"}
	}
	return nil
}

// Path returns a path of the workspace, given relative to it with slashes.
func (s *Session) Path(relative string) string {
	return filepath.Join(s.Config.Workspace, filepath.FromSlash(relative))
}

// AwaitsCheckout reports whether the commit, and with it the runner.yaml that counts, is fetched by the run.
func (s *Session) AwaitsCheckout() bool {
	return s.Config.Repository != "" && s.Config.SHA != "" || s.AwaitsSwitch()
}

// AwaitsSwitch reports whether the run brings a clone of one's own to its commit: it names one, the clone is at another,
// and there is no repository to fetch it from. In a task or another service of CI the workspace is what it is, unless
// some tests alone are asked for.
func (s *Session) AwaitsSwitch() bool {
	return s.IsElsewhere() && (len(s.Config.OnlyWords()) > 0 || !s.isUnattended())
}

// IsElsewhere reports whether the workspace is a clone at another commit than the one that the run names, and no
// repository is set to fetch that from.
func (s *Session) IsElsewhere() bool {
	return s.Config.Repository == "" && s.Config.SHA != "" && s.Head != "" &&
		!strings.HasPrefix(s.Head, strings.ToLower(s.Config.SHA))
}

// isInHistory reports whether the run's commit is one of the branch that the clone is on.
func (s *Session) isInHistory() bool {
	_, err := s.Git(s.Stop.Work, s.Config.Workspace, nil, "merge-base", "--is-ancestor", s.Ref.SHA, "HEAD", "--")
	return err == nil
}

// CheckHere returns a *outcome.ConfigError if the workspace is elsewhere: for commands that run several steps side by
// side, or in copies of it.
func (s *Session) CheckHere() error {
	if !s.IsElsewhere() {
		return nil
	}
	return &outcome.ConfigError{
		Message: fmt.Sprintf("the workspace is at %.12s, not at %s", s.Head, s.Config.SHA),
		Advice:  "check it out first: git switch --detach " + s.Config.SHA,
	}
}

// IsUnattended tells a task or another service of CI from a person's machine.
func (s *Session) IsUnattended() bool {
	return s.isUnattended() || s.AwaitsCheckout() && !s.AwaitsSwitch()
}

func (s *Session) isUnattended() bool {
	ci := s.Variables["CI"]
	return s.Config.Metadata != "" || ci != "" && ci != "false" && ci != "0"
}

// Generated returns patterns of what the steps of the workspace leave there, which is not a change of it.
func (s *Session) Generated() []string { return generated(s.Config) }

// LockOwner identifies the run, in its step, to those who wait for a lock that it holds.
func (s *Session) LockOwner(step string) lease.Owner {
	return lease.Owner{
		Name:   cmp.Or(s.TaskARN, LocalOwner()),
		RunID:  s.ID,
		Step:   step,
		SHA:    s.Ref.SHA,
		Branch: s.Ref.Branch,
	}
}

// LogWait logs which run holds the lock that this one waits for.
func (s *Session) LogWait(h lease.Holder) {
	s.Log.Info("waiting for lock", "holder", h.String(), "since", h.Acquired, "until", h.Expires)
}

// LocalOwner names the user and host for locks that are held outside of a task.
func LocalOwner() string {
	host, _ := os.Hostname()
	return cmp.Or(os.Getenv("USER"), "runner") + "@" + cmp.Or(host, "localhost")
}

// EarlierBranches returns the branches whose runs this one is compared with, in order: its own, the one it is to be
// merged into, and the main branch.
func (s *Session) EarlierBranches() []string {
	var all []string
	for _, branch := range []string{s.Ref.Branch, s.Variables["GITHUB_BASE_REF"], s.Config.MainBranch, "master"} {
		if branch != "" && !slices.Contains(all, branch) && keys.CheckBranch(branch) == nil {
			all = append(all, branch)
		}
	}
	return all
}

// Uncommitted returns the files of the workspace that differ from its commit or are not in it, without what steps leave.
func (s *Session) Uncommitted(ctx context.Context) ([]string, error) {
	if !s.Dirty {
		return nil, nil
	}
	return source.Uncommitted(ctx, s.Git, s.Config.Workspace, generated(s.Config)...)
}

// LoadSteps returns the steps of the workspace. The first call after Identify returns what that has read, as nothing has
// run in the workspace since; later ones read runner.yaml anew, which a checkout may have changed.
func (s *Session) LoadSteps() (steps.Catalogue, error) {
	if read := s.identified; read != nil {
		s.identified = nil
		return *read, nil
	}
	return config.LoadSteps(s.Config)
}

// generated returns patterns of what the steps of the workspace leave there, which is not a change of it: reports,
// coverage and artifacts.
func generated(c config.Config) []string {
	catalogue, err := config.LoadSteps(c)
	if err != nil {
		return nil // the error is reported with the step
	}
	return generatedBy(catalogue)
}

func generatedBy(catalogue steps.Catalogue) []string {
	var patterns []string
	for _, step := range catalogue.All() {
		add := func(name string) {
			if name != "" && name != "." {
				patterns = append(patterns, path.Join(step.Directory, name))
			}
		}
		for _, report := range step.Reports {
			add(report)
		}
		for _, a := range step.Artifacts {
			add(a.Path)
		}
		add(step.Coverage.Path)
	}
	return patterns
}

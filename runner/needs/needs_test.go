package needs

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/folder"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/pipeline"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/steps"
)

const sha = "0123456789abcdef0123456789abcdef01234567"

// newSession returns a session on a branch, with an empty store.
func newSession(t *testing.T, branch string) *session.Session {
	t.Helper()
	store, err := folder.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &session.Session{
		Ref: artifacts.Ref{
			Branch: branch,
			SHA:    sha,
		}, Store: store, Log: slog.New(slog.DiscardHandler), Config: config.Config{MainBranch: "main"},
	}
}

func put(t *testing.T, s *session.Session, branch, step, environment string, latest record.Latest) {
	t.Helper()
	key := keys.LatestRun(artifacts.Ref{Branch: branch, SHA: sha}, step, environment)
	if err := artifacts.PutJSON(t.Context(), s.Store, key, latest); err != nil {
		t.Fatal(err)
	}
}

func TestWhichRunsSatisfyNeeds(t *testing.T) {
	passed := record.Latest{RunID: "r", Passed: true, Reason: record.Success}
	dirty := passed
	dirty.Dirty = true
	failed := record.Latest{RunID: "r", Reason: record.Failure, ExitCode: 1}
	step := steps.Step{Name: "release", Needs: []string{"test"}}
	for name, c := range map[string]struct {
		branch, environment string
		put                 func(s *session.Session)
		change              func(s *session.Session)
		want                string // a part of the error; "" for none
	}{
		"none":                              {branch: "main", want: "has not run"},
		"one that passed":                   {branch: "main", put: func(s *session.Session) { put(t, s, "main", "test", "", passed) }},
		"one that failed":                   {branch: "main", put: func(s *session.Session) { put(t, s, "main", "test", "", failed) }, want: "ended with failure (exit 1)"},
		"one of the main branch, for a tag": {branch: "v1.0", put: func(s *session.Session) { put(t, s, "main", "test", "", passed) }},
		"a failed one of the tag before a passed one of the main branch": {branch: "v1.0", put: func(s *session.Session) {
			put(t, s, "v1.0", "test", "", failed)
			put(t, s, "main", "test", "", passed)
		}, want: "ended with failure"},
		"one of any other branch, for the main branch": {branch: "main", put: func(s *session.Session) { put(t, s, "evil", "test", "", passed) }, want: "has not run"},
		"one of any other branch, for a tag":           {branch: "v1.0", put: func(s *session.Session) { put(t, s, "evil", "test", "", passed) }, want: "has not run"},
		"one of a workspace with changes":              {branch: "main", put: func(s *session.Session) { put(t, s, "main", "test", "", dirty) }, want: "changes that are not in commit"},
		"one of a workspace with changes, forced": {
			branch: "main", put: func(s *session.Session) { put(t, s, "main", "test", "", dirty) }, change: func(s *session.Session) { s.Config.Force = true },
		},
		"one of step test-prod, for test in prod": {branch: "main", environment: "prod", put: func(s *session.Session) { put(t, s, "main", "test-prod", "", passed) }, want: "has not run"},
		"one in the environment before one in none": {branch: "main", environment: "prod", put: func(s *session.Session) {
			put(t, s, "main", "test", "prod", failed)
			put(t, s, "main", "test", "", passed)
		}, want: "ended with failure"},
		"one that stands for it, where nothing has changed": {branch: "main", put: func(s *session.Session) {
			putAt(t, s, "main", earlier, passed)
			plan(t, s, "main", earlier)
		}},
		"one that stands for it, and failed": {branch: "main", put: func(s *session.Session) {
			putAt(t, s, "main", earlier, failed)
			plan(t, s, "main", earlier)
		}, want: "has not run"},
		"one that stands for it, of a workspace with changes": {branch: "main", put: func(s *session.Session) {
			putAt(t, s, "main", earlier, dirty)
			plan(t, s, "main", earlier)
		}, want: "has not run"},
		"one that stands for it, of any other branch": {branch: "main", put: func(s *session.Session) {
			putAt(t, s, "evil", earlier, passed)
			plan(t, s, "evil", earlier)
		}, want: "has not run"},
		"a plan without the run that it names": {
			branch: "main", put: func(s *session.Session) { plan(t, s, "main", earlier) }, want: "has not run",
		},
		"one that failed, before one that stands for it": {branch: "main", put: func(s *session.Session) {
			putAt(t, s, "main", earlier, passed)
			plan(t, s, "main", earlier)
			put(t, s, "main", "test", "", failed)
		}, want: "ended with failure"},
		"one without a known commit": {
			branch: "main", put: func(s *session.Session) { put(t, s, "main", "test", "", passed) }, change: func(s *session.Session) { s.Ref.SHA = session.NoCommit }, want: "has not run",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSession(t, c.branch)
			s.Config.Environment = c.environment
			if c.put != nil {
				c.put(s)
			}
			if c.change != nil {
				c.change(s)
			}
			_, err := Check(t.Context(), s, step, pipelineOf(t))
			var guard *outcome.GuardError
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (!errors.As(err, &guard) || !strings.Contains(err.Error(), c.want) || guard.Hint() == ""):
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

const earlier = "fedcba9876543210fedcba9876543210fedcba98"

// pipelineOf is a pipeline whose plan may leave out test.
func pipelineOf(t *testing.T) steps.Pipeline {
	t.Helper()
	file, err := steps.Parse("runner.yaml", []byte("version: 1\npipeline: [build, { step: test, paths: [web] }]\n"))
	if err != nil {
		t.Fatal(err)
	}
	return file.Pipeline
}

// putAt stores how test ended at another commit.
func putAt(t *testing.T, s *session.Session, branch, commit string, latest record.Latest) {
	t.Helper()
	key := keys.LatestRun(artifacts.Ref{Branch: branch, SHA: commit}, "test", "")
	if err := artifacts.PutJSON(t.Context(), s.Store, key, latest); err != nil {
		t.Fatal(err)
	}
}

// plan stores a plan that leaves out test, since it passed on a branch at another commit.
func plan(t *testing.T, s *session.Session, branch, commit string) {
	t.Helper()
	p := pipeline.Plan{Format: pipeline.Format, Event: s.Config.Event, Branch: s.Ref.Branch, SHA: s.Ref.SHA}
	p.Skipped = []pipeline.Skipped{{
		Steps: []string{"test"}, Reason: "nothing has changed", Passed: []pipeline.Proof{{Step: "test", Branch: branch, SHA: commit}},
	}}
	if err := artifacts.PutJSON(t.Context(), s.Store, keys.Plan(s.Ref, "build", s.Config.Event), p); err != nil {
		t.Fatal(err)
	}
}

func TestAStepThatReliesOnTheCommitNeedsToKnowIt(t *testing.T) {
	deploy := steps.Step{Name: "deploy", Lock: steps.LockStack}
	for name, c := range map[string]struct {
		step    steps.Step
		sha     string
		dirty   bool
		force   bool
		refused bool
	}{
		"a deploy of a commit":                    {step: deploy, sha: sha},
		"a deploy of no commit":                   {step: deploy, sha: session.NoCommit, refused: true},
		"a deploy of no commit, forced":           {step: deploy, sha: session.NoCommit, force: true},
		"a deploy of a workspace with changes":    {step: deploy, sha: sha, dirty: true, refused: true},
		"a step that needs another one":           {step: steps.Step{Needs: []string{"test"}}, sha: sha, dirty: true, refused: true},
		"a step that fetches":                     {step: steps.Step{Fetch: []string{"builds"}}, sha: session.NoCommit, refused: true},
		"a test of a workspace with changes":      {step: steps.Step{Name: "test"}, sha: sha, dirty: true},
		"a test where there is no commit to know": {step: steps.Step{Name: "test"}, sha: session.NoCommit},
	} {
		s := newSession(t, "main")
		s.Ref.SHA, s.Dirty, s.Config.Force = c.sha, c.dirty, c.force
		err := CheckCommit(s, c.step)
		var guard *outcome.GuardError
		if refused := errors.As(err, &guard); refused != c.refused {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestASetThatIsNotTheApprovedOneIsRefused(t *testing.T) {
	m := artifacts.Manifest{
		Kind:   "builds",
		Branch: "main",
		SHA:    sha,
		RunID:  "1",
		Files:  []artifacts.File{{Path: "a", SHA256: "x", Mode: "0644"}},
	}
	other := strings.Repeat("0", 64)
	for name, c := range map[string]struct {
		handed, recorded string
		want             string // a part of the error; "" for none
	}{
		"nothing is known":             {},
		"the recorded one":             {recorded: m.Digest()},
		"another one is recorded":      {recorded: other, want: "are not those that step build published"},
		"the one that was handed over": {handed: m.Digest(), recorded: other},
		"nothing was approved":         {handed: "none", recorded: m.Digest(), want: "are not approved: no build of it was on record"},
		"another one was handed over":  {handed: other, recorded: m.Digest(), want: "are not those that were approved"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSession(t, "main")
			if c.handed == "none" {
				s.Config.Digests = c.handed
			} else if c.handed != "" {
				s.Config.Digests = "docs=" + other + ", builds=" + c.handed
			}
			if c.recorded != "" {
				put(
					t,
					s,
					"main",
					"build",
					"",
					record.Latest{RunID: "1", Passed: true, Digests: map[string]string{"builds": c.recorded}},
				)
			}
			err := CheckDigest(t.Context(), s, []string{"test", "build"}, m)
			var guard *outcome.GuardError
			if c.want == "" && err != nil ||
				c.want != "" && (!errors.As(err, &guard) || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

func TestAnUnapprovedSetIsNotFetched(t *testing.T) {
	s := newSession(t, "main")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := artifacts.Publish(t.Context(), s.Store, artifacts.Set{Kind: "builds", Ref: s.Ref, RunID: "1", Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	s.Config.Digests = "builds=" + p.Manifest.Digest()
	if _, err := Fetch(t.Context(), s, Set{Kind: "builds"}, filepath.Join(t.TempDir(), "to")); err != nil {
		t.Error(err)
	}
	s.Config.Digests = "builds=" + strings.Repeat("0", 64)
	to := filepath.Join(t.TempDir(), "to")
	var guard *outcome.GuardError
	if _, err := Fetch(t.Context(), s, Set{Kind: "builds"}, to); !errors.As(err, &guard) {
		t.Errorf("the error is %v", err)
	}
	if _, err := os.Stat(to); err == nil {
		t.Error("it was written to the workspace")
	}
}

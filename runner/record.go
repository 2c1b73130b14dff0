package runner

import (
	"cmp"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/redact"
	"github.com/carlin-cicd/runner/runner/sizing"
	"github.com/carlin-cicd/runner/runner/verdict"
	"github.com/carlin-cicd/runner/steps"
	"github.com/carlin-cicd/runner/steps/results"
)

func (r *run) identity() record.Identity {
	return record.Identity{
		RunID: r.ID, Step: r.step.Name, SHA: r.Ref.SHA,
		Branch:      cmp.Or(r.Ref.Branch, r.Config.Branch, r.Config.GitHubBranch), // refused input has no Ref
		Environment: r.Config.Environment, Stack: cmp.Or(r.Config.StackName, r.delivery.StackName()),
		Task: r.task.ID(), Runner: r.in.Version,
	}
}

func (r *run) metadata() map[string]string {
	m := map[string]string{}
	if r.Config.GitHubName != "" {
		m["repository"] = r.Config.GitHubName
	}
	if r.Dirty {
		m["dirty"] = "true" // the workspace had changes that the commit has not
	}
	return m
}

func (r *run) startedRecord() record.Started {
	return redact.Value(r.Redactor, record.Started{
		Timestamp: r.Began.Unix(), Revision: r.Ref.SHA, Metadata: r.metadata(),
		Identity: r.identity(), Command: r.step.Command.String(), Only: r.Config.OnlyWords(), At: r.Began.UTC(),
	})
}

// now returns the time, and once the run is over that of its end.
func (r *run) now() time.Time {
	if r.over.IsZero() {
		return time.Now()
	}
	return r.over
}

// buildRecord returns the record of the run as far as it has come, redacted. It is built once, when the run has ended;
// a run that was stopped early is recorded before that, too.
func (r *run) buildRecord(o outcome.Outcome) record.Run {
	now := r.now()
	f := record.Run{
		Timestamp: now.Unix(), Passed: o.Passed(), Result: "FAILURE", Revision: r.Ref.SHA, Metadata: r.metadata(),
		Identity: r.identity(),
		ExitCode: o.ExitCode, Reason: o.Reason, Killed: o.Killed, Retryable: o.Retryable && r.step.Lock != steps.LockEnvironment,
		Allowed: r.retryAllowed(o), Only: r.Config.OnlyWords(),
		StartedAt: r.Began.UTC(), EndedAt: now.UTC(), Seconds: record.Seconds(now.Sub(r.Began)),
		Artifacts: r.artifacts, Outputs: r.outputs.own, Phases: r.phases, Attempts: r.attempts, Published: r.published,
	}
	switch o.Reason {
	case record.Success:
		f.Result = "SUCCESS"
	case record.Cancelled:
		f.Result = "ABORTED"
	}
	if o.Err != nil {
		f.Error, f.Hint = o.Err.Error(), outcome.Hint(o.Err)
	}
	f.Tests, f.Coverage, f.Delivery = r.testsRecord(), r.verdict.Coverage, r.delivery.Delivery()
	f.Caches, f.Saved = r.caches.record(), r.caches.saved
	f.Services = r.services.Record()
	f.Usage = r.usageRecord(o)
	f.Cost = r.cost(f.Usage)
	f.Details = r.details()
	f.Cause, f.Notes = r.cause(o, f), r.annotations(o)
	f.Lockfile = r.lockfile
	f.Attached = r.attachments
	f.Previous = r.previous()
	f.Failing = r.failingSince()
	if !o.Passed() {
		f.Rerun, f.LastPassed = r.rerunCommands(f), r.sinceLastPassed(f)
	}
	if r.result != nil {
		f.OOMKills = r.result.OOMKills
		for _, l := range r.result.Leftovers {
			f.Leftovers = append(f.Leftovers, record.Leftover{PID: l.PID, Command: l.Command, HeldOutput: l.HeldOutput})
		}
	}
	if sig, at := r.Stop.Signal(); sig != 0 {
		f.Stop = &record.Stop{
			Signal: process.SignalName(sig), Budget: record.Seconds(r.Stop.Budget), Used: record.Seconds(now.Sub(at)),
		}
	}
	r.ofShards(&f)
	clean := redact.Value(r.Redactor, f)
	for i, a := range f.Artifacts {
		if clean.Artifacts[i].Console != a.Console { // a link that a replacement has changed leads nowhere
			clean.Artifacts[i].Console = ""
		}
	}
	return clean
}

// retryAllowed reports whether the step allows the run to be started again for the reason it ended.
func (r *run) retryAllowed(o outcome.Outcome) bool {
	reason := o.Reason
	if o.AfterOOM {
		reason = record.OOM
	}
	ours := reason == record.OOM || reason == record.Cancelled
	return o.Retryable && r.step.Retry.Attempts > 0 &&
		(ours && r.step.Retry.Allows(string(reason)) || !ours && r.step.Retry.Allows("infrastructure"))
}

func (r *run) testsRecord() *record.Tests {
	if r.verdict.Tests == nil {
		return nil
	}
	t := &record.Tests{
		Counts: r.verdict.Tests.Counts, SkipReason: r.verdict.SkipReason, Missing: r.verdict.Missing,
		Stale: r.verdict.Tests.Stale, Problems: r.verdict.Tests.Problems,
	}
	for _, report := range r.verdict.Tests.Reports {
		t.Reports = append(t.Reports, report.Path)
	}
	t.Flaky, t.Quarantined, t.Slowest = r.verdict.Tests.FlakyCases, r.verdict.Tests.QuarantinedCases, r.verdict.Tests.Slowest
	within := r.withinRepository()
	for _, c := range r.verdict.Tests.Failures {
		t.Failures = append(t.Failures, r.locateFailure(c, within))
	}
	t.Stored = verdict.ReportPaths(r.directory(), *r.verdict.Tests)
	t.All, t.Beyond = r.verdict.All()
	t.Within = within
	return t
}

// locateFailure finds the place of a failed test in the repository.
func (r *run) locateFailure(c results.Case, within string) record.FailedTest {
	here := filepath.ToSlash(r.directory()) + "/"
	f := record.FailedTest{Case: c}
	f.Path, f.Line = record.FindLocation(
		strings.TrimPrefix(c.File, here), within, strings.ReplaceAll(c.Message+"\n"+c.Details, here, ""),
	)
	return f
}

// details returns what package present needs beyond finished.json.
func (r *run) details() record.Details {
	return record.Details{
		Command: r.step.Command.String(), CommandStarted: r.result != nil || r.in.Undo,
		Variables: r.env.Names(), Recorded: r.recorded(),
		Place: r.Place, Key: r.runKey(), Root: strings.Repeat("../", 1+strings.Count(r.runKey(), "/")),
		Repository: r.Config.GitHubName, RepositoryURL: r.repositoryURL(), RefType: r.refType(), Actor: r.actor(),
		TaskARN: r.task.ARN, LogURL: r.task.LogURL(), Cluster: r.task.ClusterName(), ColdStart: r.task.ColdStart(r.Began),
		Deployment: r.delivery.Details(),
	}
}

// refType returns whether the run is for a branch or for a tag.
func (r *run) refType() string {
	if r.Variables["GITHUB_REF_TYPE"] == "tag" && r.Ref.Branch == r.Config.GitHubBranch {
		return "tag"
	}
	return "branch"
}

// usageRecord returns what the commands used; nil if none was started.
func (r *run) usageRecord(o outcome.Outcome) *record.Usage {
	return sizing.Usage(r.result, r.Began, r.task, r.diskBefore, o.Reason, r.lookback.runs())
}

// cost returns the price of the run until it ended, or until the present.
func (r *run) cost(u *record.Usage) *record.Cost {
	return sizing.Cost(sizing.Billing{
		Task: r.task, Began: r.Began, Ended: r.now(), Capacity: r.Config.Capacity,
		Region: cmp.Or(r.Variables["AWS_REGION"], r.Variables["AWS_DEFAULT_REGION"]),
	}, u)
}

// withinRepository returns the step's folder relative to the root of the repository, which may be above the workspace.
func (r *run) withinRepository() string {
	for root := r.Config.Workspace; ; root = filepath.Dir(root) {
		if _, err := os.Lstat(filepath.Join(root, ".git")); err == nil {
			if within, err := filepath.Rel(root, r.directory()); err == nil {
				return filepath.ToSlash(within)
			}
		}
		if root == filepath.Dir(root) {
			return filepath.ToSlash(filepath.Clean(r.step.Directory))
		}
	}
}

// repositoryURL returns the repository's URL for a browser, "" if it is not known.
func (r *run) repositoryURL() string {
	c := r.Config
	if c.Repository == "" && c.GitHubName != "" && strings.HasPrefix(c.GitHubServer, "https://") {
		return strings.TrimSuffix(c.GitHubServer, "/") + "/" + c.GitHubName
	}
	return webURL(c.Repository, c.GitHubName)
}

// actor returns who caused the run: the one who pushed, or outside of a task the local user.
func (r *run) actor() string {
	if r.Config.Actor != "" || r.task.ARN != "" {
		return r.Config.Actor
	}
	name := cmp.Or(r.Variables["USER"], r.Variables["LOGNAME"])
	if name == "" { // a shell without a login, such as that of a container
		if who, err := user.Current(); err == nil {
			name = who.Username
		}
	}
	return name
}

// webURL returns the URL of a repository for a browser, without credentials.
func webURL(clone, github string) string {
	if host, name, ok := strings.Cut(clone, ":"); ok && !strings.Contains(clone, "://") { // git@host:owner/name.git
		clone = "ssh://" + host + "/" + name
	}
	at, err := url.Parse(clone)
	switch {
	case err == nil && at.Host != "" && at.Scheme != "file":
		return "https://" + at.Hostname() + strings.TrimSuffix(strings.TrimSuffix(at.Path, "/"), ".git")
	case github != "":
		return "https://github.com/" + github
	}
	return ""
}

package deploy

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/artifacts/lease"
	"github.com/carlin-cicd/runner/runner/needs"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/runner/source"
	"github.com/carlin-cicd/runner/steps"
)

// Promotion is the deployment of a commit that passed in one environment to another.
type Promotion struct {
	Session *session.Session // of a run in the environment to deploy to, with its store open
	Step    steps.Step       // that deploys
	From    string           // the environment in which the commit passed
	// Variables are those of the step's command in the environment to deploy to.
	Variables map[string]string

	// CheckNeeds returns an error unless the steps that Step needs passed for the commit.
	CheckNeeds func() error
}

// Examined is the result of an examination.
type Examined struct {
	Allowed bool
	Digests map[string]string // of the sets that were deployed in the other environment, by kind: those to deploy
}

// Examine reports everything that speaks for or against the promotion, and returns whether it is allowed. It changes
// nothing. The error is a *outcome.ConfigError for input that is refused, or an outcome.ArtifactsError.
func (p Promotion) Examine(report func(artifacts.Finding)) (Examined, error) {
	if p.Step.Lock != steps.LockStack {
		return Examined{}, &outcome.ConfigError{
			Message: fmt.Sprintf("step %s deploys no stack", p.Step.Name),
			Advice:  "name the step that does with --step",
		}
	}
	x := examination{Promotion: p, run: New(p.Session, p.Step), allowed: true, report: report}
	if x.run.Ref.Branch == session.Detached {
		x.add(
			artifacts.Warning, "branch", "the workspace is on none, so the records of "+session.Detached+" are used",
			"name the branch it was built on with --branch",
		)
	}
	if err := x.run.loadRecorded(p.Variables); err != nil {
		return Examined{}, err
	}
	x.checkSource()
	x.checkNeeds()
	x.checkWorkspace()
	for _, t := range x.run.targets {
		x.checkLive(t)
		x.checkLock(t)
	}
	x.describePlan()
	x.add(
		artifacts.OK, "approval", "is not asked for here: that is the pipeline's, or the protection rules of "+x.to(),
		"",
	)
	return Examined{x.allowed, x.digests}, nil
}

// examination is one Examine.
type examination struct {
	Promotion
	run     *Deployment
	allowed bool
	digests map[string]string // see Examined
	report  func(artifacts.Finding)
}

func (x *examination) to() string { return x.run.Config.Environment }

func (x *examination) add(s artifacts.Severity, subject, problem, advice string) {
	x.allowed = x.allowed && s != artifacts.Failure
	x.report(artifacts.Finding{Subject: subject, Severity: s, Problem: problem, Advice: advice})
}

// checkSource checks that the step passed in the other environment, and that what it deployed there is still live.
func (x *examination) checkSource() {
	d := x.run
	var passed record.Latest
	err := artifacts.GetJSON(d.Stop.Work, d.Store, keys.LatestRun(d.Ref, d.step.Name, x.From), &passed)
	hint := fmt.Sprintf("runner --step %s --environment %s --sha %s", d.step.Name, x.From, d.Ref.SHA)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		x.add(
			artifacts.Failure, x.From, fmt.Sprintf("commit %.12s has not been deployed there", d.Ref.SHA),
			"deploy it there first: "+hint,
		)
		return
	case err != nil:
		x.add(artifacts.Failure, x.From, "its record cannot be read: "+err.Error(), outcome.Hint(err))
		return
	case !passed.Passed:
		x.add(
			artifacts.Failure,
			x.From,
			fmt.Sprintf(
				"the last deploy of commit %.12s ended with %s (exit %d)", d.Ref.SHA, passed.Reason, passed.ExitCode,
			),
			hint,
		)
		return
	}
	source, err := x.loadSource(passed)
	if err != nil {
		x.add(artifacts.Failure, x.From, "what was deployed cannot be read: "+err.Error(), outcome.Hint(err))
		return
	}
	for _, t := range source.targets {
		if !x.checkDeployed(t, passed, hint) {
			return
		}
	}
	x.add(artifacts.OK, x.From, fmt.Sprintf("commit %.12s was deployed by run %s", d.Ref.SHA, passed.RunID), "")
	x.compareBuilds(source.targets[0].record.Builds)
}

// checkDeployed checks that what the run that passed deployed to the stack is still live.
func (x *examination) checkDeployed(t *target, passed record.Latest, hint string) bool {
	sha := x.run.Ref.SHA
	by := t.undoneBy(*t.record)
	switch p := t.ledger.Pending; {
	case by != "":
		x.add(
			artifacts.Failure, x.From,
			fmt.Sprintf("commit %.12s was deployed by run %s, and undone by run %s", sha, passed.RunID, by),
			"deploy it there again: "+hint,
		)
		return false
	case p != nil && p.SHA == sha && p.RunID != passed.RunID: // newer than the one that is on record as passed
		x.add(
			artifacts.Failure,
			x.From,
			fmt.Sprintf(
				"run %s of commit %.12s began at %s and did not finish", p.RunID, p.SHA, p.At.Format(time.RFC3339),
			),
			hint,
		)
		return false
	}
	return true
}

// loadSource returns the deployment in the other environment, with the records of the run that passed.
func (x *examination) loadSource(passed record.Latest) (*Deployment, error) {
	var ended record.Run
	if err := artifacts.GetJSON(x.Session.Stop.Work, x.Session.Store, passed.Key+"/finished.json", &ended); err != nil {
		return nil, err
	}
	s := *x.Session
	s.Config.Environment, s.Config.StackName = x.From, ended.Stack
	variables := maps.Clone(x.Variables)
	variables["ENVIRONMENT"] = x.From
	source := New(&s, x.Step)
	if err := source.loadRecorded(variables); err != nil {
		return nil, err
	}
	var missing error
	source.targets = slices.DeleteFunc(source.targets, func(t *target) bool {
		found, err := t.loadRecord(passed.RunID)
		if err != nil {
			missing = cmp.Or(missing, err)
			return true
		}
		t.record = &found
		return false
	})
	if len(source.targets) == 0 || missing != nil && !errors.Is(missing, fs.ErrNotExist) {
		return nil, cmp.Or(missing, error(fs.ErrNotExist))
	}
	return source, nil
}

// loadRecorded finds the stacks by their records, and reads their ledgers.
func (d *Deployment) loadRecorded(variables map[string]string) error {
	d.byRecords = true
	if err := d.findStacks(variables); err != nil {
		return err
	}
	for _, t := range d.targets {
		if err := t.loadLedger(); err != nil {
			return err
		}
	}
	return nil
}

// compareBuilds compares the files that will be fetched with those that were deployed.
func (x *examination) compareBuilds(deployed map[string]string) {
	d := x.run
	x.digests = map[string]string{}
	for _, kind := range d.step.Fetch {
		if deployed[kind] != "" {
			x.digests[kind] = deployed[kind]
		}
		m, err := needs.Manifest(d.Stop.Work, d.Session, kind)
		switch {
		case err != nil:
			x.add(
				artifacts.Failure, kind, "cannot be read: "+err.Error(),
				"it existed when it was deployed; see the bucket's lifecycle",
			)
		case m.Digest() != deployed[kind]:
			x.add(
				artifacts.Failure, kind, fmt.Sprintf("is not what was deployed to %s: its checksums differ", x.From),
				fmt.Sprintf("deploy it to %s again", x.From),
			)
		default:
			files := fmt.Sprintf("%d files", len(m.Files))
			if len(m.Files) == 1 {
				files = "1 file"
			}
			x.add(
				artifacts.OK, kind,
				fmt.Sprintf("is what was deployed to %s: %s, sha256 %.12s", x.From, files, m.Digest()), "",
			)
		}
	}
}

func (x *examination) checkNeeds() {
	if len(x.Step.Needs) == 0 {
		return
	}
	if err := x.CheckNeeds(); err != nil {
		x.add(artifacts.Failure, "needs", err.Error(), outcome.Hint(err))
		return
	}
	x.add(artifacts.OK, "needs", fmt.Sprintf("%v passed for this commit", x.Step.Needs), "")
}

// checkWorkspace checks that what is not in the build, the template first of all, is the commit's, too.
func (x *examination) checkWorkspace() {
	d := x.run
	here, err := source.Describe(d.Stop.Work, d.Git, d.Config.Workspace)
	switch {
	case err != nil || d.AwaitsCheckout() && !d.AwaitsSwitch():
		return
	case here.SHA != d.Ref.SHA:
		x.add(
			artifacts.Failure, "workspace",
			fmt.Sprintf("is at %.12s, and the template is taken from there", here.SHA),
			"check the commit out, or set REPOSITORY_URL",
		)
	case here.Dirty:
		x.add(artifacts.Warning, "workspace", "has changes that are not in the commit", "")
	}
}

// checkLive checks what is live in the environment to deploy to.
func (x *examination) checkLive(t *target) {
	subject := x.to()
	if len(x.run.targets) > 1 {
		subject += " " + t.stack
	}
	if p := t.ledger.Pending; p != nil {
		x.add(
			artifacts.Warning, subject,
			fmt.Sprintf("run %s began at %s and did not finish", p.RunID, p.At.Format(time.RFC3339)),
			"check whether it is still running; runner rollback undoes it",
		)
	}
	newer := t.superseded()
	switch live := t.ledger.Live; {
	case live == nil:
		x.add(artifacts.OK, subject, "nothing is live there", "")
	case newer != "" && !x.run.Config.Force:
		x.add(artifacts.Failure, subject, newer, "--force deploys the older one over it")
	case newer != "":
		x.add(artifacts.Warning, subject, newer+"; the older one is forced over it", "")
	default:
		x.add(artifacts.OK, subject, fmt.Sprintf("commit %.12s is live", live.SHA), "")
	}
}

// checkLock reports who holds the lock now. That is no reason against the promotion: it will wait.
func (x *examination) checkLock(t *target) {
	d := x.run
	key, err := keys.Lock(x.to(), t.lock)
	var now struct {
		lease.Holder
		Released time.Time `json:"released"`
	}
	if err == nil {
		err = artifacts.GetJSON(d.Stop.Work, d.Store, key, &now)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && !now.Released.IsZero():
		x.add(artifacts.OK, "lock", "is free", "")
	case err != nil:
		x.add(artifacts.Failure, "lock", "cannot be read: "+err.Error(), outcome.Hint(err))
	default:
		x.add(
			artifacts.Warning, "lock", "is held by "+now.Holder.String(),
			"the deploy will wait for it, at most "+d.step.Wait.String(),
		)
	}
}

// describePlan reports what would be run.
func (x *examination) describePlan() {
	d := x.run
	plan := fmt.Sprintf("runs step %s with commit %.12s", d.step.Name, d.Ref.SHA)
	if name := d.StackName(); name != "" {
		plan += " for stack " + name
	}
	if kinds := d.step.Fetch; len(kinds) > 0 {
		plan += ", with its " + strings.Join(kinds, ", ")
	}
	if !d.step.Verify.IsZero() {
		plan += ", verified by " + firstLine(d.step.Verify.String())
	}
	x.add(artifacts.OK, "would", plan+": "+firstLine(d.step.Command.String()), "")
}

// firstLine returns the first line of a command, with an ellipsis if there are more.
func firstLine(command string) string {
	line, rest, more := strings.Cut(strings.TrimSpace(command), "\n")
	if more && strings.TrimSpace(rest) != "" {
		line += " …"
	}
	return line
}

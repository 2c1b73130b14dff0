package runner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/runner/units"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/artifacts/lease"
	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/runner/source"
	"github.com/carlin-cicd/runner/steps"
)

// Promotion is the way of a commit from one environment to another.
type Promotion struct {
	Variables map[string]string // PIPELINE_STEP is the step that deploys, ENVIRONMENT where to
	From, To  string
}

// Examine tells of everything that speaks for or against it, and reports whether it may be. It changes nothing. The error
// is a *outcome.ConfigError for input that is refused.
func (p Promotion) Examine(ctx context.Context, tell func(artifacts.Finding)) (bool, error) {
	config, err := config.Read(p.Variables)
	if err != nil {
		return false, err
	}
	r := &run{Session: *session.New(ctx, p.Variables, config)}
	if err := r.Identify(); err != nil {
		return false, err
	}
	if err := r.chooseStep(); err != nil {
		return false, outcome.Refused(err)
	}
	if r.step.Lock != steps.LockStack {
		return false, &outcome.ConfigError{Message: fmt.Sprintf("step %s deploys no stack", r.step.Name), Advice: "name the step that does with --step"}
	}
	if err = r.OpenStore(ctx, r.party(), r.waiting); err != nil {
		return false, err
	}
	x := promotion{Promotion: p, run: r, may: true, tell: tell}
	if r.Ref.Branch == session.Detached {
		x.say(artifacts.Warning, "branch", "the workspace is on none, so the records of "+session.Detached+" are looked at", "name the one it was built on with --branch")
	}
	lock := r.delivery.locate(r.step, r.Config)
	if err := r.delivery.ledger.load(ctx, r.Store, p.To, r.delivery.scope); err != nil {
		return false, outcome.ArtifactsError{Err: err}
	}
	x.proved()
	x.needs()
	x.workspace()
	x.newer()
	x.held(lock)
	x.plan()
	x.say(artifacts.OK, "approval", "is not asked for here: that is the pipeline's, or the protection rules of "+p.To, "")
	return x.may, nil
}

type promotion struct {
	Promotion
	run  *run
	may  bool
	tell func(artifacts.Finding)
}

func (x *promotion) say(s artifacts.Severity, subject, problem, advice string) {
	x.may = x.may && s != artifacts.Failure
	x.tell(artifacts.Finding{Subject: subject, Severity: s, Problem: problem, Advice: advice})
}

// proved asks whether the step has passed in the other environment, and whether what it deployed there is what there is.
func (x *promotion) proved() {
	r := x.run
	var passed record.Latest
	err := artifacts.GetJSON(r.Stop.Work, r.Store, keys.LatestRun(r.Ref, r.step.Name, x.From), &passed)
	hint := fmt.Sprintf("runner --step %s --environment %s --sha %s", r.step.Name, x.From, r.Ref.SHA)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		x.say(artifacts.Failure, x.From, fmt.Sprintf("commit %.12s has not been deployed there", r.Ref.SHA), "deploy it there first: "+hint)
		return
	case err != nil:
		x.say(artifacts.Failure, x.From, "its record cannot be read: "+err.Error(), outcome.Hint(err))
		return
	case !passed.Passed:
		x.say(artifacts.Failure, x.From, fmt.Sprintf("the last deploy of commit %.12s ended with %s (exit %d)", r.Ref.SHA, passed.Reason, passed.ExitCode), hint)
		return
	}
	var ended record.Run
	var there deployment
	var d delivery
	if err = artifacts.GetJSON(r.Stop.Work, r.Store, passed.Key+"/finished.json", &ended); err == nil {
		config := r.Config
		config.Environment, config.StackName = x.From, ended.Stack
		d.locate(r.step, config)
		err = artifacts.GetJSON(r.Stop.Work, r.Store, keys.Deployment(x.From, d.scope, passed.RunID), &there)
	}
	if err == nil {
		err = d.ledger.load(r.Stop.Work, r.Store, x.From, d.scope)
	}
	if err != nil {
		x.say(artifacts.Failure, x.From, "what was deployed cannot be read: "+err.Error(), outcome.Hint(err))
		return
	}
	by := r.undoneBy(x.From, d.scope, there)
	switch p := d.ledger.Pending; {
	case by != "":
		x.say(artifacts.Failure, x.From, fmt.Sprintf("commit %.12s was deployed by run %s, and taken back by run %s", r.Ref.SHA, passed.RunID, by), "deploy it there again: "+hint)
	case p != nil && p.SHA == r.Ref.SHA && p.RunID != passed.RunID: // newer than what is on record as passed
		x.say(artifacts.Failure, x.From, fmt.Sprintf("run %s of commit %.12s began at %s and has not ended by itself", p.RunID, p.SHA, p.At.Format(time.RFC3339)), hint)
	default:
		x.say(artifacts.OK, x.From, fmt.Sprintf("commit %.12s was deployed by run %s", r.Ref.SHA, passed.RunID), "")
	}
	x.same(there)
}

// same compares the files of what is fetched with those that were deployed.
func (x *promotion) same(there deployment) {
	r := x.run
	for _, kind := range r.step.Fetch {
		m, err := artifacts.ReadManifest(r.Stop.Work, r.Store, kind, r.Ref)
		switch {
		case err != nil:
			x.say(artifacts.Failure, kind, "is not there: "+err.Error(), "it was there when it was deployed; see the bucket's lifecycle")
		case digestOf(m) != there.Builds[kind]:
			x.say(artifacts.Failure, kind, fmt.Sprintf("is not what was deployed to %s: its checksums differ", x.From), fmt.Sprintf("deploy it to %s again", x.From))
		default:
			x.say(artifacts.OK, kind, fmt.Sprintf("is what was deployed to %s: %s, sha256 %.12s", x.From, units.Count(len(m.Files), "file"), digestOf(m)), "")
		}
	}
}

func (x *promotion) needs() {
	if len(x.run.step.Needs) == 0 {
		return
	}
	if err := x.run.guard(); err != nil {
		x.say(artifacts.Failure, "needs", err.Error(), outcome.Hint(err))
		return
	}
	x.say(artifacts.OK, "needs", fmt.Sprintf("%v passed for this commit", x.run.step.Needs), "")
}

// workspace sees that what is not in the build, the template first of all, is that of the commit, too.
func (x *promotion) workspace() {
	r := x.run
	here, err := source.Describe(r.Stop.Work, r.Git, r.Config.Workspace)
	switch {
	case err != nil || r.AwaitsCheckout():
		return
	case here.SHA != r.Ref.SHA:
		x.say(artifacts.Failure, "workspace", fmt.Sprintf("is at %.12s, and the template is taken from there", here.SHA), "check the commit out, or set REPOSITORY_URL")
	case here.Dirty:
		x.say(artifacts.Warning, "workspace", "has changes that are not in the commit", "")
	}
}

func (x *promotion) newer() {
	r, live := x.run, x.run.delivery.ledger.Live
	if p := r.delivery.ledger.Pending; p != nil {
		x.say(artifacts.Warning, x.To, fmt.Sprintf("run %s began at %s and has not ended by itself", p.RunID, p.At.Format(time.RFC3339)), "see whether it is still on; runner rollback takes it back")
	}
	if live == nil {
		x.say(artifacts.OK, x.To, "nothing is live there", "")
		return
	}
	older, why := false, ""
	if live.SHA != r.Ref.SHA {
		older, why = r.older(*live)
	}
	switch {
	case older && !r.Config.Force:
		x.say(artifacts.Failure, x.To, fmt.Sprintf("a newer commit is live: %.12s; %.12s is %s", live.SHA, r.Ref.SHA, why), "--force deploys the older one over it")
	case older:
		x.say(artifacts.Warning, x.To, fmt.Sprintf("a newer commit is live: %.12s; the older one is forced over it", live.SHA), "")
	default:
		x.say(artifacts.OK, x.To, fmt.Sprintf("commit %.12s is live", live.SHA), "")
	}
}

// plan says what happens if it may.
func (x *promotion) plan() {
	r := x.run
	does := fmt.Sprintf("runs step %s with commit %.12s", r.step.Name, r.Ref.SHA)
	if name := r.delivery.name; name != "" {
		does += " for stack " + name
	}
	if kinds := r.step.Fetch; len(kinds) > 0 {
		does += ", with its " + strings.Join(kinds, ", ")
	}
	if !r.step.Verify.IsZero() {
		does += ", verified by " + firstLine(r.step.Verify.String())
	}
	x.say(artifacts.OK, "would", does+": "+firstLine(r.step.Command.String()), "")
}

// firstLine is as much of a command as a line has room for.
func firstLine(command string) string {
	line, rest, more := strings.Cut(strings.TrimSpace(command), "\n")
	if more && strings.TrimSpace(rest) != "" {
		line += " …"
	}
	return line
}

// held looks whether somebody is at work there now. That is no reason against it: it will be waited for.
func (x *promotion) held(lock string) {
	r := x.run
	key, err := keys.Lock(x.To, lock)
	var now struct {
		lease.Holder
		Released time.Time `json:"released"`
	}
	if err == nil {
		err = artifacts.GetJSON(r.Stop.Work, r.Store, key, &now)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && !now.Released.IsZero():
		x.say(artifacts.OK, "lock", "is free", "")
	case err != nil:
		x.say(artifacts.Failure, "lock", "cannot be looked at: "+err.Error(), outcome.Hint(err))
	default:
		x.say(artifacts.Warning, "lock", "is held by "+now.Holder.String(), "it will be waited for, at most "+r.step.Wait.String())
	}
}

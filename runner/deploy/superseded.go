package deploy

import (
	"fmt"
	"time"

	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/record"
)

// checkSuperseded returns a *outcome.GuardError if the live commit is newer than the one that this run brings.
func (t *target) checkSuperseded() error {
	d := t.run
	message := t.superseded()
	if message == "" {
		return nil
	}
	if d.Config.Force {
		d.Log.Warn("forced: "+message, "forced", true)
		return nil
	}
	return &outcome.GuardError{
		Message: message,
		Advice:  "deploy the newer one, or force the older one over it with --force (RUNNER_FORCE=true)",
	}
}

// superseded says which newer commit is live, and how that is known; "" if none is.
func (t *target) superseded() string {
	live, d := t.ledger.Live, t.run
	if live == nil || live.SHA == d.Ref.SHA {
		return ""
	}
	older, evidence := d.isOlder(*live)
	if !older {
		return ""
	}
	return fmt.Sprintf(
		"a newer commit is live: %.12s, by run %s; %.12s is %s", live.SHA, live.RunID, d.Ref.SHA, evidence,
	)
}

// isOlder reports whether this run's commit is older than the live one, and by what evidence: by ancestry where git
// knows both, else by the times of the commits, else by those of their builds. Without any of them it is not.
func (d *Deployment) isOlder(live record.Revision) (older bool, evidence string) {
	if !keys.IsSHA(live.SHA) {
		return false, ""
	}
	isAncestor := func(a, b string) bool {
		_, err := d.Git(d.Stop.Work, d.Config.Workspace, nil, "merge-base", "--is-ancestor", a, b)
		return err == nil
	}
	switch ours := d.revision(); {
	case isAncestor(d.Ref.SHA, live.SHA):
		return true, "an ancestor of it"
	case isAncestor(live.SHA, d.Ref.SHA):
		return false, ""
	case !ours.Committed.IsZero() && !live.Committed.IsZero():
		return ours.Committed.Before(
				live.Committed,
			), "of " + ours.Committed.Format(
				time.RFC3339,
			) + ", that one of " + live.Committed.Format(
				time.RFC3339,
			)
	case !ours.Built.IsZero() && !live.Built.IsZero():
		return ours.Built.Before(
				live.Built,
			), "built at " + ours.Built.Format(
				time.RFC3339,
			) + ", that one at " + live.Built.Format(
				time.RFC3339,
			)
	}
	return false, ""
}

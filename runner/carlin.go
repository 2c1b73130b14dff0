package runner

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/carlin-cicd/runner/runner/deploy/carlin"
	"github.com/carlin-cicd/runner/runner/deploy/stack"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/steps"
)

// NotDeployedError says that a deploy has passed without deploying anything.
type NotDeployedError struct{ Stack string }

func (e *NotDeployedError) Error() string {
	text := "carlin exited with 0, yet it has deployed nothing"
	if e.Stack != "" {
		text += fmt.Sprintf(": stack %s is as it was, and there is no new .carlin/latest-deploy.json", e.Stack)
	}
	return text
}

// Hint says what to do about it.
func (e *NotDeployedError) Hint() string {
	return "see its output above: it ends so when the account is not the one in awsAccountId, and when it is asked to destroy a protected environment"
}

// deployed sees that carlin has done what it says: its exit code is 0 as well when it refuses. It writes its file at the
// end of each deploy, also of one that had nothing to change; without that, the stack itself is asked. Where a command may
// deploy by other means, as a script or a make target can, an empty success is worth a warning.
func (r *run) deployed() error {
	certain := carlin.Deploys(carlin.ExpandScripts(r.step.Command.String(), r.directory()))
	if r.result == nil || !certain && (r.step.Lock != steps.LockStack || !carlin.IsConfigured(r.directory())) {
		return nil
	}
	if info, err := os.Stat(filepath.Join(r.directory(), ".carlin", "latest-deploy.json")); err == nil && !info.ModTime().Before(r.result.Started.Truncate(time.Second)) {
		return nil
	}
	d := &r.delivery
	if d.stack != nil {
		ctx, cancel := context.WithTimeout(r.Stop.Work, 30*time.Second)
		defer cancel()
		if d.stack.Events(ctx, d.before, d.before.LastEvent, func(stack.Event) {}) != d.before.LastEvent {
			return nil
		}
	}
	problem := &NotDeployedError{Stack: d.name}
	if certain {
		return outcome.ArtifactsError{Err: problem}
	}
	r.Log.Warn("nothing shows that anything was deployed: there is no new .carlin/latest-deploy.json", "stack", d.name, "hint", problem.Hint())
	return nil
}

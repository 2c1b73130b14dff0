package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/steps"
)

// A prebaked image has the dependencies of some commit installed. If the commit to run has other dependencies, they are
// installed before the command; otherwise nothing is, which is what the image is baked for.

// setupStamp is the file of the workspace with the fingerprint of the dependencies that the runner has installed.
const setupStamp = ".runner/setup"

// unfinished is the stamp during an installation, so that one that was killed is repeated.
const unfinished = "unfinished"

// installedDependencies returns the fingerprint of the dependencies that are installed in the workspace before the
// checkout; "" if it is not known.
func (r *run) installedDependencies() string {
	if stamp, err := os.ReadFile(r.Path(setupStamp)); err == nil {
		return strings.TrimSpace(string(stamp))
	}
	if _, err := os.Stat(r.Path("package.json")); err == nil {
		if _, err := os.Stat(r.Path("node_modules")); err != nil {
			return "" // there is a lockfile, but nothing was installed from it
		}
	}
	fingerprint, err := steps.LockfileDigest(r.Config.Workspace)
	if err != nil {
		return ""
	}
	return fingerprint
}

// setup installs the dependencies of the commit if they differ from those of the image. Without a checkout, as on a
// laptop, they are the user's responsibility.
func (r *run) setup() error {
	setup := r.steps.Setup()
	if !r.AwaitsCheckout() || setup.Command.IsZero() {
		return nil
	}
	wanted, err := steps.LockfileDigest(r.Config.Workspace)
	if err != nil {
		return outcome.SourceError{Err: fmt.Errorf("a lockfile cannot be read: %w", err)}
	}
	if wanted == r.installed {
		r.Log.Debug("the dependencies are those of the image")
		return nil
	}
	r.Log.Info("the dependencies are not those of the image", "setup", setup.Command.String(), "from", setup.Origin)
	if err := r.stampSetup(unfinished); err != nil {
		return outcome.SourceError{Err: err}
	}
	_, err = r.superviseIn(".", setup.Command)
	var failed *process.ExitError
	switch {
	case errors.As(err, &failed): // it is not a failure of the step, which has not begun
		return outcome.SourceError{Err: &setupError{command: setup.Command.String(), failed: failed}}
	case err != nil:
		return fmt.Errorf("setup: %w", err)
	}
	return r.stampSetup(wanted)
}

// setupError reports an installation that failed.
type setupError struct {
	command string
	failed  *process.ExitError // not wrapped: it is not how the step's command ended
}

func (e *setupError) Error() string {
	return fmt.Sprintf("the dependencies could not be installed: %s exited with %d", e.command, e.failed.Code)
}

// Hint says where to look, and how to avoid it.
func (e *setupError) Hint() string {
	return "see its output above; setup: in runner.yaml defines the command, and an image built for this lockfile does not need it"
}

func (r *run) stampSetup(text string) error {
	name := r.Path(setupStamp)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return os.WriteFile(name, []byte(text+"\n"), 0o644)
}

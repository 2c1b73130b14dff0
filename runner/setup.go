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

// A prebaked image has the dependencies of some commit in it. When the commit that is run has others, they are installed
// before the command; when it has not, nothing is, for that is what the image is baked for.

// setupStamp is where the workspace keeps the fingerprint of what is installed in it, once we have installed something.
const setupStamp = ".runner/setup"

// unfinished stands in the stamp while an installation is under way: one that was killed is begun anew.
const unfinished = "unfinished"

// baked finds out, before the commit is checked out, which dependencies the workspace has installed.
func (r *run) baked() string {
	if stamp, err := os.ReadFile(r.Path(setupStamp)); err == nil {
		return strings.TrimSpace(string(stamp))
	}
	if _, err := os.Stat(r.Path("package.json")); err == nil {
		if _, err := os.Stat(r.Path("node_modules")); err != nil {
			return "" // there is a lockfile, and nothing was installed from it
		}
	}
	found, err := steps.LockfileDigest(r.Config.Workspace)
	if err != nil {
		return ""
	}
	return found
}

// setup installs the dependencies of the commit where they are not those of the image. On a laptop, where nothing is
// checked out, they are the user's own business.
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
	if err := r.stamp(unfinished); err != nil {
		return outcome.SourceError{Err: err}
	}
	_, err = r.superviseIn(".", setup.Command)
	var failed *process.ExitError
	switch {
	case errors.As(err, &failed): // is not the step's own failure: that has not begun
		return outcome.SourceError{Err: &setupError{command: setup.Command.String(), code: failed.Code}}
	case err != nil:
		return fmt.Errorf("setup: %w", err)
	}
	return r.stamp(wanted)
}

// setupError is an installation that failed.
type setupError struct {
	command string
	code    int
}

func (e *setupError) Error() string {
	return fmt.Sprintf("the dependencies could not be installed: %s exited with %d", e.command, e.code)
}

// Hint says what to do about it.
func (e *setupError) Hint() string {
	return "see its output above; setup: in runner.yaml is what installs them, and an image that is built anew for this lockfile needs none"
}

func (r *run) stamp(text string) error {
	name := r.Path(setupStamp)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return os.WriteFile(name, []byte(text+"\n"), 0o644)
}

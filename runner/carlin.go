package runner

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/steps"
	"github.com/carlin-cicd/runner/steps/stack"
)

// carlinDeploy tells a command that deploys the stack with carlin, by itself or by way of a package manager; carlin deploy
// WORD deploys something else.
var carlinDeploy = regexp.MustCompile(`(?m)^\s*((npx|pnpm|yarn)\s+((exec|dlx|--yes|-y)\s+)*)?carlin(@\S+)?\s+deploy(\s+-|\s*$)`)

func deploysByCarlin(c steps.Command) bool {
	line := c.String()
	return carlinDeploy.MatchString(line) && !strings.Contains(line, "--destroy")
}

var ownRegion = regexp.MustCompile(`(?m)^region:\s*["']?([a-z][a-z0-9-]*)["']?\s*$`)

// carlinRegion is where carlin deploys to, as far as its variable or its configuration says; it does not look at
// AWS_REGION by itself.
func carlinRegion(dir string, variables map[string]string) string {
	if region := variables["CARLIN_REGION"]; region != "" {
		return region
	}
	return carlinSetting(dir, ownRegion)
}

// carlinSetting is a setting of carlin's configuration, where that is YAML; else "".
func carlinSetting(dir string, setting *regexp.Regexp) string {
	for _, file := range []string{"carlin.yml", "carlin.yaml"} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if found := setting.FindSubmatch(text); err == nil && found != nil {
			return string(found[1])
		}
	}
	return ""
}

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
// end of each deploy, also of one that had nothing to change; without that, the stack itself is asked.
func (r *run) deployed() error {
	if !deploysByCarlin(r.step.Command) || r.result == nil {
		return nil
	}
	if info, err := os.Stat(filepath.Join(r.directory(), ".carlin", "latest-deploy.json")); err == nil && !info.ModTime().Before(r.result.Started.Truncate(time.Second)) {
		return nil
	}
	d := &r.delivery
	if d.stack != nil {
		ctx, cancel := context.WithTimeout(r.stop.work, 30*time.Second)
		defer cancel()
		if d.stack.Events(ctx, d.before, d.before.LastEvent, func(stack.Event) {}) != d.before.LastEvent {
			return nil
		}
	}
	return artifactsError{&NotDeployedError{Stack: d.name}}
}

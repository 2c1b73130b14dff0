package runner

import (
	"context"
	"encoding/json"
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
var carlinDeploy = regexp.MustCompile(`(?m)^\s*(\w+=\S*\s+)*((npx|pnpm|yarn|bunx)\s+((exec|dlx|--yes|-y)\s+)*)?carlin(@\S+)?\s+deploy(\s+-|\s*$)`)

// deploysByCarlin takes what expandScripts returns.
func deploysByCarlin(line string) bool {
	return carlinDeploy.MatchString(line) && !strings.Contains(line, "--destroy")
}

// packageScript tells a command that runs a script of package.json; its last group but one is the script's name.
var packageScript = regexp.MustCompile(`^(?:\w+=\S*\s+)*(?:npm|pnpm|yarn|bun)\s+(?:(?:run|run-script|-s|--silent|--if-present)\s+)*([A-Za-z0-9][\w:.-]*)(\s.*)?$`)

// maxScripts is how deep scripts that run scripts are followed.
const maxScripts = 5

var betweenCommands = regexp.MustCompile(`\n|&&|;`)

// expandScripts is a command, one line for each that it consists of, with the text of a package's scripts in their place.
func expandScripts(command, dir string) string {
	var of struct {
		Scripts map[string]string `json:"scripts"`
	}
	if text, err := os.ReadFile(filepath.Join(dir, "package.json")); err != nil || json.Unmarshal(text, &of) != nil {
		of.Scripts = nil
	}
	var expand func(command string, depth int) []string
	expand = func(command string, depth int) (lines []string) {
		for _, line := range betweenCommands.Split(command, -1) {
			line = strings.TrimSpace(line)
			if runs := packageScript.FindStringSubmatch(line); runs != nil && of.Scripts[runs[1]] != "" && depth < maxScripts {
				lines = append(lines, expand(of.Scripts[runs[1]]+strings.Replace(runs[2], " -- ", " ", 1), depth+1)...)
			} else {
				lines = append(lines, line)
			}
		}
		return lines
	}
	return strings.Join(expand(command, 0), "\n")
}

// carlinLine is what the step's command comes to.
func (r *run) carlinLine() string { return expandScripts(r.step.Command.String(), r.directory()) }

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

// configuresCarlin reports whether a folder is one that carlin deploys.
func configuresCarlin(dir string) bool {
	found, _ := filepath.Glob(filepath.Join(dir, "carlin.*"))
	return len(found) > 0
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
// end of each deploy, also of one that had nothing to change; without that, the stack itself is asked. Where a command may
// deploy by other means, as a script or a make target can, an empty success is worth a warning.
func (r *run) deployed() error {
	certain := deploysByCarlin(r.carlinLine())
	if r.result == nil || !certain && (r.step.Lock != steps.LockStack || !configuresCarlin(r.directory())) {
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
	problem := &NotDeployedError{Stack: d.name}
	if certain {
		return artifactsError{problem}
	}
	r.log.Warn("nothing shows that anything was deployed: there is no new .carlin/latest-deploy.json", "stack", d.name, "hint", problem.Hint())
	return nil
}

var ownStackName = regexp.MustCompile(`(?m)^stackName:\s*["']?([A-Za-z][A-Za-z0-9-]*)["']?\s*$`)

// What a command says to carlin itself; a variable's value is not known here.
var (
	givenStackName   = regexp.MustCompile(`\s--stack-name[\s=]["']?([A-Za-z][A-Za-z0-9-]*)`)
	givenEnvironment = regexp.MustCompile(`\s(?:--environment|-e)[\s=]["']?([A-Za-z0-9][A-Za-z0-9._-]*)`)
)

// stackName is the stack that a step is about: the one that is given, else the one that carlin makes up, which is told by
// its configuration or by the package's name and the environment. Empty: nobody knows.
func stackName(step steps.Step, c Config) string {
	if c.StackName != "" {
		return c.StackName
	}
	dir := filepath.Join(c.Workspace, filepath.FromSlash(step.Directory))
	line := expandScripts(step.Command.String(), dir)
	if !strings.Contains(line, "carlin deploy") {
		return ""
	}
	if given := givenStackName.FindStringSubmatch(line); given != nil {
		return given[1]
	}
	if name := carlinSetting(dir, ownStackName); name != "" {
		return name
	}
	text, err := os.ReadFile(filepath.Join(dir, "package.json"))
	var of struct {
		Name string `json:"name"`
	}
	if err != nil || json.Unmarshal(text, &of) != nil || of.Name == "" {
		return ""
	}
	environment := c.Environment
	if given := givenEnvironment.FindStringSubmatch(line); given != nil {
		environment = given[1]
	}
	return carlinName(of.Name, environment)
}

var (
	wordEnds   = regexp.MustCompile(`([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])`)
	notOfNames = regexp.MustCompile(`[^A-Za-z0-9]+`) // nor of words
)

// maxStackName is where carlin cuts a name.
const maxStackName = 100

// carlinName is the name that carlin gives the stack of a package in an environment: "@acme/my-app" in "staging" is
// AcmeMyApp-staging.
func carlinName(pkg, environment string) string {
	split := wordEnds.ReplaceAllString(wordEnds.ReplaceAllString(pkg, "$1$3 $2$4"), "$1$3 $2$4")
	var b strings.Builder
	for i, word := range strings.Fields(notOfNames.ReplaceAllString(split, " ")) {
		if i > 0 && word[0] >= '0' && word[0] <= '9' {
			b.WriteByte('_')
		}
		b.WriteString(strings.ToUpper(word[:1]) + strings.ToLower(word[1:]))
	}
	name := strings.Trim(notOfNames.ReplaceAllString(b.String()+"-"+environment, "-"), "-")
	if name != "" && (name[0] >= '0' && name[0] <= '9') {
		name = "Stack-" + name
	}
	return name[:min(len(name), maxStackName)]
}

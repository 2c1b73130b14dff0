// Package carlin finds out what a command that runs carlin deploys: to which region, and to which stack.
package carlin

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/steps"
	"github.com/carlin-cicd/runner/steps/pattern"
)

// carlinDeploy matches a command that deploys the stack with carlin, directly or through a package manager. carlin
// deploy WORD deploys something else.
var carlinDeploy = pattern.New(
	`(?m)^\s*(\w+=\S*\s+)*((npx|pnpm|yarn|bunx)\s+((exec|dlx|--yes|-y)\s+)*)?carlin(@\S+)?\s+deploy(\s+-|\s*$)`,
)

// Deploys reports whether a command, as ExpandScripts returns it, deploys a stack with carlin.
func Deploys(line string) bool {
	return carlinDeploy.MatchString(line) && !strings.Contains(line, "--destroy")
}

// packageScript matches a command that runs a script of package.json. Its groups are the script's name and the
// arguments.
var packageScript = pattern.New(
	`^(?:\w+=\S*\s+)*(?:npm|pnpm|yarn|bun)\s+(?:(?:run|run-script|-s|--silent|--if-present)\s+)*([A-Za-z0-9][\w:.-]*)(\s.*)?$`,
)

// maxScripts is how deep scripts that run scripts are followed.
const maxScripts = 5

var betweenCommands = pattern.New(`\n|&&|;`)

// ExpandScripts splits a command into lines, one for each command that it consists of, and replaces scripts of
// package.json by their text.
func ExpandScripts(command, dir string) string {
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
			if runs := packageScript.FindStringSubmatch(
				line,
			); runs != nil && of.Scripts[runs[1]] != "" &&
				depth < maxScripts {
				lines = append(lines, expand(of.Scripts[runs[1]]+strings.Replace(runs[2], " -- ", " ", 1), depth+1)...)
			} else {
				lines = append(lines, line)
			}
		}
		return lines
	}
	return strings.Join(expand(command, 0), "\n")
}

// setting returns a setting of carlin's configuration, if that is YAML, or "".
func setting(dir string, name *pattern.Pattern) string {
	for _, file := range []string{"carlin.yml", "carlin.yaml"} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if found := name.FindSubmatch(text); err == nil && found != nil {
			return string(found[1])
		}
	}
	return ""
}

// IsConfigured reports whether a folder has a configuration of carlin.
func IsConfigured(dir string) bool {
	found, _ := filepath.Glob(filepath.Join(dir, "carlin.*"))
	return len(found) > 0
}

var stackNameSetting = pattern.New(`(?m)^stackName:\s*["']?([A-Za-z][A-Za-z0-9-]*)["']?\s*$`)

// Flags of the command. Values of variables are unknown here.
var (
	givenStackName   = pattern.New(`\s--stack-name[\s=]["']?([A-Za-z][A-Za-z0-9-]*)`)
	givenEnvironment = pattern.New(`\s(?:--environment|-e)[\s=]["']?([A-Za-z0-9][A-Za-z0-9._-]*)`)
)

// StackName returns the name of the stack that a step deploys: the configured one, else the one that carlin derives
// from its configuration, or from the package's name and the environment. It returns "" if the name is unknown.
func StackName(step steps.Step, c config.Config) string {
	if c.StackName != "" {
		return c.StackName
	}
	dir := filepath.Join(c.Workspace, filepath.FromSlash(step.Directory))
	line := ExpandScripts(step.Command.String(), dir)
	if !strings.Contains(line, "carlin deploy") {
		return ""
	}
	if given := givenStackName.FindStringSubmatch(line); given != nil {
		return given[1]
	}
	if name := setting(dir, stackNameSetting); name != "" {
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
	return stackNameOf(of.Name, environment)
}

var (
	wordEnds   = pattern.New(`([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])`)
	notInNames = pattern.New(`[^A-Za-z0-9]+`) // nor in words
)

// maxStackName is the length to which carlin cuts a name.
const maxStackName = 100

// stackNameOf returns the name that carlin derives from a package and an environment: AcmeMyApp-staging for
// "@acme/my-app" in "staging".
func stackNameOf(pkg, environment string) string {
	split := wordEnds.ReplaceAllString(wordEnds.ReplaceAllString(pkg, "$1$3 $2$4"), "$1$3 $2$4")
	var b strings.Builder
	for i, word := range strings.Fields(notInNames.ReplaceAllString(split, " ")) {
		if i > 0 && word[0] >= '0' && word[0] <= '9' {
			b.WriteByte('_')
		}
		b.WriteString(strings.ToUpper(word[:1]) + strings.ToLower(word[1:]))
	}
	name := strings.Trim(notInNames.ReplaceAllString(b.String()+"-"+environment, "-"), "-")
	if name != "" && (name[0] >= '0' && name[0] <= '9') {
		name = "Stack-" + name
	}
	return name[:min(len(name), maxStackName)]
}

// Package tool finds out from a command, and from the configuration of the tool that it runs, where the command
// deploys to. It knows the AWS CLI, carlin, CDK, SAM and the Serverless Framework.
package tool

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"

	"github.com/carlin-cicd/runner/runner/deploy/carlin"
	"github.com/carlin-cicd/runner/steps/pattern"
)

// Location is where a command deploys to. Empty fields are as the command's environment says.
type Location struct {
	Region, Profile string
	// FromCommand reports whether the command itself names the region, so that no setting changes it.
	FromCommand bool
}

// deployCommand matches a command that deploys: assignments before it, the tool and its arguments.
var deployCommand = pattern.New(
	`^\s*((?:\w+=\S*\s+)*)(?:(?:npx|pnpm|yarn|bunx)\s+(?:(?:exec|dlx|--yes|-y)\s+)*)?(aws|carlin|cdk|sam|serverless|sls)(?:@\S+)?\s+(.*)$`,
)

// deploys matches the arguments of each tool with which it changes a stack.
var deploys = map[string]*pattern.Pattern{
	"aws": pattern.New(
		`\bcloudformation\s+(deploy|create-stack|update-stack|execute-change-set|create-change-set|delete-stack)\b`,
	),
	"carlin":     pattern.New(`^deploy\b`),
	"cdk":        pattern.New(`\b(deploy|destroy)\b`),
	"sam":        pattern.New(`\b(deploy|delete|sync)\b`),
	"serverless": pattern.New(`\b(deploy|remove)\b`),
}

var (
	regionFlag     = pattern.New(`(?:^|\s)--region[\s=]+["']?([^\s"']+)`)
	shortRegion    = pattern.New(`(?:^|\s)-r[\s=]+["']?([^\s"']+)`) // Serverless
	profileFlag    = pattern.New(`(?:^|\s)--(?:aws-)?profile[\s=]+["']?([^\s"']+)`)
	assignment     = pattern.New(`(?:^|\s)(\w+)=["']?([^\s"']*)`)
	export         = pattern.New(`^\s*export\s+(.*)$`)
	continuedLine  = pattern.New(`\\\n\s*`)
	variableInText = pattern.New(`\$(\w+|\{\w+\})`)
)

// Locate returns where a command deploys to from a folder, with the variables of its environment.
func Locate(command, dir string, variables map[string]string) Location {
	own := map[string]string{} // assigned by the command itself
	for line := range strings.Lines(carlin.ExpandScripts(continuedLine.ReplaceAllString(command, " "), dir)) {
		line = strings.TrimRight(line, "\n")
		if exported := export.FindStringSubmatch(line); exported != nil {
			assign(own, exported[1], variables)
			continue
		}
		found := deployCommand.FindStringSubmatch(line)
		if found == nil {
			continue
		}
		name, arguments := found[2], found[3]
		if name == "sls" {
			name = "serverless"
		}
		if !deploys[name].MatchString(arguments) {
			continue
		}
		assign(own, found[1], variables)
		return locate(name, arguments, dir, own, variables)
	}
	return Location{}
}

func locate(name, arguments, dir string, own, variables map[string]string) Location {
	value := func(form *pattern.Pattern) string {
		if found := form.FindStringSubmatch(" " + arguments); found != nil {
			return expand(found[1], own, variables)
		}
		return ""
	}
	l := Location{Region: value(regionFlag), Profile: value(profileFlag)}
	if name == "serverless" {
		l.Region = cmp.Or(l.Region, value(shortRegion))
	}
	l.Region = cmp.Or(l.Region, own["AWS_REGION"], own["AWS_DEFAULT_REGION"])
	if name == "carlin" {
		l.Region = cmp.Or(own["CARLIN_REGION"], value(regionFlag))
	}
	l.Profile = cmp.Or(l.Profile, own["AWS_PROFILE"])
	l.FromCommand = l.Region != ""
	configured := configuration(name, dir, variables)
	l.Region, l.Profile = cmp.Or(l.Region, configured.Region), cmp.Or(l.Profile, configured.Profile)
	return l
}

func assign(to map[string]string, text string, variables map[string]string) {
	for _, found := range assignment.FindAllStringSubmatch(text, -1) {
		to[found[1]] = expand(found[2], to, variables)
	}
}

// expand replaces variables by their values. Text that a shell alone can expand becomes "".
func expand(text string, own, variables map[string]string) string {
	text = variableInText.ReplaceAllStringFunc(text, func(reference string) string {
		name := strings.Trim(reference, "${}")
		return cmp.Or(own[name], variables[name])
	})
	if strings.ContainsAny(text, "$`*?(") {
		return ""
	}
	return text
}

var (
	cdkProfile        = pattern.New(`"profile"\s*:\s*"([^"$]+)"`)
	samSection        = pattern.New(`(?s)\[default\.(?:deploy|global)\.parameters\](.*?)(?:\n\[|\z)`)
	samRegion         = pattern.New(`(?m)^\s*region\s*=\s*["']([^"']+)["']`)
	samProfile        = pattern.New(`(?m)^\s*profile\s*=\s*["']([^"']+)["']`)
	serverlessSection = pattern.New(`(?m)^provider:[ \t]*\n((?:[ \t]+.*\n?|[ \t]*\n)*)`)
	serverlessRegion  = pattern.New(`(?m)^[ \t]+region:[ \t]*["']?([a-z0-9-]+)["']?[ \t]*$`)
	serverlessProfile = pattern.New(`(?m)^[ \t]+profile:[ \t]*["']?([\w.-]+)["']?[ \t]*$`)
)

// configuration returns what the tool's own configuration says.
func configuration(name, dir string, variables map[string]string) (l Location) {
	match := func(form *pattern.Pattern, text string) string {
		if found := form.FindStringSubmatch(text); found != nil {
			return found[1]
		}
		return ""
	}
	switch name {
	case "carlin":
		l.Region = carlin.Region(dir, variables)
	case "cdk":
		l.Profile = match(cdkProfile, read(dir, "cdk.json"))
	case "sam":
		for _, section := range samSection.FindAllStringSubmatch(read(dir, "samconfig.toml"), -1) {
			l.Region = cmp.Or(l.Region, match(samRegion, section[1]))
			l.Profile = cmp.Or(l.Profile, match(samProfile, section[1]))
		}
	case "serverless":
		section := match(serverlessSection, read(dir, "serverless.yml", "serverless.yaml"))
		l.Region, l.Profile = match(serverlessRegion, section), match(serverlessProfile, section)
	}
	return l
}

// read returns the first of some files that exists, or "".
func read(dir string, names ...string) string {
	for _, name := range names {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
			return string(text)
		}
	}
	return ""
}

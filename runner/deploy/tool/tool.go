// Package tool finds out from a command, from the scripts that it runs, and from the configuration of the tool that
// deploys, where the command deploys to. It knows the AWS CLI, carlin, CDK, SAM and the Serverless Framework.
//
// Nothing of the workspace is run. What only a run could tell is left to the command's environment.
package tool

import (
	"cmp"
	"path"
	"slices"
	"strings"
)

// Location is where a command deploys to. Empty fields are as the command's environment says.
type Location struct {
	Region, Profile string
	// FromCommand reports whether the command itself names the region, so that no setting changes it.
	FromCommand bool
	// Elsewhere are further regions that the command deploys to, separated by commas.
	Elsewhere string
	// Unsure says why the command may deploy elsewhere; "" if nothing speaks for it.
	Unsure string
}

// Locate returns where a command deploys to from a folder, with the variables of its environment. Of several commands
// that deploy, the first one counts, or the first that names the stack STACK_NAME.
func Locate(command, dir string, variables map[string]string) Location {
	var found []deployment
	unsure := ""
	for c := range commands(command, dir, variables) {
		if c.assumesRole() {
			unsure = "the command assumes a role by itself"
		}
		if d, ok := c.deployment(); ok {
			found = append(found, d)
		}
	}
	if len(found) == 0 {
		return Location{Unsure: unsure}
	}
	own := 0
	if stack := variables["STACK_NAME"]; stack != "" {
		own = max(0, slices.IndexFunc(found, func(d deployment) bool { return d.stack == stack }))
	}
	l := found[own].Location
	l.Unsure = cmp.Or(unsure, l.Unsure)
	var elsewhere []string
	for _, d := range found {
		if d.Region != l.Region && d.Region != "" {
			elsewhere = append(elsewhere, d.Region)
		}
	}
	slices.Sort(elsewhere)
	l.Elsewhere = strings.Join(slices.Compact(elsewhere), ", ")
	return l
}

// deployment is where one command deploys to, and the stack that it names.
type deployment struct {
	Location
	stack string
}

// deploys are the words of each tool with which it changes a stack.
var deploys = map[string][]string{
	"aws": {
		"deploy", "create-stack", "update-stack", "execute-change-set", "create-change-set", "delete-stack",
	},
	"carlin":     {"deploy"},
	"cdk":        {"deploy", "destroy"},
	"sam":        {"deploy", "delete", "sync"},
	"serverless": {"deploy", "remove"},
}

// name returns the name of the program: npx cdk@2, node_modules/.bin/sls.
func (c simple) name() string {
	name := path.Base(c.argument(0))
	if at := strings.LastIndex(name, "@"); at > 0 {
		name = name[:at]
	}
	if name == "sls" {
		name = "serverless"
	}
	return name
}

// assumesRole reports whether the command gets credentials of a role.
func (c simple) assumesRole() bool {
	return c.name() == "aws" && slices.Contains(c.arguments, "sts") && slices.ContainsFunc(
		c.arguments, func(a string) bool { return strings.HasPrefix(a, "assume-role") },
	)
}

// deployment returns where the command deploys to, if it does.
func (c simple) deployment() (deployment, bool) {
	name := c.name()
	words := deploys[name]
	if len(c.arguments) < 2 || words == nil ||
		!slices.ContainsFunc(c.arguments[1:], func(a string) bool { return slices.Contains(words, a) }) ||
		name == "aws" && !slices.Contains(c.arguments, "cloudformation") {
		return deployment{}, false
	}
	d := deployment{stack: c.flag("--stack-name")}
	d.Region, d.Profile = c.flag("--region"), cmp.Or(c.flag("--profile"), c.flag("--aws-profile"))
	if name == "carlin" || name == "serverless" {
		d.Region = cmp.Or(d.Region, c.flag("-r"))
	}
	if d.Region == "" && slices.ContainsFunc(c.arguments, func(a string) bool {
		return a == "--region" || a == "--region="
	}) {
		d.Unsure = "the region of the command is known to the command alone"
	}
	switch name {
	case "carlin":
		d.Region = cmp.Or(d.Region, c.own["CARLIN_REGION"])
	case "serverless": // it does not read AWS_REGION
	default:
		d.Region = cmp.Or(d.Region, c.own["AWS_REGION"], c.own["AWS_DEFAULT_REGION"])
	}
	d.Profile = cmp.Or(d.Profile, c.own["AWS_PROFILE"])
	d.FromCommand = d.Region != ""
	configured := c.configuration(name)
	if configured.FromCommand {
		d.Region, d.FromCommand = configured.Region, true
	}
	d.Region, d.Profile = cmp.Or(d.Region, configured.Region), cmp.Or(d.Profile, configured.Profile)
	return d, true
}

// argument returns an argument; "" if there is none, or if a run alone could tell.
func (c simple) argument(i int) string {
	if i < len(c.arguments) {
		return c.arguments[i]
	}
	return ""
}

// flag returns the value of a flag, as --flag VALUE or --flag=VALUE.
func (c simple) flag(name string) string {
	for i, a := range c.arguments {
		if value, ok := strings.CutPrefix(a, name+"="); ok {
			return value
		}
		if a == name {
			return c.argument(i + 1)
		}
	}
	return ""
}

package tool

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/goccy/go-yaml"

	"github.com/carlin-cicd/runner/runner/deploy/carlin"
	"github.com/carlin-cicd/runner/steps/pattern"
)

// configuration returns what the tool's own configuration says. FromCommand says that it wins over all else.
func (c simple) configuration(name string) (l Location) {
	switch name {
	case "carlin":
		l.Region, _ = carlin.Region(c.dir, map[string]string{
			"CARLIN_REGION": c.variables["CARLIN_REGION"],
			"ENVIRONMENT":   cmp.Or(c.flag("--environment"), c.flag("-e"), c.variables["ENVIRONMENT"]),
		})
	case "cdk":
		return c.cdk()
	case "sam":
		return c.sam()
	case "serverless":
		return c.serverless()
	}
	return l
}

// read returns the first of some files that exists, or nothing.
func (c simple) read(names ...string) []byte {
	for _, name := range names {
		if text, err := os.ReadFile(resolve(c.dir, name)); err == nil {
			return text
		}
	}
	return nil
}

// cdk reads cdk.json, and from the cloud assembly, if there is one already, the region that the app fixes for a stack.
func (c simple) cdk() (l Location) {
	var settings struct{ Profile, App, Output string }
	_ = json.Unmarshal(c.read("cdk.json"), &settings)
	l.Profile = settings.Profile
	app := cmp.Or(c.flag("--app"), c.flag("-a"), settings.App)
	for _, dir := range []string{app, c.flag("--output"), c.flag("-o"), settings.Output, "cdk.out"} {
		if dir == "" {
			continue
		}
		if region := fixedRegion(resolve(c.dir, dir), c.variables["STACK_NAME"], 0); region != "" {
			l.Region, l.FromCommand = region, true
			break
		}
	}
	return l
}

// assembly is the manifest of CDK's cloud assembly.
type assembly struct {
	Artifacts map[string]struct {
		Type        string
		Environment string // aws://ACCOUNT/REGION
		Properties  struct{ StackName, DirectoryName string }
	}
}

// fixedRegion returns the region of a stack in a cloud assembly; that of all stacks, if they have the same, for one
// that is not in it.
func fixedRegion(dir, stack string, depth int) string {
	text, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	var manifest assembly
	if err != nil || depth > maxDepth || json.Unmarshal(text, &manifest) != nil {
		return ""
	}
	all, same := "", true
	for id, a := range manifest.Artifacts {
		switch a.Type {
		case "cdk:cloud-assembly":
			if region := fixedRegion(filepath.Join(dir, a.Properties.DirectoryName), stack, depth+1); region != "" {
				return region
			}
		case "aws:cloudformation:stack":
			region := a.Environment[strings.LastIndex(a.Environment, "/")+1:]
			if region == "unknown-region" {
				region = ""
			}
			if stack != "" && stack == cmp.Or(a.Properties.StackName, id) {
				return region
			}
			same = same && (all == "" || all == region)
			all = cmp.Or(all, region)
		}
	}
	if !same {
		return ""
	}
	return all
}

// sam reads SAM's configuration: of the environment, the command's parameters, then the global ones.
func (c simple) sam() (l Location) {
	var all map[string]any
	names := []string{"samconfig.toml", "samconfig.yaml", "samconfig.yml"}
	if own := c.flag("--config-file"); own != "" {
		names = []string{own}
	}
	text := c.read(names...)
	if toml.Unmarshal(text, &all) != nil && yaml.Unmarshal(text, &all) != nil {
		return l
	}
	command := "deploy"
	for _, word := range deploys["sam"] {
		if len(c.arguments) > 1 && c.arguments[1] == word {
			command = word
		}
	}
	environment := cmp.Or(c.flag("--config-env"), "default")
	value := func(key string) string {
		for _, section := range []string{command, "global"} {
			if text, ok := lookUp(all, environment, section, "parameters", key).(string); ok {
				return text
			}
		}
		return ""
	}
	l.Region, l.Profile = value("region"), value("profile")
	return l
}

// lookUp returns a value of nested mappings, or nil.
func lookUp(value any, path ...string) any {
	for _, key := range path {
		mapping, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = mapping[key]
	}
	return value
}

// serverless reads the configuration of the Serverless Framework. Without a region in it, that is us-east-1.
func (c simple) serverless() (l Location) {
	names := []string{"serverless.yml", "serverless.yaml", "serverless.json"}
	if own := cmp.Or(c.flag("--config"), c.flag("-c")); own != "" {
		names = []string{own}
	}
	text := c.read(names...)
	var all map[string]any
	if text == nil || yaml.Unmarshal(text, &all) != nil {
		return l // it is a program
	}
	region, isSet := lookUp(all, "provider", "region").(string)
	if !isSet {
		region = "us-east-1"
	}
	l.Region = c.serverlessValue(region, all)
	profile, _ := lookUp(all, "provider", "profile").(string)
	l.Profile = c.serverlessValue(profile, all)
	return l
}

var (
	serverlessVariable = pattern.New(`\$\{[^${}]*\}`)
	quotedText         = pattern.New(`^(?:'([^']*)'|"([^"]*)")$`)
)

// serverlessValue replaces variables of the Serverless Framework, the innermost first: ${opt:region, self:custom.region,
// 'eu-west-1'}. A value that a run alone could tell is "".
func (c simple) serverlessValue(text string, all map[string]any) string {
	for range 20 { // a variable may refer to itself
		at := serverlessVariable.FindStringIndex(text)
		if at == nil {
			return text
		}
		value := ""
		for source := range strings.SplitSeq(text[at[0]+2:at[1]-1], ",") {
			if value = c.serverlessSource(strings.TrimSpace(source), all); value != "" {
				break
			}
		}
		if value == "" {
			return ""
		}
		text = text[:at[0]] + value + text[at[1]:]
	}
	return ""
}

// serverlessSource returns the value of one source of a variable.
func (c simple) serverlessSource(source string, all map[string]any) string {
	if quoted := quotedText.FindStringSubmatch(source); quoted != nil {
		return quoted[1] + quoted[2]
	}
	kind, name, _ := strings.Cut(source, ":")
	switch kind {
	case "opt":
		value := c.flag("--" + name)
		switch name {
		case "region":
			value = cmp.Or(value, c.flag("-r"))
		case "stage":
			value = cmp.Or(value, c.flag("-s"))
		}
		return value
	case "env":
		if own, ok := c.own[name]; ok {
			return own
		}
		return c.variables[name]
	case "self":
		value, _ := lookUp(all, strings.Split(name, ".")...).(string)
		return value
	case "sls":
		if name == "stage" {
			stage, _ := lookUp(all, "provider", "stage").(string)
			return cmp.Or(c.flag("--stage"), c.flag("-s"), stage, "dev")
		}
	}
	return ""
}

package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/steps"
)

// stepTopic is what the help on a step says beside the flags of a run.
type stepTopic struct{ about, examples string }

// stepTopics are those of the steps that are built in.
var stepTopics = map[string]stepTopic{
	"build": {
		"builds the workspace and publishes dist/, which has to exist and not be empty",
		"runner build\nrunner build --dry-run\nrunner build --artifact-bucket s3://my-bucket/ci",
	},
	"test": {
		"runs the tests, reads their reports and coverage, and publishes coverage/",
		"runner test\nrunner test --timeout 5m\nrunner test --right-size",
	},
	"deploy": {
		"deploys one environment at a time, and restores its stack if that fails",
		"runner deploy --environment staging --dry-run\nrunner deploy --environment staging\n" +
			"runner deploy --environment production --stack-name web",
	},
	"migrate": {
		"runs migrations, one at a time in an environment",
		"runner migrate --environment staging --dry-run\nrunner migrate --environment staging",
	},
}

// renderHelp explains a command, or the step whose name stands in the place of one.
func (o *options) renderHelp(cmd *cobra.Command) string {
	if name := o.stepAsked(cmd); name != "" {
		return o.renderStepHelp(cmd, name)
	}
	return renderHelp(cmd, o.helpWidth())
}

// stepAsked returns the step that runner STEP --help and runner run STEP --help name, "" if there is none.
func (o *options) stepAsked(cmd *cobra.Command) string {
	words := o.args
	switch {
	case cmd.HasParent() && (cmd.Name() != "run" || len(words) == 0 || words[0] != "run"):
		return ""
	case cmd.HasParent():
		words = words[1:]
	}
	if len(words) == 0 || strings.HasPrefix(words[0], "-") {
		return ""
	}
	if names, _ := o.stepNames(cmd); slices.Contains(names, words[0]) {
		return words[0]
	}
	return ""
}

// renderStepHelp explains a step: what it does, what runs in this workspace, and the flags of a run.
func (o *options) renderStepHelp(cmd *cobra.Command, name string) string {
	topic, builtIn := stepTopics[name]
	path := "runner " + name
	if slices.Contains(commandNames(cmd.Root()), name) {
		path = "runner run " + name
	}
	if !builtIn {
		topic = stepTopic{"runs the step " + name + " of runner.yaml", path + "\n" + path + " --dry-run"}
	}
	help := newRunCommand(o)
	help.Use = strings.TrimPrefix(path, "runner ")
	help.Long = path + " " + topic.about + "."
	if s, ok := o.findStep(cmd, name); ok {
		command := strings.ReplaceAll(s.Command.String(), "\n", "\n  ")
		help.Long += fmt.Sprintf("\nIn this workspace its command is (%s):\n\n  %s", s.Origin["command"], command)
	}
	help.Example = topic.examples
	help.Flags().Lookup(stepFlag.name).Hidden = true
	root := &cobra.Command{Use: "runner"}
	root.AddGroup(&cobra.Group{ID: help.GroupID})
	root.AddCommand(help)
	return renderHelp(help, o.helpWidth())
}

// findStep returns a step of the workspace, if its settings can be read.
func (o *options) findStep(cmd *cobra.Command, name string) (steps.Step, bool) {
	settings, err := config.Read(o.variables(cmd))
	if err != nil {
		return steps.Step{}, false
	}
	catalogue, err := config.LoadSteps(settings)
	if err != nil {
		return steps.Step{}, false
	}
	s, err := catalogue.Find(name)
	return s, err == nil
}

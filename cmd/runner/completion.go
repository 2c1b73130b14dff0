package main

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/artifacts/lease"
	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/session"
)

// newCompletionCommand prints what makes a shell complete commands, flags, steps and environments.
func newCompletionCommand(o *options) *cobra.Command {
	shells := map[string]func(root *cobra.Command, b *bytes.Buffer) error{
		"bash": func(root *cobra.Command, b *bytes.Buffer) error { return root.GenBashCompletionV2(b, true) },
		"zsh":  func(root *cobra.Command, b *bytes.Buffer) error { return root.GenZshCompletion(b) },
		"fish": func(root *cobra.Command, b *bytes.Buffer) error { return root.GenFishCompletion(b, true) },
	}
	return &cobra.Command{
		Use:       "completion SHELL",
		GroupID:   groupSetUp,
		Short:     "print the completion script for bash, zsh or fish",
		Example:   "source <(runner completion bash)\nrunner completion fish > ~/.config/fish/completions/runner.fish",
		Args:      arguments(1, "SHELL"),
		ValidArgs: []string{"bash", "zsh", "fish"},
		RunE: func(cmd *cobra.Command, args []string) error {
			generate, ok := shells[args[0]]
			if !ok {
				return &usageError{"there is no completion for " + args[0], "runner completion bash, zsh or fish"}
			}
			var script bytes.Buffer
			if err := generate(cmd.Root(), &script); err != nil {
				return err
			}
			return o.write(script.String())
		},
	}
}

// completeFlags has the shell ask us for the values of flags. It is called only when the shell does ask, as cobra keeps
// the functions in a table of the process.
func completeFlags(root *cobra.Command, o *options) error {
	functions := map[string]cobra.CompletionFunc{
		stepFlag.name:        o.completeSteps,
		environmentFlag.name: o.completeEnvironments,
		fromFlag.name:        o.completeEnvironments,
		logFormatFlag.name: cobra.FixedCompletions(
			[]cobra.Completion{"auto", "text", "json"},
			cobra.ShellCompDirectiveNoFileComp,
		),
		logLevelFlag.name: cobra.FixedCompletions(
			[]cobra.Completion{"debug", "info", "warn", "error"},
			cobra.ShellCompDirectiveNoFileComp,
		),
		mirrorFlag.name: cobra.FixedCompletions([]cobra.Completion{"latest"}, cobra.ShellCompDirectiveNoFileComp),
		workspaceFlag.name: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
	}
	var failed error
	walk(root, func(cmd *cobra.Command) {
		for name, f := range functions {
			if cmd.Flags().Lookup(name) != nil {
				failed = errors.Join(failed, cmd.RegisterFlagCompletionFunc(name, f))
			}
		}
	})
	return failed
}

// completeSteps completes the first argument, or a flag, with the steps of the workspace.
func (o *options) completeSteps(
	cmd *cobra.Command,
	args []string,
	_ string,
) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names, _ := o.stepNames(cmd) // a broken runner.yaml leaves the built-in ones
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completionTimeout bounds how long the shell waits for the store.
const completionTimeout = 2 * time.Second

// completeEnvironments completes with the environments that something was deployed to.
func (o *options) completeEnvironments(
	cmd *cobra.Command,
	_ []string,
	_ string,
) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
	defer cancel()
	variables := o.variables(cmd)
	settings, err := config.Read(variables)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	opened := session.New(ctx, variables, settings)
	if err := opened.OpenStore(ctx, lease.Owner{}, func(lease.Holder) {}); err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	if l, ok := opened.Store.(artifacts.Lister); ok {
		for entry, err := range l.List(ctx, keys.Deployments) {
			if err != nil {
				break
			}
			if name, ok := keys.DeployedEnvironment(entry.Key); ok && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeCommands completes the arguments of help.
func completeCommands(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	parent, rest, err := cmd.Root().Find(args)
	if err != nil || len(rest) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []cobra.Completion
	for _, c := range parent.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, cobra.CompletionWithDesc(c.Name(), c.Short))
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

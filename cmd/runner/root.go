package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/steps"
)

// The groups of commands in help.
const (
	groupRun     = "run"
	groupLook    = "look"
	groupDeliver = "deliver"
	groupCluster = "cluster"
	groupSetUp   = "set-up"
)

// newRoot declares all commands.
func newRoot(o *options) *cobra.Command {
	var version bool
	root := &cobra.Command{
		Use:   "runner [STEP]",
		Short: "run the steps of a pipeline",
		Long: "runner runs one step of a pipeline: as the entrypoint of a container, or right here.\n" +
			"Without a command it runs the STEP, else $PIPELINE_STEP, else build; runner help run lists the flags.\n" +
			"runner help COMMAND explains a command, runner help environment the variables.",
		Example: "runner test\nrunner deploy --environment staging\nrunner --step test --dry-run",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if version {
				return o.print("%s\n", shortVersion())
			}
			if len(args) > 0 {
				if err := o.checkWord(cmd, args[0]); err != nil {
					return err
				}
			}
			return o.runStep(cmd, args)
		},
		ValidArgsFunction: o.completeSteps,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		Annotations:       map[string]string{helpFooter: exitCodesHelp},
	}
	declareStepFlags(root)
	root.Flags().BoolVarP(&version, "version", "v", false, "print the version")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if cmd == root && len(o.args) > 0 { // an unknown word explains more than the flags after it
			if wordErr := o.checkWord(cmd, o.args[0]); wordErr != nil {
				return wordErr
			}
		}
		return flagError(cmd, err)
	})
	root.AddGroup(
		&cobra.Group{ID: groupRun, Title: "Run"},
		&cobra.Group{ID: groupLook, Title: "Look at runs, tests and artifacts"},
		&cobra.Group{ID: groupDeliver, Title: "Deliver"},
		&cobra.Group{ID: groupCluster, Title: "Cluster"},
		&cobra.Group{ID: groupSetUp, Title: "Set up"},
	)
	root.AddCommand(
		newHoldLocksCommand(o),
		newSuperviseServiceCommand(o),
		newRunCommand(o),
		newStepsCommand(o),
		newRunsCommand(o),
		newLogsCommand(o),
		newReportCommand(o),
		newCompareCommand(o),
		newServeCommand(o),
		newDigestCommand(o),
		newTestsCommand(o),
		newArtifactsCommand(o),
		newCacheCommand(o),
		newPromoteCommand(o),
		newRollbackCommand(o),
		newTriggerCommand(o),
		newPipelineCommand(o),
		newClusterCommand(o),
		newInitCommand(o),
		newDoctorCommand(o),
		newSecretsCommand(o),
		newGoCacheProgCommand(o),
		newSchemaCommand(o),
		newCompletionCommand(o),
		newVersionCommand(o),
	)
	root.SetHelpCommand(newHelpCommand(o))
	root.AddCommand(extraCommands(o)...)
	return root
}

// checkWord refuses a first word that is neither a command nor a step of the workspace. It reads nothing but the
// workspace and its runner.yaml.
func (o *options) checkWord(cmd *cobra.Command, word string) error {
	if isFlag := len(word) > 0 && word[0] == '-'; isFlag || slices.Contains(steps.BuiltIn(), word) {
		return nil
	}
	names, err := o.stepNames(cmd)
	if slices.Contains(names, word) || strings.Contains(word, ",") { // several steps, which are checked before they run
		return nil
	}
	if err != nil { // then it is not known whether the word is a step
		if near := nearest(word, commandNames(cmd.Root())); near != "" {
			own := cmp.Or(outcome.Hint(err), "correct it")
			return &outcome.ConfigError{Err: err, Advice: own + " (if a command was meant: runner " + near + ")"}
		}
		return outcome.Refused(err)
	}
	hint := "runner help lists the commands, runner steps the steps"
	if near := nearest(word, append(names, commandNames(cmd.Root())...)); near != "" {
		hint = "did you mean runner " + near + "?"
	}
	return &usageError{fmt.Sprintf("unknown command or step %q", word), hint}
}

// stepNames returns the steps of the workspace. With an error they are only those that are built in.
func (o *options) stepNames(cmd *cobra.Command) ([]string, error) {
	settings, err := config.Read(o.variables(cmd))
	if err != nil {
		return steps.BuiltIn(), err
	}
	catalogue, err := config.LoadSteps(settings)
	return catalogue.Names(), err
}

// commandNames returns the names of the commands directly below a command.
func commandNames(parent *cobra.Command) []string {
	var names []string
	for _, c := range parent.Commands() {
		if !c.Hidden {
			names = append(names, c.Name())
		}
	}
	return names
}

// requireSubcommand is what a command does that only groups others.
func requireSubcommand(cmd *cobra.Command, args []string) error {
	names := commandNames(cmd)
	hint := cmd.CommandPath() + " " + joinWords(names, "or")
	if len(args) == 0 {
		return &usageError{"missing subcommand", hint}
	}
	if near := nearest(args[0], names); near != "" {
		hint = "did you mean " + cmd.CommandPath() + " " + near + "?"
	}
	return &usageError{fmt.Sprintf("unknown subcommand %q of %s", args[0], cmd.CommandPath()), hint}
}

// arguments accepts the named arguments; those after the required ones may be left out.
func arguments(required int, names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		hint := cmd.CommandPath() + " --help explains the command"
		switch {
		case len(args) < required:
			return &usageError{"missing argument " + names[len(args)], hint}
		case len(args) > len(names):
			return &usageError{fmt.Sprintf("unexpected argument %q", args[len(names)]), hint}
		}
		return nil
	}
}

// withSignals is the body of a command that the first signal to stop ends.
func (o *options) withSignals(
	f func(context.Context, map[string]string, []string) error,
) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		return o.interruptible(
			cmd.Context(),
			func(ctx context.Context) error { return f(ctx, o.variables(cmd), args) },
		)
	}
}

const exitCodesHelp = `Exit codes: the command's own; 1 failed tests in the reports; 124 timeout; 125 the run ended before
the command started, or its artifacts were not published; 126 not executable; 127 not found; 128+n a
signal. The reason is in the log and in finished.json.
`

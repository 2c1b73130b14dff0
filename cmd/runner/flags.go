package main

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagSpec is a command-line flag and the environment variable that means the same. The flag wins.
type flagSpec struct {
	name     string
	variable string // empty: none
	value    string // the word for its value in help; empty: the flag is true or false
	usage    string
}

// describe returns the flag with another text in help.
func (f flagSpec) describe(usage string) flagSpec {
	f.usage = usage
	return f
}

// The flags of more than one command. Those of a single command are declared beside it.
var (
	stepFlag        = flagSpec{"step", "PIPELINE_STEP", "NAME", "the step (default build)"}
	environmentFlag = flagSpec{"environment", "ENVIRONMENT", "NAME", "where to deploy, such as staging"}
	stackNameFlag   = flagSpec{"stack-name", "STACK_NAME", "NAME", "the CloudFormation stack"}
	branchFlag      = flagSpec{"branch", "BRANCH", "NAME", "the branch (default $GITHUB_REF_NAME, else that of git)"}
	shaFlag         = flagSpec{"sha", "GIT_SHA", "COMMIT", "the commit (default $GITHUB_SHA, else that of git)"}
	storeFlag       = flagSpec{
		"artifact-bucket",
		"ARTIFACT_BUCKET",
		"PLACE",
		"bucket, s3://bucket/prefix or file:///folder",
	}
	workspaceFlag = flagSpec{"workspace", "RUNNER_WORKSPACE", "FOLDER", "the checkout (default .)"}
	configFlag    = flagSpec{"config", "RUNNER_CONFIG", "FILE", "the steps' settings (default runner.yaml)"}
	timeoutFlag   = flagSpec{
		"timeout",
		"RUNNER_TIMEOUT",
		"DURATION",
		"time limit of the step (default its own, else 1h)",
	}
	graceFlag      = flagSpec{"grace", "RUNNER_GRACE", "DURATION", "time between TERM and KILL (default 20s)"}
	stopBudgetFlag = flagSpec{"stop-budget", "RUNNER_STOP_BUDGET", "DURATION", "stopTimeout of the task (default 30s)"}
	logFormatFlag  = flagSpec{
		"log-format",
		"RUNNER_LOG_FORMAT",
		"FORMAT",
		"auto, text or json (auto: text on a terminal)",
	}
	logLevelFlag = flagSpec{"log-level", "RUNNER_LOG_LEVEL", "LEVEL", "debug, info, warn or error (default info)"}
	forceFlag    = flagSpec{"force", "RUNNER_FORCE", "", "deploy or migrate even if a newer commit is live"}
	dryRunFlag   = flagSpec{"dry-run", "RUNNER_DRY_RUN", "", "print the plan and run nothing"}
	toFlag       = flagSpec{"to", "RUNNER_TO", "NAME", ""}
	jsonFlag     = flagSpec{"json", "RUNNER_JSON", "", "one JSON object a line"}
	limitFlag    = flagSpec{"limit", "RUNNER_LIMIT", "NUMBER", ""}
	clusterFlag  = flagSpec{"stack", "RUNNER_CLUSTER_STACK", "NAME", "the cluster's stack (default carlin-cicd)"}
)

// checkoutFlags say which workspace, runFlags how a step runs in it.
var (
	checkoutFlags = []flagSpec{workspaceFlag, configFlag}
	runFlags      = []flagSpec{timeoutFlag, graceFlag, stopBudgetFlag, logFormatFlag, logLevelFlag}
)

// declare adds flags to a command.
func declare(cmd *cobra.Command, flags ...flagSpec) {
	set := cmd.Flags()
	set.SortFlags = false
	for _, f := range flags {
		added := set.VarPF(&flagValue{variable: f.variable, kind: cmp.Or(f.value, boolKind)}, f.name, "", f.usage)
		if f.value == "" {
			added.NoOptDefVal = "true"
		}
	}
}

// boolKind is what pflag calls a flag that is true or false.
const boolKind = "bool"

// globs is the word for the value of a flag that may be repeated, as its end shows. Its values are joined by newlines.
const (
	globs    = "GLOB…"
	repeated = "…"
)

// lines returns the values of a flag that may be repeated.
func lines(value string) []string {
	return strings.FieldsFunc(value, func(c rune) bool { return c == '\n' })
}

// flagValue is the value of a flag as it was typed. Package runner reads it, as it reads the variable.
type flagValue struct{ variable, kind, text string }

func (v *flagValue) String() string { return v.text }
func (v *flagValue) Type() string   { return v.kind }

// Set accepts any text, except for a flag that is true or false.
func (v *flagValue) Set(text string) error {
	if v.kind == boolKind {
		if _, err := strconv.ParseBool(text); err != nil {
			return err
		}
	}
	if strings.HasSuffix(v.kind, repeated) && v.text != "" {
		text = v.text + "\n" + text
	}
	v.text = text
	return nil
}

// flagError explains an error of pflag in the words of this program.
func flagError(cmd *cobra.Command, err error) error {
	var (
		unknown *pflag.NotExistError
		invalid *pflag.InvalidValueError
		missing *pflag.ValueRequiredError
	)
	switch {
	case errors.As(err, &unknown):
		name := unknown.GetSpecifiedName()
		written := "--" + name
		if unknown.GetSpecifiedShortnames() != "" {
			written = "-" + name
		}
		message := strings.TrimSuffix("unknown flag "+written+" for "+commandName(cmd), " for ")
		return &usageError{message, flagHint(cmd, name)}
	case errors.As(err, &invalid):
		message := fmt.Sprintf("--%s cannot be %q", invalid.GetFlag().Name, invalid.GetValue())
		return &usageError{message, "write true or false"}
	case errors.As(err, &missing):
		f := missing.GetFlag()
		hint := fmt.Sprintf("--%s %s: %s", f.Name, f.Value.Type(), f.Usage)
		return &usageError{fmt.Sprintf("--%s needs a value", f.Name), hint}
	}
	return &usageError{err.Error(), cmd.CommandPath() + " --help lists the flags"}
}

// commandName is a command without the program's name; the root has none.
func commandName(cmd *cobra.Command) string {
	_, name, _ := strings.Cut(cmd.CommandPath(), " ")
	return name
}

// flagHint suggests the flag that was meant, or the commands that have the one that was typed.
func flagHint(cmd *cobra.Command, name string) string {
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if near := nearest(name, names); near != "" {
		return "did you mean --" + near + "?"
	}
	if owners := flagOwners(cmd, name); owners != "" {
		return owners
	}
	return cmd.CommandPath() + " --help lists the flags"
}

// flagOwners names the other commands that have a flag, or is "".
func flagOwners(cmd *cobra.Command, name string) string {
	var owners []string
	walk(cmd.Root(), func(c *cobra.Command) {
		if c != cmd && c.HasParent() && c.Flags().Lookup(name) != nil {
			owners = append(owners, c.CommandPath())
		}
	})
	if len(owners) == 0 {
		return ""
	}
	if n := len(owners); n > 4 {
		owners = append(owners[:3], fmt.Sprintf("%d other commands", n-3))
	}
	return fmt.Sprintf("--%s is a flag of %s", name, joinWords(owners, "and"))
}

// walk visits a command and all below it.
func walk(cmd *cobra.Command, visit func(*cobra.Command)) {
	visit(cmd)
	for _, c := range cmd.Commands() {
		walk(c, visit)
	}
}

// joinWords writes a list as people do: a, b and c.
func joinWords(words []string, last string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " " + last + " " + words[len(words)-1]
}

package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/carlin-cicd/runner/runner/units"

	"github.com/spf13/cobra"

	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/steps"
	"github.com/carlin-cicd/runner/steps/detect"
)

func newInitCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "init",
		GroupID: groupSetUp,
		Short:   "write a runner.yaml that fits the workspace",
		Example: "runner init --dry-run\nrunner init",
		Args:    arguments(0),
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.initialize(o.variables(cmd)) },
	}
	declare(cmd, checkoutFlags...)
	declare(
		cmd, dryRunFlag.describe("show what would be written"),
		forceFlag.describe("overwrite the file if it exists"),
	)
	return cmd
}

// initialize writes a runner.yaml that fits the workspace; a dry run only shows it. An existing file is kept unless
// --force is given.
func (o *options) initialize(variables map[string]string) error {
	settings, err := config.Read(variables)
	if err != nil {
		return outcome.Refused(err)
	}
	found, err := detect.Workspace(settings.Workspace)
	if err != nil {
		return outcome.Refused(err)
	}
	text := found.YAML()
	name := cmp.Or(settings.File, filepath.Join(settings.Workspace, steps.FileName))
	if _, err := steps.Parse(name, []byte(text)); err != nil { // never write a file that a run would refuse
		return outcome.Refused(err)
	}
	if settings.DryRun {
		if err := o.print("%s", text); err != nil {
			return err
		}
		o.proposeIgnored(found)
		return nil
	}
	if err := writeConfig(name, text, settings.Force); err != nil {
		return err
	}
	var b strings.Builder
	if len(found.What) > 0 {
		fmt.Fprintf(&b, "found %s\n", strings.Join(found.What, ", "))
	} else {
		b.WriteString("found no tool that runner init knows: write the commands yourself\n")
	}
	fmt.Fprintf(&b, "wrote %s\n\n%s\nnext:\n  runner steps\n", units.Path(name), text)
	for _, s := range found.Steps {
		if slices.Contains([]string{"test", "build"}, s.Name) {
			fmt.Fprintf(&b, "  runner %s\n", s.Name)
		}
	}
	if err := o.print("%s", &b); err != nil {
		return err
	}
	o.proposeIgnored(found)
	return nil
}

// proposeIgnored proposes lines for .gitignore. It goes to stderr: a dry run's output is the file.
func (o *options) proposeIgnored(found detect.Found) {
	if len(found.Ignore) > 0 {
		o.note("\nadd to .gitignore, as a workspace with new files is neither deployed nor promoted:")
		for _, line := range found.Ignore {
			o.note("  %s", line)
		}
	}
}

func writeConfig(name, text string, overwrite bool) error {
	mode := os.O_EXCL
	if overwrite {
		mode = os.O_TRUNC
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|mode, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return &usageError{
			units.Path(name) + " already exists",
			"runner init --dry-run shows what would be written, --force overwrites the file",
		}
	}
	if err != nil {
		return outcome.Refused(err)
	}
	_, err = f.WriteString(text)
	return outcome.Refused(errors.Join(err, f.Close()))
}

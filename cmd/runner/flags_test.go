package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func TestFlagsAndVariables(t *testing.T) {
	variables, flags := map[string]string{}, map[string]string{"version": "", "help": ""}
	walk(newRoot(&options{}), func(cmd *cobra.Command) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			v, ok := f.Value.(*flagValue)
			switch {
			case !ok && (f.Name != "version" || cmd.HasParent()):
				t.Errorf("%s: --%s names no variable", cmd.CommandPath(), f.Name)
			case !ok, v.variable == startStepFlag.variable, v.variable == startParallelFlag.variable: // see there
				return
			case v.variable == "" || f.Usage == "":
				t.Errorf("%s: --%s: variable %q, usage %q", cmd.CommandPath(), f.Name, v.variable, f.Usage)
			case variables[f.Name] != "" && variables[f.Name] != v.variable:
				t.Errorf("--%s means %s and %s", f.Name, variables[f.Name], v.variable)
			case flags[v.variable] != "" && flags[v.variable] != f.Name:
				t.Errorf("%s is meant by --%s and --%s", v.variable, flags[v.variable], f.Name)
			}
			variables[f.Name], flags[v.variable] = v.variable, f.Name
		})
	})
	if len(variables) < 20 {
		t.Errorf("only %d flags were found", len(variables))
	}
}

// What completion and help need of each command.
func TestEveryCommandIsExplained(t *testing.T) {
	root := newRoot(&options{})
	walk(root, func(cmd *cobra.Command) {
		if cmd.Hidden { // a program calls it
			return
		}
		if cmd.Short == "" || cmd.Args == nil && cmd.Name() != "help" {
			t.Errorf("%s: no short help, or any arguments are accepted", cmd.CommandPath())
		}
		if cmd.Parent() == root && cmd.GroupID == "" {
			t.Errorf("%s is in no group of help", cmd.CommandPath())
		}
		help := renderHelp(cmd, 80)
		for line := range strings.Lines(help) {
			if len([]rune(line)) > 110 || strings.HasSuffix(line, " \n") {
				t.Errorf("%s: a line of help is too long or ends with a space: %q", cmd.CommandPath(), line)
			}
		}
		if cmd.HasParent() && !cmd.HasSubCommands() &&
			!strings.Contains(help, cmd.UseLine()[:len(cmd.CommandPath())]) {
			t.Errorf("%s is not in its help:\n%s", cmd.CommandPath(), help)
		}
	})
}

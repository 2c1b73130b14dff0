package main

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/carlin-cicd/runner/runner/config"
)

// helpFooter is the annotation of a command whose value ends its help.
const helpFooter = "footer"

// variablesTopic is the topic of help on environment variables.
const variablesTopic = "environment"

func newHelpCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		GroupID: groupSetUp,
		Short:   "explain a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && args[0] == variablesTopic {
				return o.print("%s", renderVariables(cmd.Root(), o.helpWidth()))
			}
			subject, rest, err := cmd.Root().Find(args)
			if err != nil {
				return err
			}
			if !subject.HasParent() && len(rest) > 0 { // not a command, so it has to be a step
				if err := o.checkWord(subject, rest[0]); err != nil {
					return err
				}
				return o.print("%s", o.renderStepHelp(subject, rest[0]))
			}
			return subject.Help()
		},
		ValidArgsFunction: completeCommands,
	}
}

// renderVariables lists the variables of a run, each with its flag.
func renderVariables(root *cobra.Command, width int) string {
	var b strings.Builder
	b.WriteString("A flag wins over its variable, a variable over runner.yaml. An empty variable counts as not set.\n")
	flags := runFlagNames(root)
	for _, group := range config.Variables() {
		var rows [][]string
		for _, v := range group.Variables {
			rows = append(rows, []string{v.Name, flags[v.Name], v.About})
		}
		renderTable(&b, group.Title+":", rows, width)
	}
	return b.String()
}

// runFlagNames returns the flags of a run, such as --step, by their variables.
func runFlagNames(root *cobra.Command) map[string]string {
	names := map[string]string{}
	root.Flags().VisitAll(func(f *pflag.Flag) {
		if v, ok := f.Value.(*flagValue); ok {
			names[v.variable] = "--" + f.Name
		}
	})
	return names
}

// helpWidth is how many columns help may take.
func (o *options) helpWidth() int {
	if width := terminalWidth(o.stdout); width > 0 {
		return min(max(width, 60), 100)
	}
	return 100
}

// renderHelp explains a command: what it does, its usage, what is below it, examples and its own flags.
func renderHelp(cmd *cobra.Command, width int) string {
	var b strings.Builder
	text := cmd.Long
	if text == "" {
		text = cmd.CommandPath() + ": " + cmd.Short
	}
	fmt.Fprintf(&b, "%s\n\nUsage:\n  %s\n", text, strings.Replace(cmd.UseLine(), " [flags]", "", 1)+flagsInUsage(cmd))
	if len(cmd.Aliases) > 0 {
		fmt.Fprintf(&b, "\nAlias: %s\n", strings.Join(cmd.Aliases, ", "))
	}
	renderCommands(&b, cmd, width)
	if cmd.Example != "" {
		b.WriteString("\nExamples:\n")
		for line := range strings.Lines(cmd.Example) {
			b.WriteString("  " + strings.TrimSuffix(line, "\n") + "\n")
		}
	}
	renderFlags(&b, cmd, width)
	if footer := cmd.Annotations[helpFooter]; footer != "" {
		b.WriteString("\n" + footer)
	}
	return b.String()
}

func flagsInUsage(cmd *cobra.Command) string {
	switch {
	case cmd.HasAvailableSubCommands() && cmd.HasParent() && len(flagRows(cmd)) == 0:
		return " COMMAND"
	case cmd.HasAvailableSubCommands():
		return " [flags]\n  " + cmd.CommandPath() + " COMMAND [flags]"
	case len(flagRows(cmd)) > 0:
		return " [flags]"
	}
	return ""
}

// renderCommands lists the commands below a command, by their groups.
func renderCommands(b *strings.Builder, cmd *cobra.Command, width int) {
	titles := []*cobra.Group{{Title: "Commands"}}
	if len(cmd.Groups()) > 0 {
		titles = cmd.Groups()
	}
	for _, group := range titles {
		var rows [][]string
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() && c.GroupID == group.ID {
				use := c.Use
				if !cmd.HasParent() {
					use = c.Name() // the root has many commands: their arguments are in their own help
				}
				rows = append(rows, []string{use, c.Short})
			}
		}
		renderTable(b, group.Title+":", rows, width)
	}
}

// renderFlags lists a command's flags, each with its variable.
func renderFlags(b *strings.Builder, cmd *cobra.Command, width int) {
	title := "Flags and the variables that mean the same:"
	if !cmd.HasParent() {
		title = "Flags:"
	}
	renderTable(b, title, flagRows(cmd), width)
}

// flagRows describes a command's flags; the root leaves those of a run to the help of run.
func flagRows(cmd *cobra.Command) [][]string {
	var rows [][]string
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		v, ours := f.Value.(*flagValue)
		switch {
		case f.Hidden, f.Name == "help", ours && !cmd.HasParent():
			return
		case !ours:
			rows = append(rows, []string{fmt.Sprintf("-%s, --%s", f.Shorthand, f.Name), "", f.Usage})
			return
		}
		name := "--" + f.Name
		if v.kind != boolKind {
			name += " " + v.kind
		}
		rows = append(rows, []string{name, "$" + v.variable, f.Usage})
	})
	return rows
}

// renderTable writes rows in columns, the last of them wrapped.
func renderTable(b *strings.Builder, title string, rows [][]string, width int) {
	if len(rows) == 0 {
		return
	}
	last := len(rows[0]) - 1
	widths := make([]int, last)
	for _, row := range rows {
		for i := range widths {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
	}
	fmt.Fprintf(b, "\n%s\n", title)
	for _, row := range rows {
		line := " "
		for i, w := range widths {
			if w > 0 {
				line += fmt.Sprintf(" %-*s ", w, row[i])
			}
		}
		indent := strings.Repeat(" ", utf8.RuneCountInString(line)+1)
		for _, part := range wrap(row[last], max(width-len(indent), 24)) {
			b.WriteString(strings.TrimRight(line+" "+part, " ") + "\n")
			line = indent[1:]
		}
	}
}

// wrap breaks a text at its spaces.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && utf8.RuneCountInString(line+" "+word) > width {
			lines = append(lines, line)
			line = ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return append(lines, line)
}

//go:build man

package main

import (
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"
)

// extraCommands adds the command that writes the manual pages. It is not part of the released binary, see make man.
func extraCommands(*options) []*cobra.Command {
	return []*cobra.Command{{
		Use:    "man FOLDER",
		Hidden: true,
		Args:   arguments(1, "FOLDER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true
			walk(root, describeForManual)
			header := doc.GenManHeader{Section: "1", Source: shortVersion(), Manual: "runner"}
			return doc.GenManTree(root, &header, args[0])
		},
	}}
}

// describeForManual writes texts as the manual needs them.
func describeForManual(cmd *cobra.Command) {
	cmd.Long = strings.ReplaceAll(cmd.Long, "\n\n", "\x00")
	cmd.Long = strings.NewReplacer("\n", " ", "\x00", "\n\n").Replace(cmd.Long)
	if footer := cmd.Annotations[helpFooter]; footer != "" {
		cmd.Long += "\n\n" + footer
	}
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		v, ok := f.Value.(*flagValue)
		if !ok {
			return
		}
		f.Usage += " (**$" + v.variable + "**)"
		if f.DefValue = v.kind; v.kind == boolKind {
			f.DefValue = f.NoOptDefVal
		}
	})
}

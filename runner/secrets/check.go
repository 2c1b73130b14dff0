package secrets

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
)

// WriteReport writes what Resolve returned as a table: each variable with the source, the version and the class of the length
// of its value, and each failure with what to do about it. It never writes a value. The error is Resolve's or, without
// one, that of writing.
func WriteReport(w io.Writer, resolved Resolved, err error) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(resolved.Secrets) > 0 {
		fmt.Fprintln(table, "NAME\tSOURCE\tVERSION\tLENGTH")
		for _, s := range resolved.Secrets {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", s.Variable, s.Source, either(s.Version, "-"), s.LengthClass())
		}
	}
	writeErr := table.Flush()
	say := func(format string, args ...any) {
		if writeErr == nil {
			_, writeErr = fmt.Fprintf(w, format, args...)
		}
	}
	if len(resolved.Secrets) == 0 && err == nil {
		say("no variable is a reference\n")
	}
	var failed *Error
	if errors.As(err, &failed) {
		for _, f := range failed.Failures {
			say("%s: %s\n", f.Variable, f.Problem)
			if f.Advice != "" {
				say("  hint: %s\n", f.Advice)
			}
		}
	}
	for _, note := range resolved.Notes {
		say("note: %s\n", note)
	}
	if err != nil {
		return err
	}
	return writeErr
}

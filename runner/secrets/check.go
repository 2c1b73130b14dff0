package secrets

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
)

// WriteReport writes the results of Resolve as a table: each variable with the source, the version and the length
// class of its value, and each failure with its advice. It never writes a value. The error is that of Resolve, or
// else that of writing.
func WriteReport(w io.Writer, resolved Resolved, err error) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(resolved.Secrets) > 0 {
		fmt.Fprintln(table, "NAME\tSOURCE\tVERSION\tLENGTH")
		for _, s := range resolved.Secrets {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", s.Variable, s.Source, cmp.Or(s.Version, "-"), s.LengthClass())
		}
	}
	writeErr := table.Flush()
	printf := func(format string, args ...any) {
		if writeErr == nil {
			_, writeErr = fmt.Fprintf(w, format, args...)
		}
	}
	if len(resolved.Secrets) == 0 && err == nil {
		printf("no variable is a reference\n")
	}
	var failed *Error
	if errors.As(err, &failed) {
		for _, f := range failed.Failures {
			printf("%s: %s\n", f.Variable, f.Problem)
			if f.Advice != "" {
				printf("  hint: %s\n", f.Advice)
			}
		}
	}
	for _, note := range resolved.Notes {
		printf("note: %s\n", note)
	}
	if err != nil {
		return err
	}
	return writeErr
}

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/carlin-cicd/runner/runner"
	"github.com/carlin-cicd/runner/runner/terminal"
)

// The rules of output:
//   - the result of a command goes to stdout, everything else to stderr;
//   - an error is one line that starts with the program's name, and a hint says what to do next;
//   - no capital at the beginning, no full stop at the end.

// options is what every command gets from the process: arguments, environment and streams.
type options struct {
	args           []string // without the program's name
	environ        []string
	stdin          io.Reader
	stdout, stderr io.Writer
	signals        chan os.Signal
	started        time.Time
	terminal       bool // stdout is a terminal
	collection     collection
	typed          *bufio.Reader // of stdin
}

// answers returns what is typed. There is one reader of it, since a reader may have read further lines already.
func (o *options) answers() *bufio.Reader {
	if o.typed == nil {
		o.typed = bufio.NewReader(o.stdin)
	}
	return o.typed
}

// variables returns the environment, overlaid with the flags that were given.
func (o *options) variables(cmd *cobra.Command) map[string]string {
	variables := make(map[string]string, len(o.environ))
	for _, entry := range o.environ {
		if name, value, ok := strings.Cut(entry, "="); ok && name != "" {
			variables[name] = value
		}
	}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if v, ok := f.Value.(*flagValue); ok && v.variable != "" {
			variables[v.variable] = v.text
		}
	})
	return variables
}

// invocation describes a run to package runner.
func (o *options) invocation(variables map[string]string) runner.Invocation {
	in := runner.Invocation{
		Variables: variables, Stdout: o.stdout, Stderr: o.stderr, Terminal: o.terminal, Color: o.color(variables),
		Signals: o.signals, Version: release(), Program: program(), Started: o.started, Frugal: o.collection.often,
		Roomy: makeRoom,
	}
	if o.terminal && variables["TERM"] != "dumb" {
		in.Width = func() int { return terminalWidth(o.stdout) }
	}
	return in
}

// run runs a step and returns how it ended. The run has already reported everything.
func (o *options) run(ctx context.Context, in runner.Invocation) error {
	if code := runner.Run(ctx, in).ExitCode; code != 0 {
		return &exitError{code: code}
	}
	return nil
}

// color reports whether stdout is a terminal that shows colors.
func (o *options) color(variables map[string]string) bool {
	return o.terminal && variables["NO_COLOR"] == "" && variables["TERM"] != "dumb"
}

// print writes a part of the command's result. Whatever it is made of, no terminal acts on it.
func (o *options) print(format string, args ...any) error {
	return o.write(terminal.EscapeStyled(fmt.Sprintf(format, args...)))
}

// printJSON writes JSON that is part of the command's result.
func (o *options) printJSON(text []byte) error { return o.write(string(terminal.EscapeJSON(text))) }

// write writes text of ours to stdout.
func (o *options) write(text string) error {
	if _, err := io.WriteString(o.stdout, text); err != nil {
		return outputError{err}
	}
	return nil
}

// note writes a line of its own to stderr.
func (o *options) note(format string, args ...any) { o.ask(format+"\n", args...) }

// ask writes to stderr.
func (o *options) ask(format string, args ...any) {
	_, _ = io.WriteString(o.stderr, terminal.EscapeLines(fmt.Sprintf(format, args...)))
}

// terminalWidth returns the columns of a terminal, or 0 if they are unknown or w is not a terminal.
func terminalWidth(w io.Writer) int {
	file, ok := w.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// boolean reads a variable that is true or false; empty is false.
func boolean(variables map[string]string, name string) (bool, error) {
	v := variables[name]
	if v == "" {
		return false, nil
	}
	is, err := strconv.ParseBool(v)
	if err != nil {
		return false, &usageError{fmt.Sprintf("%s cannot be %q", name, v), "write true or false"}
	}
	return is, nil
}

// duration reads a variable that is a positive duration; empty is 0.
func duration(variables map[string]string, name string) (time.Duration, error) {
	v := variables[name]
	if v == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(v)
	if err != nil || d <= 0 {
		return 0, &usageError{fmt.Sprintf("%s cannot be %q", name, v), "write a duration such as 90s, 15m or 1h30m"}
	}
	return d, nil
}

// program returns the path of this program, "" if that is not known.
func program() string {
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	return path
}

package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/carlin-cicd/runner/runner/doctor"
	"github.com/carlin-cicd/runner/runner/units"

	"github.com/spf13/cobra"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/logs"
	"github.com/carlin-cicd/runner/runner/terminal"
)

func newDoctorCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "doctor",
		GroupID: groupSetUp,
		Short:   "check the set-up before anything runs",
		Long: "runner doctor checks what a run relies on: settings, tools, git, the store,\n" +
			"secrets and the stack. It exits with 1 if something will make a run fail.",
		Example: "runner doctor\nrunner doctor --step deploy --environment staging",
		Args:    arguments(0),
		RunE:    o.withSignals(o.doctor),
	}
	declare(
		cmd, stepFlag.describe("check this step only"), environmentFlag, stackNameFlag,
		branchFlag.describe("the branch"), shaFlag.describe("the commit"), storeFlag.describe("bucket or folder"),
		workspaceFlag, configFlag.describe("default runner.yaml"), logFormatFlag.describe("auto, text or json"),
		jsonFlag,
	)
	return cmd
}

// doctor checks the set-up, and prints a line for each finding. They are text unless JSON is asked for by name: unlike
// a log, they are read by the person who asked, through a pipe as well.
func (o *options) doctor(ctx context.Context, variables map[string]string, _ []string) error {
	asJSON, err := boolean(variables, jsonFlag.variable)
	if err != nil {
		return err
	}
	report := o.findingsAsText(o.color(variables))
	if asJSON || variables[logFormatFlag.variable] == "json" {
		report = o.findingsAsJSON()
	}
	counts := map[artifacts.Severity]int{}
	var writeErr error
	sound := doctor.Doctor{Variables: variables}.Examine(ctx, func(f artifacts.Finding) {
		counts[f.Severity]++
		if err := report.finding(f); writeErr == nil {
			writeErr = err
		}
	})
	if writeErr == nil {
		writeErr = report.total(counts[artifacts.Failure], counts[artifacts.Warning])
	}
	switch err := cmp.Or(writeErr, ctx.Err()); {
	case err != nil:
		return err
	case !sound:
		return &exitError{code: exitFailure}
	}
	return nil
}

// findingWriter prints findings, and at the end how many there were.
type findingWriter struct {
	finding func(artifacts.Finding) error
	total   func(failures, warnings int) error
}

func (o *options) findingsAsText(color bool) findingWriter {
	severity := func(f artifacts.Finding) string {
		word := fmt.Sprintf("%-7s", f.Severity)
		if !color {
			return word
		}
		colors := map[artifacts.Severity]string{artifacts.OK: "32", artifacts.Warning: "33", artifacts.Failure: "31"}
		return "\x1b[" + colors[f.Severity] + "m" + word + "\x1b[0m"
	}
	return findingWriter{
		finding: func(f artifacts.Finding) error {
			text := fmt.Sprintf(
				"%s  %-18s  %s\n",
				severity(f),
				terminal.Escape(f.Subject),
				terminal.Escape(oneLine(f.Problem)),
			)
			if f.Advice != "" {
				text += fmt.Sprintf("%27s  hint: %s\n", "", terminal.Escape(oneLine(f.Advice)))
			}
			return o.print("%s", text)
		},
		total: func(failures, warnings int) error {
			return o.print("\n%s, %s\n", units.Count(failures, "failure"), units.Count(warnings, "warning"))
		},
	}
}

// findingsAsJSON writes records like those of a run's log.
func (o *options) findingsAsJSON() findingWriter {
	sink := logs.New(o.stdout, logs.Options{Format: logs.JSON})
	log := slog.New(sink.Handler())
	levels := map[artifacts.Severity]slog.Level{
		artifacts.OK: slog.LevelInfo, artifacts.Warning: slog.LevelWarn, artifacts.Failure: slog.LevelError,
	}
	writeErr := func() error {
		if err := sink.Err(); err != nil {
			return outputError{err}
		}
		return nil
	}
	return findingWriter{
		finding: func(f artifacts.Finding) error {
			attributes := []any{"subject", f.Subject, "severity", string(f.Severity)}
			if f.Advice != "" {
				attributes = append(attributes, "hint", f.Advice)
			}
			log.Log(context.Background(), levels[f.Severity], f.Subject+": "+f.Problem, attributes...)
			return writeErr()
		},
		total: func(failures, warnings int) error {
			log.Info("examined", "failures", failures, "warnings", warnings)
			return writeErr()
		},
	}
}

// oneLine keeps an error on the line of its finding.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

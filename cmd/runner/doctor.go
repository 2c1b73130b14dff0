package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner"
	"github.com/carlin-cicd/runner/runner/logs"
)

// exitUnsound is a set-up in which something will make a run fail. It is not 125: the doctor did what it was asked to.
const exitUnsound = 1

// doctor examines the set-up, a line for each finding. They are for people unless JSON is asked for by name: unlike a log,
// they are read by whoever asked, through a pipe as well.
func (c console) doctor(ctx context.Context, variables map[string]string) int {
	asked, err := wantsJSON(variables)
	if err != nil {
		return c.refuse(err)
	}
	ctx, stop := c.interruptible(ctx)
	defer stop()
	report := reportText(c, c.color(variables))
	if asked || variables["RUNNER_LOG_FORMAT"] == "json" {
		report = reportJSON(c)
	}
	counts := map[artifacts.Severity]int{}
	var lost error
	sound := runner.Doctor{Variables: variables}.Examine(ctx, func(f artifacts.Finding) {
		counts[f.Severity]++
		if err := report(f, nil); lost == nil {
			lost = err
		}
	})
	if lost == nil {
		lost = report(artifacts.Finding{}, counts)
	}
	switch {
	case ctx.Err() != nil:
		return c.end(ctx, ctx.Err())
	case lost != nil:
		return c.end(ctx, lost)
	case !sound:
		return exitUnsound
	}
	return 0
}

// reporter tells of a finding, or with counts, of all of them together.
type reporter func(f artifacts.Finding, counts map[artifacts.Severity]int) error

func reportText(c console, color bool) reporter {
	paint := func(f artifacts.Finding) string {
		code := map[artifacts.Severity]string{artifacts.OK: "32", artifacts.Warning: "33", artifacts.Failure: "31"}[f.Severity]
		word := fmt.Sprintf("%-7s", f.Severity)
		if !color {
			return word
		}
		return "\x1b[" + code + "m" + word + "\x1b[0m"
	}
	return func(f artifacts.Finding, counts map[artifacts.Severity]int) error {
		if counts != nil {
			said := runner.Count(counts[artifacts.Failure], "failure") + ", " + runner.Count(counts[artifacts.Warning], "warning")
			return c.say("\n%s\n", said)
		}
		text := fmt.Sprintf("%s  %-18s  %s\n", paint(f), f.Subject, oneLine(f.Problem))
		if f.Advice != "" {
			text += fmt.Sprintf("%27s  hint: %s\n", "", oneLine(f.Advice))
		}
		return c.say("%s", text)
	}
}

// reportJSON writes records like those of a run's log.
func reportJSON(c console) reporter {
	sink := logs.New(c.stdout, logs.Options{Format: logs.JSON})
	log := slog.New(sink.Handler())
	levels := map[artifacts.Severity]slog.Level{artifacts.OK: slog.LevelInfo, artifacts.Warning: slog.LevelWarn, artifacts.Failure: slog.LevelError}
	return func(f artifacts.Finding, counts map[artifacts.Severity]int) error {
		if counts != nil {
			log.Info("examined", "failures", counts[artifacts.Failure], "warnings", counts[artifacts.Warning])
		} else {
			attributes := []any{"subject", f.Subject, "severity", string(f.Severity)}
			if f.Advice != "" {
				attributes = append(attributes, "hint", f.Advice)
			}
			log.Log(context.Background(), levels[f.Severity], f.Subject+": "+f.Problem, attributes...)
		}
		if err := sink.Err(); err != nil {
			return outputError{err}
		}
		return nil
	}
}

// oneLine keeps what an error says on the line of its finding.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

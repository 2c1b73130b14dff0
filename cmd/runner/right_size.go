package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/runner/sizing/fargate"
	"github.com/carlin-cicd/runner/runner/units"

	"github.com/carlin-cicd/runner/runner/sizing"

	"github.com/carlin-cicd/runner/artifacts/lease"
	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/session"
)

// rightSize prints which size of Fargate fits the last runs of a step.
func (o *options) rightSize(ctx context.Context, variables map[string]string) error {
	return o.interruptible(ctx, func(ctx context.Context) error { return o.printSize(ctx, variables) })
}

func (o *options) printSize(ctx context.Context, variables map[string]string) error {
	asJSON, err := boolean(variables, jsonFlag.variable)
	if err != nil {
		return err
	}
	runs, err := runLimit(variables)
	if err != nil {
		return err
	}
	if done, err := o.comparePipeline(ctx, variables, asJSON, runs); done || err != nil {
		return err
	}
	settings, err := config.Read(variables)
	if err != nil {
		return err
	}
	opened := session.New(ctx, variables, settings)
	if err := opened.OpenStore(ctx, lease.Owner{}, o.noteWaiting); err != nil {
		return err
	}
	s, err := sizing.RightSize(ctx, opened, units.Path(opened.Place), runs)
	if err != nil {
		return err
	}
	if asJSON {
		text, err := json.Marshal(s)
		if err != nil {
			return err
		}
		return o.printJSON(append(text, '\n'))
	}
	return o.print("%s", sizingText(s))
}

// runLimit returns how many runs to look at.
func runLimit(variables map[string]string) (int, error) {
	const usual, most = 20, 200
	v := variables[limitFlag.variable]
	if v == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > most {
		return 0, &usageError{
			fmt.Sprintf("RUNNER_LIMIT cannot be %q", v),
			fmt.Sprintf("write a whole number from 1 to %d", most),
		}
	}
	return n, nil
}

// sizingText is the advice as a table.
func sizingText(s sizing.RightSizing) string {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-9s %s\n", name, fmt.Sprintf(format, args...))
	}
	of := func(limit string, known bool) string {
		if !known {
			return ""
		}
		return ", limit " + limit
	}
	step := s.Step
	if s.Environment != "" {
		step += " in " + s.Environment
	}
	const day = time.DateOnly
	fmt.Fprintf(
		&b,
		"%s: %s on %s, %s to %s\n",
		step,
		units.Count(s.Runs, "run"),
		strings.Join(s.Branches, " and "),
		s.From.UTC().Format(day),
		s.To.UTC().Format(day),
	)
	row("memory", "peak %s%s", units.Size(s.PeakMemory), of(units.Size(s.MemoryLimit), s.MemoryLimit > 0))
	if s.OOM > 0 {
		row("", "%s ran out of it", units.Count(s.OOM, "run"))
	}
	row(
		"CPU",
		"up to %g cores for 95 %% of the time, %g on average%s",
		s.CPUHigh,
		s.CPUAverage,
		of(fmt.Sprintf("%g", s.CPULimit), s.CPULimit > 0),
	)
	row("disk", "up to %s more in use than before", units.Size(s.DiskGrowth))
	row("duration", "%s on average", time.Duration(s.Seconds*float64(time.Second)).Round(100*time.Millisecond))
	if s.Current != nil {
		row("now", "%-18s %s a run", s.Current, fargate.Dollars(s.Current.Dollars))
	}
	switch {
	case s.Advised == nil && s.PeakMemory == 0:
		row("fits", "nothing is known of the memory that it takes")
	case s.Advised == nil:
		row("fits", "no size of Fargate is large enough")
	case s.Current != nil && s.Current.Size == s.Advised.Size:
		row("fits", "%-18s as it is", s.Advised)
	default:
		row("fits", "%-18s %s a run%s", s.Advised, fargate.Dollars(s.Advised.Dollars), compared(s))
	}
	for _, why := range s.Reasons {
		row("", "%s", why)
	}
	estimated := ""
	if s.Estimated {
		estimated = "; an estimate"
	}
	row("prices", "%s, %s, %s, of %s%s", s.Region, s.Architecture, s.Capacity, s.PricesAsOf, estimated)
	if s.Left > 0 {
		row("left out", "%s on whose record there is no usage", units.Count(s.Left, "run"))
	}
	if s.Unseen {
		row("left out", "there are so many records that not all were looked through: these may not be the newest")
	}
	return b.String()
}

// compared is how the cost changes.
func compared(s sizing.RightSizing) string {
	if s.Current == nil || s.Current.Dollars == 0 {
		return ""
	}
	change := 100 * (s.Advised.Dollars/s.Current.Dollars - 1)
	if change < 0 {
		return fmt.Sprintf(", %.0f %% less", -change)
	}
	return fmt.Sprintf(", %.0f %% more", change)
}

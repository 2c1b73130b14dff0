package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/lease"
	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/runner/shards"
	"github.com/carlin-cicd/runner/runner/sizing"
	"github.com/carlin-cicd/runner/runner/sizing/fargate"
	"github.com/carlin-cicd/runner/runner/terminal"
	"github.com/carlin-cicd/runner/runner/units"
	"github.com/carlin-cicd/runner/runner/verdict"
	"github.com/carlin-cicd/runner/steps"
	"github.com/carlin-cicd/runner/steps/history"
)

// comparePipeline prints what some steps, one after the other, or those of pipeline: if none is named, cost, and would have
// cost in fewer tasks or in more. It reports false if neither is there: then one step is to be sized.
func (o *options) comparePipeline(ctx context.Context, variables map[string]string, asJSON bool, runs int) (bool, error) {
	names := stepList(variables[stepFlag.variable])
	if len(names) == 1 && names[0] != "" {
		return false, nil
	}
	variables = maps.Clone(variables)
	variables[stepFlag.variable] = names[0]
	settings, err := config.Read(variables)
	if err != nil {
		return false, err
	}
	catalogue, err := config.LoadSteps(settings)
	if err != nil {
		return false, outcome.Refused(err)
	}
	if len(names) == 1 && len(catalogue.Pipeline()) == 0 {
		return false, nil
	}
	if len(names) > 1 {
		if err := checkTogether(variables, names); err != nil {
			return true, err
		}
	}
	opened := session.New(ctx, variables, settings)
	if err := opened.OpenStore(ctx, lease.Owner{}, o.noteWaiting); err != nil {
		return true, err
	}
	layout := layoutOf(catalogue, names)
	layout.Share = newSplitter(ctx, opened, catalogue).share
	c, err := sizing.Compare(ctx, opened, units.Path(opened.Place), runs, layout)
	if err != nil {
		return true, err
	}
	if asJSON {
		text, err := json.Marshal(c)
		if err != nil {
			return true, err
		}
		return true, o.printJSON(append(text, '\n'))
	}
	return true, o.print("%s", comparisonText(c))
}

// layoutOf returns the jobs of pipeline:, or a job for each of the names. The first stage of pipeline: is one step.
func layoutOf(known steps.Catalogue, names []string) sizing.Layout {
	if len(names) > 1 {
		l := sizing.Layout{SameTask: func(string, string) bool { return true }}
		for _, name := range names {
			l.Stages = append(l.Stages, []sizing.Job{{Steps: []string{name}}})
		}
		return l
	}
	l := sizing.Layout{Fixed: 1, SameTask: func(a, b string) bool {
		one, _ := known.Find(a) // the file was checked
		two, _ := known.Find(b)
		return one.Task == two.Task
	}}
	for _, stage := range known.Pipeline() {
		if len(stage.Jobs) == 0 {
			continue // an environment's steps have tasks and rights of their own
		}
		var jobs []sizing.Job
		for _, job := range stage.Jobs {
			jobs = append(jobs, sizing.Job{Steps: job.Steps, Shards: job.Parallel})
		}
		l.Stages = append(l.Stages, jobs)
	}
	return l
}

// splitter says how the tests of steps would be divided, by the times on record.
type splitter struct {
	ctx     context.Context
	session *session.Session
	known   steps.Catalogue
	times   map[string]history.FileTimes
}

func newSplitter(ctx context.Context, s *session.Session, known steps.Catalogue) splitter {
	return splitter{ctx, s, known, map[string]history.FileTimes{}}
}

// share returns which part of the step's tests the slowest of n shards runs. Without times it is an even one.
func (s splitter) share(name string, n int) (part float64, ok bool) {
	step, err := s.known.Find(name)
	if err != nil || step.Lock != "" {
		return 0, false
	}
	if _, err := shards.Of(step, filepath.Join(s.session.Config.Workspace, filepath.FromSlash(step.Directory))); err != nil {
		return 0, false
	}
	times := s.load(name)
	var all []shards.Unit
	for _, file := range slices.Sorted(maps.Keys(times)) {
		all = append(all, shards.Unit{Name: file})
	}
	var slowest, total int64
	for _, share := range shards.Pack(all, times, n).Shares {
		slowest, total = max(slowest, share.Milliseconds), total+share.Milliseconds
	}
	if total == 0 {
		return 1 / float64(n), true
	}
	return float64(slowest) / float64(total), true
}

// load returns the times of a step; none if they cannot be read: they only refine an estimate.
func (s splitter) load(step string) history.FileTimes {
	if times, ok := s.times[step]; ok {
		return times
	}
	times := history.FileTimes{}
	if store, ok := s.session.Store.(artifacts.Swapper); ok {
		if read, err := history.LoadFileTimes(s.ctx, store, verdict.TimesKeys(s.session, step)...); err == nil {
			times = read
		}
	}
	s.times[step] = times
	return times
}

// comparisonText is the comparison as two tables.
func comparisonText(c sizing.Comparison) string {
	var b strings.Builder
	seconds := func(s float64) string { return units.Duration(record.Duration(s)) }
	fmt.Fprintf(&b, "pipeline, by the last runs on %s\n", terminal.Escape(strings.Join(c.Branches, " and ")))
	fmt.Fprintf(&b, "  %-16s %4s  %-18s %8s %8s %8s\n", "step", "runs", "size", "start", "prepare", "work")
	for _, s := range c.Steps {
		size := s.Size.String()
		if s.Shards > 1 {
			size = fmt.Sprintf("%d × %s", s.Shards, size)
		}
		fmt.Fprintf(&b, "  %-16s %4d  %-18s %8s %8s %8s\n", terminal.Escape(s.Step), s.Runs, size,
			seconds(s.Start), seconds(s.Once), seconds(s.Work))
	}
	wide := len("as it is")
	for _, option := range c.Options {
		wide = max(wide, len(option.Write))
	}
	fmt.Fprintf(&b, "\n  %-*s %8s %8s\n", wide, "written as", "takes", "costs")
	fmt.Fprintf(&b, "  %-*s %8s %8s\n", wide, "as it is", seconds(c.Now.Seconds), fargate.Dollars(c.Now.Dollars))
	for _, option := range c.Options {
		fmt.Fprintf(&b, "  %-*s %8s %8s  %s\n", wide, terminal.Escape(option.Write), seconds(option.Seconds),
			fargate.Dollars(option.Dollars), optionChange(c.Now, option))
	}
	b.WriteString("\n")
	row := func(name, text string) { fmt.Fprintf(&b, "  %-9s %s\n", name, text) }
	estimated := ""
	if c.Estimated {
		estimated = "; an estimate"
	}
	row("prices", fmt.Sprintf("%s, of %s%s", strings.Join(c.Regions, "; "), c.PricesAsOf, estimated))
	if c.Unmeasured {
		row("start", "no run was on Fargate, so what the start of a task takes is not known and counts as nothing")
	}
	if len(c.Unknown) > 0 {
		row("left out", terminal.Escape(strings.Join(c.Unknown, ", "))+": no run on record tells what it took")
	}
	return b.String()
}

// optionChange is how an option differs: "50s longer, 18 % cheaper".
func optionChange(now sizing.Charge, option sizing.Option) string {
	change := func(more float64, amount func(float64) string, less, greater string) string {
		switch {
		case more < 0:
			return fmt.Sprintf("%s %s", amount(-more), less)
		case more > 0:
			return fmt.Sprintf("%s %s", amount(more), greater)
		}
		return ""
	}
	duration := func(s float64) string { return units.Duration(record.Duration(s)) }
	percent := func(d float64) string { return fmt.Sprintf("%.0f %%", 100*d/max(now.Dollars, 1e-9)) }
	var parts []string
	for _, text := range []string{
		change(option.MoreSeconds, duration, "shorter", "longer"),
		change(option.MoreDollars, percent, "cheaper", "dearer"),
	} {
		if text != "" {
			parts = append(parts, text)
		}
	}
	if len(parts) == 0 {
		return "the same"
	}
	return strings.Join(parts, ", ")
}

package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/session"

	"github.com/carlin-cicd/runner/runner"
	"github.com/carlin-cicd/runner/runner/remote"
	"github.com/carlin-cicd/runner/runner/units"
)

const pipelineUsage = "runner pipeline start, status, approve, reject or cancel; all but start take an execution's name"

// pipeline drives the machine of the cluster: it starts it, shows it, and says yes or no to it.
func (c console) pipeline(ctx context.Context, variables map[string]string, words []string) int {
	verbs := map[string]func(driver, context.Context) error{
		"start": driver.start, "status": driver.status, "cancel": driver.cancel,
		"approve": func(d driver, ctx context.Context) error { return d.decide(ctx, true) },
		"reject":  func(d driver, ctx context.Context) error { return d.decide(ctx, false) },
	}
	if len(words) == 0 || verbs[words[0]] == nil {
		return c.fail(exitUsage, "pipeline needs a word that it knows", pipelineUsage)
	}
	if len(words) > 2 || len(words) == 2 && words[0] == "start" {
		return c.fail(exitUsage, fmt.Sprintf("unexpected argument %q", words[len(words)-1]), pipelineUsage)
	}
	ctx, stop := c.interruptible(ctx)
	defer stop()
	d, err := c.drive(ctx, variables)
	if err != nil {
		return c.endPipeline(ctx, err)
	}
	if len(words) == 2 {
		d.name = words[1]
	}
	return c.endPipeline(ctx, verbs[words[0]](d, ctx))
}

// endPipeline is end, but for what the cluster refuses: nothing was started, so that is input.
func (c console) endPipeline(ctx context.Context, err error) int {
	var refused *remote.Error
	if errors.As(err, &refused) && ctx.Err() == nil {
		return c.fail(exitUsage, err.Error(), outcome.Hint(err))
	}
	return c.end(ctx, err)
}

// driver is the pipeline and what was asked for.
type driver struct {
	console
	pipeline    *remote.Pipeline
	variables   map[string]string
	config      config.Config
	name        string // of the execution
	yes, follow bool
	tag         bool
	poll        time.Duration
}

func (c console) drive(ctx context.Context, variables map[string]string) (driver, error) {
	d := driver{console: c, variables: variables, poll: 2 * time.Second}
	var err error
	if d.config, err = config.Read(variables); err != nil {
		return d, err
	}
	for name, b := range map[string]*bool{"RUNNER_YES": &d.yes, "RUNNER_FOLLOW": &d.follow, "RUNNER_TAG": &d.tag} {
		if *b, err = truth(variables, name); err != nil {
			return d, err
		}
	}
	if v := variables["RUNNER_TASK_POLL"]; v != "" {
		if d.poll, err = time.ParseDuration(v); err != nil || d.poll <= 0 {
			return d, &outcome.ConfigError{Message: fmt.Sprintf("RUNNER_TASK_POLL cannot be %q", v), Advice: "write a duration such as 2s"}
		}
	}
	settings, err := session.NewAWS()(ctx)
	if err != nil {
		return d, err
	}
	cluster, err := remote.FindCluster(ctx, settings, cmp.Or(variables["RUNNER_CLUSTER_STACK"], "carlin-cicd"))
	if err != nil {
		return d, err
	}
	d.pipeline, err = remote.NewPipeline(ctx, settings, cluster)
	return d, err
}

func (d driver) who() string {
	return cmp.Or(d.variables["GITHUB_ACTOR"], d.variables["USER"], "somebody")
}

func (d driver) start(ctx context.Context) error {
	ref, dirty, err := runner.Identify(ctx, d.variables, d.config)
	if err != nil {
		return err
	}
	if strings.Trim(ref.SHA, "0") == "" {
		return &outcome.ConfigError{Message: "nobody says which commit it is about", Advice: "runner pipeline start --branch main --sha COMMIT"}
	}
	if dirty {
		fmt.Fprintln(d.stderr, "runner: the workspace has changes that are not in the commit, and the pipeline will not have them")
	}
	name, err := d.pipeline.Start(ctx, remote.StartRequest{
		Repository: d.config.GitHubName, Branch: ref.Branch, SHA: ref.SHA, Tag: d.tag, Environment: d.config.Environment, Force: d.config.Force, StartedBy: d.who(),
	})
	if err != nil {
		return err
	}
	if err := d.say("%s\n", name); err != nil || !d.follow {
		return err
	}
	// What was started a moment ago may not be found everywhere yet.
	return d.show(ctx, remote.Execution{Name: name, Status: "RUNNING", Started: time.Now(), SHA: ref.SHA, Ref: ref.Branch})
}

// find is the execution that is meant: the one that was named, else that of the branch which choose finds.
func (d driver) find(ctx context.Context, choose func(ctx context.Context, branch string) (remote.Execution, error)) (remote.Execution, error) {
	if d.name != "" {
		return d.pipeline.Describe(ctx, d.name)
	}
	c := d.config
	ref, _, err := runner.Identify(ctx, d.variables, c)
	if err != nil {
		return remote.Execution{}, err
	}
	if ref.Branch == "detached" {
		return remote.Execution{}, &outcome.ConfigError{Message: "nobody says which execution is meant", Advice: "name it, or a branch with --branch"}
	}
	return choose(ctx, ref.Branch)
}

// notPassedError is a pipeline that ended otherwise than well.
type notPassedError struct{ status string }

func (e *notPassedError) Error() string { return "the pipeline ended as " + e.status }

// status draws the steps; following, it draws them as they go, and its end is the pipeline's.
func (d driver) status(ctx context.Context) error {
	e, err := d.find(ctx, d.pipeline.Latest)
	if err != nil {
		return err
	}
	return d.show(ctx, e)
}

func (d driver) show(ctx context.Context, e remote.Execution) error {
	drawn := 0
	var told []string
	for {
		now, steps, err := d.pipeline.Status(ctx, e.Name)
		switch {
		case err != nil && d.follow && ctx.Err() == nil && remote.IsTransient(err): // the pipeline goes on, and so do we
			if err := sleep(ctx, d.poll); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		}
		e = now
		lines := draw(e, steps)
		switch {
		case d.terminal:
			back := ""
			if drawn > 0 {
				back = fmt.Sprintf("\x1b[%dA\x1b[J", drawn)
			}
			if d.follow { // what is drawn anew must not have been broken into more lines
				lines = fitted(lines, width(d.stdout))
			}
			drawn = len(lines)
			err = d.say("%s%s\n", back, strings.Join(lines, "\n"))
		default:
			for _, line := range changes(e, steps, told, d.follow) {
				told = append(told, line)
				if err = d.say("%s\n", line); err != nil {
					break
				}
			}
		}
		switch {
		case err != nil || !d.follow:
			return err
		case e.Status == "SUCCEEDED":
			return nil
		case !e.Running():
			return &notPassedError{strings.ToLower(e.Status)}
		}
		if err := sleep(ctx, d.poll); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// changes are the lines that were not told yet. Who follows is told of a step's end and not of every second of it.
func changes(e remote.Execution, steps []remote.Step, told []string, follow bool) []string {
	if !follow {
		return draw(e, steps)
	}
	var fresh []string
	for _, s := range steps {
		line := s.Name + " " + s.Status
		if !s.Ended.IsZero() {
			line = stepLine(e, s)
		} else if s.Status == "waiting" {
			line = stepLine(e, s)
		}
		if !slices.Contains(told, line) {
			fresh = append(fresh, line)
		}
	}
	if !e.Running() {
		fresh = append(fresh, head(e))
	}
	return fresh
}

func draw(e remote.Execution, steps []remote.Step) []string {
	lines := []string{head(e)}
	for _, s := range steps {
		lines = append(lines, "  "+stepLine(e, s))
	}
	return lines
}

func head(e remote.Execution) string {
	end := e.Stopped
	if end.IsZero() {
		end = time.Now()
	}
	text := fmt.Sprintf("%s  %s, %s", e.Name, strings.ToLower(strings.ReplaceAll(e.Status, "_", " ")), units.Duration(end.Sub(e.Started)))
	if e.Ref != "" {
		text += fmt.Sprintf("  %s %.12s", e.Ref, e.SHA)
	}
	if why := strings.Trim(e.Error+": "+e.Cause, ": "); why != "" {
		text += "  " + why
	}
	return still(text)
}

// still is a text of others as it can stand in a line: what would move the cursor is taken out.
func still(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

// fitted cuts lines that a terminal would break; a width of 0 is not known.
func fitted(lines []string, width int) []string {
	for i, line := range lines {
		if runes := []rune(line); width > 0 && len(runes) >= width {
			lines[i] = string(runes[:max(0, width-2)]) + "…"
		}
	}
	return lines
}

func stepLine(e remote.Execution, s remote.Step) string {
	took := ""
	switch {
	case !s.Ended.IsZero():
		took = units.Duration(s.Ended.Sub(s.Started))
	case s.Status == "running":
		took = units.Duration(time.Since(s.Started))
	}
	text := fmt.Sprintf("%-18s %-8s %s", s.Name, s.Status, took)
	if s.Status == "waiting" {
		text += "for approval: runner pipeline approve " + e.Name
	}
	if s.Reason != "" {
		text += "  " + s.Reason
	}
	if s.Task != "" && s.Status != "passed" {
		text += "  task " + s.Task
	}
	return still(strings.TrimRight(text, " "))
}

func (d driver) decide(ctx context.Context, yes bool) error {
	e, err := d.find(ctx, d.pipeline.AwaitingApproval)
	if err != nil {
		return err
	}
	a, err := d.pipeline.Approval(ctx, e.Name)
	if err != nil {
		return err
	}
	word := map[bool]string{true: "approve", false: "reject"}[yes]
	if !d.confirm(ctx, fmt.Sprintf("%s %.12s of %s for %s?", word, a.SHA, a.Ref, a.Environment)) {
		return &outcome.ConfigError{Message: "nothing was decided", Advice: "answer y, or say --yes"}
	}
	if err := d.pipeline.Decide(ctx, a, yes, d.who(), d.variables["RUNNER_REASON"]); err != nil {
		return err
	}
	return d.say("%s: %s for %s, by %s\n", e.Name, map[bool]string{true: "approved", false: "rejected"}[yes], a.Environment, d.who())
}

func (d driver) cancel(ctx context.Context) error {
	e, err := d.find(ctx, d.pipeline.Latest)
	switch {
	case err != nil:
		return err
	case !e.Running():
		return &outcome.ConfigError{Message: e.Name + " has ended already, as " + strings.ToLower(e.Status)}
	case !d.confirm(ctx, "cancel "+e.Name+"? The task that runs is stopped."):
		return &outcome.ConfigError{Message: "nothing was cancelled", Advice: "answer y, or say --yes"}
	}
	if err := d.pipeline.Cancel(ctx, e.Name, strings.TrimSuffix("by "+d.who()+": "+d.variables["RUNNER_REASON"], ": ")); err != nil {
		return err
	}
	return d.say("%s: cancelled\n", e.Name)
}

// confirm asks a person. Where there is none, silence is no yes, and neither is Ctrl-C.
func (d driver) confirm(ctx context.Context, question string) bool {
	if d.yes || !d.terminal {
		return d.yes
	}
	fmt.Fprintf(d.stderr, "%s [y/N] ", question)
	answers := make(chan string, 1)
	go func() {
		answer, _ := bufio.NewReader(d.stdin).ReadString('\n')
		answers <- strings.ToLower(strings.TrimSpace(answer))
	}()
	select {
	case answer := <-answers:
		return answer == "y" || answer == "yes"
	case <-ctx.Done():
		fmt.Fprintln(d.stderr)
		return false
	}
}

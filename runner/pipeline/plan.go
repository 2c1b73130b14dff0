package pipeline

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/carlin-cicd/runner/steps"
)

// Format is the version of the plan's format.
const Format = 1

// Event is what started the pipeline.
type Event struct {
	Name       string // steps.PushEvent and so on
	Branch     string // or the tag
	SHA        string
	MainBranch string
}

// IsTag reports whether the event is about a tag.
func (e Event) IsTag() bool { return e.Name == steps.TagEvent }

// Plan is what runs for an event. It is small: the state of an execution is 256 KiB at most.
type Plan struct {
	Format  int       `json:"format"`
	Event   string    `json:"event"   redact:"-"`
	Branch  string    `json:"branch"`
	SHA     string    `json:"sha"     redact:"-"`
	Stages  []Stage   `json:"stages"`
	Skipped []Skipped `json:"skipped"`
}

// Stage is jobs that run side by side, steps of an environment, or an approval.
type Stage struct {
	Jobs        []Job    `json:"jobs,omitempty"`
	Environment string   `json:"environment,omitempty" redact:"-"`
	Steps       []string `json:"steps,omitempty"       redact:"-"`
	Approval    string   `json:"approval,omitempty"    redact:"-"`

	Settings map[string]Settings `json:"settings,omitempty" redact:"-"` // of the environment's steps that have some
}

// Job is what one task does, or several side by side that divide the tests of a step.
type Job struct {
	Steps  []string `json:"steps"            redact:"-"`
	Reason string   `json:"reason,omitempty"` // why, if the job has conditions

	Shards  int    `json:"shards,omitempty"`             // 2 or more
	History string `json:"history,omitempty" redact:"-"` // the measured times by which all shards divide the tests

	Settings
}

// Skipped is what does not run.
type Skipped struct {
	Steps       []string `json:"steps,omitempty"       redact:"-"`
	Environment string   `json:"environment,omitempty" redact:"-"`
	Approval    string   `json:"approval,omitempty"    redact:"-"`
	Reason      string   `json:"reason"`
	Passed      []Proof  `json:"passed,omitempty"` // where each of the steps passed, if that is the reason
}

// String names what does not run.
func (s Skipped) String() string {
	switch {
	case s.Approval != "":
		return "approval of " + s.Approval
	case s.Environment != "":
		return s.Environment
	}
	return strings.Join(s.Steps, ",")
}

// Proof is a run that stands for one that is not needed: nothing of the step's paths has changed since.
type Proof struct {
	Step   string `json:"step"   redact:"-"`
	Branch string `json:"branch" redact:"-"`
	SHA    string `json:"sha"    redact:"-"`
}

// Changes are the files that have changed since a step last passed.
type Changes struct {
	Since  string // the commit at which it passed
	Branch string // the branch on which it did
	Files  []string
}

// Compare returns what has changed since a step last passed on the branch, else on the main branch. unknown says why
// that is not known; then everything counts as changed.
type Compare func(ctx context.Context, step string) (c Changes, unknown string)

// Resolve decides what runs.
func Resolve(ctx context.Context, stages steps.Pipeline, e Event, compare Compare) Plan {
	plan := Plan{
		Format: Format, Event: e.Name, Branch: e.Branch, SHA: e.SHA, Stages: []Stage{}, Skipped: []Skipped{},
	}
	for i, stage := range stages {
		switch {
		case stage.Environment != "":
			plan.addEnvironment(stage, e)
		case stage.Approval != "":
			plan.addApproval(stage, stages[i+1:], e)
		default:
			plan.addJobs(ctx, stage.Jobs, e, compare)
		}
	}
	return plan
}

func (p *Plan) addEnvironment(s steps.Stage, e Event) {
	if reason := outsideEnvironment(s, e); reason != "" {
		p.Skipped = append(p.Skipped, Skipped{Environment: s.Environment, Steps: s.Steps, Reason: reason})
		return
	}
	p.Stages = append(p.Stages, Stage{Environment: s.Environment, Steps: s.Steps})
}

// outsideEnvironment says why an event does not reach an environment. Without a filter only the main branch does.
func outsideEnvironment(s steps.Stage, e Event) string {
	filter := s.Filter
	if len(filter.Branches)+len(filter.Tags) == 0 {
		filter.Branches = []string{e.MainBranch}
	}
	return excluded(filter, e)
}

// addApproval adds an approval if a later stage of its environment runs.
func (p *Plan) addApproval(s steps.Stage, later []steps.Stage, e Event) {
	reason := excluded(s.Filter, e)
	if reason == "" {
		reason = "nothing of " + s.Approval + " runs"
		for _, l := range later {
			if l.Environment == s.Approval && outsideEnvironment(l, e) == "" {
				reason = ""
			}
		}
	}
	if reason != "" {
		p.Skipped = append(p.Skipped, Skipped{Approval: s.Approval, Reason: reason})
		return
	}
	p.Stages = append(p.Stages, Stage{Approval: s.Approval})
}

func (p *Plan) addJobs(ctx context.Context, jobs []steps.Job, e Event, compare Compare) {
	var stage Stage
	for _, job := range jobs {
		if reason := excluded(job.Filter, e); reason != "" {
			p.Skipped = append(p.Skipped, Skipped{Steps: job.Steps, Reason: reason})
			continue
		}
		reason := ""
		if len(job.Filter.Paths) > 0 {
			var passed []Proof
			if passed, reason = unchanged(ctx, job, e, compare); passed != nil {
				p.Skipped = append(p.Skipped, Skipped{Steps: job.Steps, Reason: reason, Passed: passed})
				continue
			}
		}
		planned := Job{Steps: job.Steps, Reason: reason}
		if job.Parallel > 1 {
			planned.Shards = job.Parallel
		}
		stage.Jobs = append(stage.Jobs, planned)
	}
	if len(stage.Jobs) > 0 {
		p.Stages = append(p.Stages, stage)
	}
}

// excluded says why a filter excludes an event; "" if it does not.
func excluded(f steps.Filter, e Event) string {
	if len(f.Events) > 0 && !slices.Contains(f.Events, e.Name) {
		return fmt.Sprintf("the event is %s, not %s", e.Name, strings.Join(f.Events, " or "))
	}
	if len(f.Branches)+len(f.Tags) == 0 {
		return ""
	}
	globs, what := f.Branches, "branch"
	if e.IsTag() {
		globs, what = f.Tags, "tag"
	}
	if slices.ContainsFunc(globs, func(glob string) bool { return matchRef(glob, e.Branch) }) {
		return ""
	}
	if len(globs) == 0 {
		return "not for a " + what
	}
	return fmt.Sprintf("the %s %s does not match %s", what, e.Branch, strings.Join(globs, ", "))
}

// matchRef matches the name of a branch or a tag. A star stops at a slash, two do not.
func matchRef(glob, name string) bool {
	ok, err := doublestar.Match(glob, name)
	return err == nil && ok
}

// unchanged returns where the steps of a job passed if nothing of its paths has changed since, else nil; and why the job
// runs or does not. All of its steps count: one that did not pass has to run.
func unchanged(ctx context.Context, job steps.Job, e Event, compare Compare) (passed []Proof, reason string) {
	if e.Name != steps.PushEvent && e.Name != steps.PullRequestEvent {
		return nil, "all paths count for the event " + e.Name
	}
	var since []string
	for _, step := range job.Steps {
		changes, unknown := compare(ctx, step)
		if unknown != "" {
			return nil, unknown
		}
		for _, file := range changes.Files {
			if counts(job.Filter.Paths, file) {
				return nil, fmt.Sprintf("%s has changed since %.7s", file, changes.Since)
			}
		}
		text := fmt.Sprintf("%.7s", changes.Since)
		if changes.Branch != e.Branch {
			text += " of " + changes.Branch
		}
		since = append(since, text)
		passed = append(passed, Proof{step, changes.Branch, changes.Since})
	}
	slices.Sort(since)
	return passed, fmt.Sprintf("nothing of %s has changed since %s, where it passed",
		strings.Join(job.Filter.Paths, ", "), strings.Join(slices.Compact(since), " and "))
}

// counts reports whether the last of the globs that match the file is one without "!". Before a first glob with "!", all
// files do.
func counts(globs []string, file string) bool {
	yes := strings.HasPrefix(globs[0], "!")
	for _, glob := range globs {
		rest, without := strings.CutPrefix(glob, "!")
		if matchPath(rest, file) {
			yes = !without
		}
	}
	return yes
}

// matchPath matches a file, or a folder that holds it.
func matchPath(glob, file string) bool {
	for at := file; at != "." && at != "/"; at = path.Dir(at) {
		if ok, err := doublestar.Match(glob, at); err == nil && ok {
			return true
		}
	}
	return false
}

// Default is the pipeline of a repository whose runner.yaml has none, as far as it needs no environment: the cluster
// knows those.
func Default() steps.Pipeline {
	return steps.Pipeline{
		{Jobs: []steps.Job{{Steps: []string{"build"}}}}, {Jobs: []steps.Job{{Steps: []string{"test"}}}},
	}
}

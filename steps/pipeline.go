package steps

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/carlin-cicd/runner/steps/pattern"
)

// Pipeline is the order of a repository's steps: stages that run one after the other. It is empty if runner.yaml has
// none; then the cluster has an order of its own.
type Pipeline []Stage

// Stage is a part of a pipeline: jobs that run side by side, steps of an environment, or an approval.
type Stage struct {
	Jobs []Job

	Environment string   // where Steps run, one after the other
	Steps       []string // of the environment

	Approval string // the environment whose approval is awaited

	Filter Filter // of an environment or an approval; jobs have their own
	Origin string // runner.yaml:12
}

// Job is what one task does.
type Job struct {
	Steps    []string // one, or several that run one after the other
	Parallel int      // tasks that the tests of the step are divided among; 0 for one
	Filter   Filter
	Origin   string
}

// Filter says for which events something runs. An empty list allows all.
type Filter struct {
	Paths    []string // globs of files, of which one must have changed; after "!": of files that do not count
	Branches []string // globs
	Tags     []string // globs
	Events   []string // push, tag, schedule, manual, pull_request
}

// The events that start a pipeline.
const (
	PushEvent        = "push"
	TagEvent         = "tag"
	ScheduleEvent    = "schedule"
	ManualEvent      = "manual"
	PullRequestEvent = "pull_request"
)

// events are all of them.
var events = []string{PushEvent, TagEvent, ScheduleEvent, ManualEvent, PullRequestEvent}

// IsEvent reports whether a name is that of an event.
func IsEvent(name string) bool { return slices.Contains(events, name) }

// Bounds of a pipeline: what the cluster's machine can hold, and start side by side.
const (
	maxStages   = 20
	MaxParallel = 40 // tasks side by side
)

var environmentForm = pattern.New(`^[a-z][a-z0-9-]{0,30}$`)

// environmentKind is the name of an environment, as infra/environment.yaml takes it.
func environmentKind() kind[string] {
	return matching(environmentForm, "use lower-case letters, digits and dashes, such as production")
}

func stepNameKind() kind[string] {
	return matching(stepName, "use lower-case letters, digits, dots, dashes and underscores")
}

// filterKeys are the keys of a filter in a mapping.
func filterKeys[S any](at func(*S) *Filter) (all []key[S]) {
	for _, k := range keysOfFilter() {
		all = append(all, key[S]{
			name: k.name, schema: k.schema, synonyms: k.synonyms,
			read: func(d *decoder, n ast.Node, to *S) error { return k.read(d, n, at(to)) },
			copy: func(to, from *S) { k.copy(at(to), at(from)) },
		})
	}
	return all
}

func keysOfFilter() []key[Filter] {
	globs := func() kind[[]string] { return listOf(refGlob(), "glob") }
	return []key[Filter]{
		newKey("branches", "Only for these branches (globs); for tags only if tags is set, too.", globs(),
			func(f *Filter) *[]string { return &f.Branches }).alias("branch"),
		newKey("tags", "Only for these tags (globs); for branches only if branches is set, too.", globs(),
			func(f *Filter) *[]string { return &f.Tags }).alias("tag"),
		newKey("events", "Only when the pipeline was started by one of these.",
			listOf(oneOf(events...), "event"),
			func(f *Filter) *[]string { return &f.Events }).alias("on", "event"),
	}
}

// pathsKey is the filter of a job by what changed.
func pathsKey() key[Job] {
	return newKey(
		"paths",
		"Only if a file that matches these globs has changed since the step last passed on the branch, else on the main "+
			"branch. A glob after ! leaves out what those before it match, or of all files if it is the first.",
		listOf(changedGlob(), "glob"),
		func(j *Job) *[]string { return &j.Filter.Paths },
	).alias("changes", "changed")
}

// changedGlob is a glob of files, or one after an exclamation mark.
func changedGlob() kind[string] {
	glob := globKind()
	read := glob.read
	glob.read = func(d *decoder, n ast.Node, what string, to *string) error {
		if err := read(d, n, what, to); err != nil || !strings.HasPrefix(*to, "!") {
			return err
		}
		if rest := (*to)[1:]; rest == "" || rest[0] == '!' || outside.MatchString(rest) {
			return d.invalid(n, what, *to, `write a pattern inside the workspace after the "!", such as "!docs/**"`)
		}
		return nil
	}
	return glob
}

// refGlob is a glob of branches or tags.
func refGlob() kind[string] {
	return matching(pattern.New(`^[A-Za-z0-9._/*?@+-]+$`), "write a name or a glob such as release/*")
}

func stepJobObject() object[Job] {
	return object[Job]{
		what: "a job", required: []string{"step"}, example: "{ step: e2e, paths: [web/**] }",
		keys: slices.Concat([]key[Job]{
			newKey("step", "The step.", singleStep(), func(j *Job) *[]string { return &j.Steps }),
			newKey("parallel", "How many tasks the tests of the step are divided among, by the time that each file took.",
				integer(1, MaxParallel), func(j *Job) *int { return &j.Parallel }).otherwise(1).alias("shards", "matrix"),
			pathsKey(),
		}, filterKeys(func(j *Job) *Filter { return &j.Filter })),
	}
}

func togetherObject() object[Job] {
	return object[Job]{
		what: "a job", required: []string{"together"}, example: "{ together: [build, test] }",
		keys: slices.Concat([]key[Job]{
			newKey("together", "Steps that run one after the other in one task.", severalSteps(),
				func(j *Job) *[]string { return &j.Steps }),
			pathsKey(),
		}, filterKeys(func(j *Job) *Filter { return &j.Filter })),
	}
}

// singleStep is the name of a step as a list of one.
func singleStep() kind[[]string] {
	name := stepNameKind()
	return kind[[]string]{schema: name.schema, read: func(d *decoder, n ast.Node, what string, to *[]string) error {
		*to = make([]string, 1)
		return name.read(d, n, what, &(*to)[0])
	}}
}

// severalSteps is a list of at least one step.
func severalSteps() kind[[]string] {
	list := namesOf(stepNameKind())
	list.schema.MinItems = 1
	read := list.read
	list.read = func(d *decoder, n ast.Node, what string, to *[]string) error {
		err := read(d, n, what, to)
		if err == nil && len(*to) == 0 {
			err = d.errorf(n, "name a step, or remove it", "%s is empty", what)
		}
		return err
	}
	return list
}

// jobKind is the name of a step, or a mapping with step or together.
func jobKind() kind[Job] {
	step, together := stepJobObject(), togetherObject()
	s := schema{OneOf: []schema{stepNameKind().schema, step.kind().schema, together.kind().schema}}
	return kind[Job]{schema: s, read: func(d *decoder, n ast.Node, what string, to *Job) error {
		defer func() { to.Origin = d.origin(n) }()
		if !isMapping(d.resolve(n)) {
			*to = Job{}
			return singleStep().read(d, n, what, &to.Steps)
		}
		if d.has(n, "together") {
			return together.kind().read(d, n, what, to)
		}
		return step.kind().read(d, n, what, to)
	}}
}

func environmentStageObject() object[Stage] {
	return object[Stage]{
		what: "a stage", required: []string{"environment", "steps"},
		example: "{ environment: staging, steps: [migrate, deploy] }",
		keys: slices.Concat([]key[Stage]{
			newKey("environment", "Where the steps run: a stack of environment.yaml. By default on the main branch only.",
				environmentKind(), func(s *Stage) *string { return &s.Environment }),
			newKey("steps", "The steps, one after the other.", severalSteps(),
				func(s *Stage) *[]string { return &s.Steps }),
		}, filterKeys(func(s *Stage) *Filter { return &s.Filter })),
	}
}

func approvalObject() object[Stage] {
	return object[Stage]{
		what: "a stage", required: []string{"approval"}, example: "{ approval: production }",
		keys: slices.Concat([]key[Stage]{
			newKey("approval", "The environment whose approval is awaited. By default for the events that reach it.",
				environmentKind(), func(s *Stage) *string { return &s.Approval }),
		}, filterKeys(func(s *Stage) *Filter { return &s.Filter })),
	}
}

// stageKind is a job, a list of jobs, or a mapping with environment or approval.
func stageKind() kind[Stage] {
	job, environment, approval := jobKind(), environmentStageObject(), approvalObject()
	jobs := listOf(job, "job")
	jobs.schema.MinItems = 1
	jobs.schema.Description = "Jobs that run side by side."
	s := schema{OneOf: append(slices.Clone(job.schema.OneOf), jobs.schema, environment.kind().schema,
		approval.kind().schema)}
	return kind[Stage]{schema: s, read: func(d *decoder, n ast.Node, what string, to *Stage) error {
		*to = Stage{}
		defer func() { to.Origin = d.origin(n) }()
		if _, isList := d.resolve(n).(*ast.SequenceNode); isList {
			err := jobs.read(d, n, what, &to.Jobs)
			if err == nil && len(to.Jobs) == 0 {
				err = d.errorf(n, "name a step, or remove it", "%s is empty", what)
			}
			return err
		}
		if isMapping(d.resolve(n)) {
			switch {
			case d.has(n, "environment"):
				return environment.kind().read(d, n, what, to)
			case d.has(n, "approval"):
				return approval.kind().read(d, n, what, to)
			}
		}
		to.Jobs = make([]Job, 1)
		return job.read(d, n, what, &to.Jobs[0])
	}}
}

// pipelineKind are the stages.
func pipelineKind() kind[Pipeline] {
	list := listOf(stageKind(), "stage")
	list.schema.MinItems, list.schema.MaxItems = 1, maxStages
	return kind[Pipeline]{schema: list.schema, read: func(d *decoder, n ast.Node, what string, to *Pipeline) error {
		var stages []Stage
		if err := list.read(d, n, what, &stages); err != nil {
			return err
		}
		if len(stages) == 0 || len(stages) > maxStages {
			return d.errorf(n, "write up to 20 stages, or remove the key", "%s has %d stages", what, len(stages))
		}
		*to = stages
		return nil
	}}
}

// isMapping reports whether a node is a mapping.
func isMapping(n ast.Node) bool {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return true
	}
	return false
}

// has reports whether a mapping has a key, its merge keys included.
func (d *decoder) has(n ast.Node, name string) bool {
	found := false
	_ = d.entries(n, "", func(key string, _, _ ast.Node) error { // errors are reported when it is read
		found = found || key == name
		return nil
	})
	return found
}

// checkPipeline refuses a pipeline whose steps are not known, run twice in one place, or cannot be split.
func checkPipeline(d *decoder, n ast.Node, stages Pipeline, known Catalogue) error {
	if len(stages) == 0 {
		return nil
	}
	first := stages[0]
	if len(first.Jobs) != 1 || len(first.Jobs[0].Steps) != 1 || !first.Jobs[0].Filter.IsZero() || first.Jobs[0].Parallel > 1 {
		return d.errorf(d.item(n, 0), "begin with a step such as build: its task works out the plan at the commit",
			"the first stage must be one step without a condition")
	}
	seen := map[string]bool{}
	for i, stage := range stages {
		place := d.item(n, i)
		if err := checkStage(d, place, stage, stages[i+1:], known); err != nil {
			return err
		}
		for _, name := range stage.stepNames() {
			id := name + "@" + stage.Environment
			if seen[id] {
				return d.errorf(place, "remove one of them: a step has one record for a commit",
					"the pipeline has step %q twice%s", name, inEnvironment(stage.Environment))
			}
			seen[id] = true
		}
	}
	return nil
}

func inEnvironment(name string) string {
	if name == "" {
		return ""
	}
	return " in " + name
}

// stepNames are the steps of a stage, in order.
func (s Stage) stepNames() []string {
	names := slices.Clone(s.Steps)
	for _, job := range s.Jobs {
		names = append(names, job.Steps...)
	}
	return names
}

// tasks is how many tasks of a stage run side by side.
func (s Stage) tasks() (n int) {
	for _, job := range s.Jobs {
		n += max(job.Parallel, 1)
	}
	return n
}

func checkStage(d *decoder, place ast.Node, stage Stage, later []Stage, known Catalogue) error {
	if n := stage.tasks(); n > MaxParallel {
		return d.errorf(place, "put some into another stage, or lower parallel",
			"the stage has %d jobs side by side; the most is %d", n, MaxParallel)
	}
	if stage.Environment != "" {
		if err := checkStepNames(d, place, stage.Steps, stage.Environment, known); err != nil {
			return err
		}
	}
	for i, job := range stage.Jobs {
		at := d.item(place, i)
		if err := checkStepNames(d, at, job.Steps, "", known); err != nil {
			return err
		}
		if err := checkTask(d, at, job, known); err != nil {
			return err
		}
	}
	if stage.Approval != "" && !slices.ContainsFunc(later, func(s Stage) bool { return s.Environment == stage.Approval }) {
		return d.errorf(place, "add a stage of it after the approval, or remove the approval",
			"the approval of %q is followed by no stage of it", stage.Approval)
	}
	return nil
}

// checkStepNames refuses steps that are not known, and those that change an environment outside of one.
func checkStepNames(d *decoder, place ast.Node, names []string, environment string, known Catalogue) error {
	for _, name := range names {
		step, err := known.Find(name)
		if err != nil {
			return d.errorf(place, suggestion(name, "the steps are", known.Names()),
				"the pipeline has %q, which is not a step", name)
		}
		if environment == "" && step.Lock != "" {
			return d.errorf(place, "write { environment: staging, steps: ["+name+"] }",
				"step %q changes an environment, and the stage has none", name)
		}
	}
	return nil
}

// checkTask refuses steps of one task that need tasks of different kinds.
func checkTask(d *decoder, place ast.Node, job Job, known Catalogue) error {
	first, _ := known.Find(job.Steps[0])
	for _, name := range job.Steps[1:] {
		if step, _ := known.Find(name); step.Task != first.Task {
			return d.errorf(place, "make them jobs of their own, or give them one task:",
				"the pipeline has steps %s and %s in one task, whose task: differs", first.Name, name)
		}
	}
	return nil
}

// IsZero reports whether everything is allowed.
func (f Filter) IsZero() bool {
	return len(f.Paths)+len(f.Branches)+len(f.Tags)+len(f.Events) == 0
}

// String is the filter in words, such as "branches main".
func (f Filter) String() string {
	var parts []string
	for _, p := range []struct {
		name string
		list []string
	}{{"branches", f.Branches}, {"tags", f.Tags}, {"events", f.Events}, {"paths", f.Paths}} {
		if len(p.list) > 0 {
			parts = append(parts, p.name+" "+strings.Join(p.list, ", "))
		}
	}
	return strings.Join(parts, "; ")
}

package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/lease"
	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/environment"
	"github.com/carlin-cicd/runner/runner/logs"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/redact"
	"github.com/carlin-cicd/runner/runner/secrets"
	"github.com/carlin-cicd/runner/steps"
	"github.com/carlin-cicd/runner/steps/reference"
)

// Doctor examines what a run relies on before there is one.
type Doctor struct {
	Variables map[string]string

	// Secrets says of each reference whether it can be resolved, and Stack whether the stack can be reached. Nil: the
	// services are asked.
	Secrets func(ctx context.Context, references map[string]reference.Reference) []artifacts.Finding
	Stack   func(ctx context.Context, name string) []artifacts.Finding
}

// examination is one of them. What is needed only by a step that nobody has asked for is worth a warning.
type examination struct {
	Doctor
	run      *run
	tell     func(artifacts.Finding)
	redactor *redact.Redactor
	named    bool         // a step was asked for
	steps    []steps.Step // that one, or all
}

// Examine tells what it finds, one finding after the other, and reports whether nothing of it is a failure.
func (d Doctor) Examine(ctx context.Context, tell func(artifacts.Finding)) bool {
	sound := true
	e := &examination{Doctor: d, redactor: redact.New(environment.Secrets(d.Variables)...), named: d.Variables["PIPELINE_STEP"] != ""}
	e.tell = func(f artifacts.Finding) {
		sound = sound && f.Severity != artifacts.Failure
		f.Problem, f.Advice = e.redactor.String(f.Problem), e.redactor.String(f.Advice)
		tell(f)
	}
	e.perform(ctx)
	return sound
}

func (e *examination) ok(subject, format string, args ...any) {
	e.tell(artifacts.Finding{Subject: subject, Problem: fmt.Sprintf(format, args...), Severity: artifacts.OK})
}

func (e *examination) wrong(severity artifacts.Severity, subject, problem, advice string) {
	e.tell(artifacts.Finding{Subject: subject, Problem: problem, Advice: advice, Severity: severity})
}

func (e *examination) fail(subject string, err error) {
	e.wrong(artifacts.Failure, subject, err.Error(), outcome.Hint(err))
}

// perform goes on after a failure wherever what comes next does not depend on it.
func (e *examination) perform(ctx context.Context) {
	config, err := config.Read(e.Variables)
	if err != nil {
		e.fail("variables", err)
		return
	}
	e.run = besides(ctx, e.Variables, config)
	e.run.Redactor = e.redactor
	e.logging()
	if e.collect() {
		for _, s := range e.steps {
			e.step(s)
		}
		e.tools()
	}
	e.git(ctx)
	e.commit()
	e.store(ctx)
	e.secrets(ctx)
	e.people(ctx)
	e.stack(ctx)
}

func (e *examination) logging() {
	c := e.run.Config
	var level slog.Level
	_, err := logs.ParseFormat(c.LogFormat, false)
	if err != nil {
		e.wrong(artifacts.Failure, "variables", fmt.Sprintf("RUNNER_LOG_FORMAT cannot be %q", c.LogFormat), "write auto, text or json")
	}
	if level.UnmarshalText([]byte(c.LogLevel)) != nil {
		e.wrong(artifacts.Failure, "variables", fmt.Sprintf("RUNNER_LOG_LEVEL cannot be %q", c.LogLevel), "write debug, info, warn or error")
	}
}

// collect finds the steps to examine, and reports whether there are any.
func (e *examination) collect() bool {
	all, err := config.LoadSteps(e.run.Config)
	if err != nil {
		e.fail(steps.FileName, err)
		return false
	}
	e.run.steps, e.steps = all, all.All()
	if e.named {
		s, err := all.Find(e.run.Config.Step)
		switch {
		case err != nil && e.run.AwaitsCheckout():
			e.wrong(artifacts.Warning, "step "+e.run.Config.Step, "is not known here", "see that the commit brings it in its "+steps.FileName)
			return false
		case err != nil:
			e.fail("step "+e.run.Config.Step, err)
			return false
		}
		e.steps = []steps.Step{s}
	}
	file := cmp.Or(e.run.Config.File, filepath.Join(e.run.Config.Workspace, steps.FileName))
	if _, err := os.Stat(file); err != nil {
		e.ok(steps.FileName, "there is none, so the steps are the built-in ones")
	} else {
		e.ok(steps.FileName, "is valid; the steps are %s", strings.Join(all.Names(), ", "))
	}
	return true
}

// severity is of what keeps a step from running: one that was asked for, or that somebody wrote for this workspace.
func (e *examination) severity(s steps.Step) artifacts.Severity {
	if e.named || strings.Contains(s.Origin["command"], ":") {
		return artifacts.Failure
	}
	return artifacts.Warning
}

// step examines what a step says of itself.
func (e *examination) step(s steps.Step) {
	subject := "step " + s.Name
	sound := true
	wrong := func(severity artifacts.Severity, problem, advice string) {
		sound = false
		e.wrong(severity, subject, problem, advice)
	}
	e.run.step = s
	if info, err := os.Stat(e.run.directory()); (err != nil || !info.IsDir()) && !e.run.AwaitsCheckout() {
		wrong(artifacts.Failure, fmt.Sprintf("its directory %s is not a folder of the workspace", s.Directory), "it comes from "+s.Origin["directory"])
	}
	env := environment.New(&e.run.Session, e.run.step)
	e.redactor.Add(environment.Secrets(env.Variables)...)
	if names := environment.Missing(s, env); names != nil {
		severity := artifacts.Warning // whoever starts the step may set them
		if e.named {
			severity = artifacts.Failure
		}
		wrong(severity, fmt.Sprintf("%s is required and not set", strings.Join(names, ", ")), fmt.Sprintf("set it for the run, as in %s=production", names[0]))
	}
	for _, need := range s.Needs {
		if _, err := e.run.steps.Find(need); err != nil {
			wrong(artifacts.Failure, fmt.Sprintf("it needs %s, which is no step", need), fmt.Sprintf("correct needs: (%s)", s.Origin["needs"]))
		}
	}
	for _, kind := range s.Fetch {
		if _, ok := e.run.steps.ArtifactPath(kind); !ok {
			wrong(artifacts.Failure, fmt.Sprintf("it fetches %s, which no step makes", kind), fmt.Sprintf("correct fetch: (%s)", s.Origin["fetch"]))
		}
	}
	if sound {
		e.ok(subject, "%s", s.Command)
	}
}

// Git before this one cannot make a repository for commits of either hash.
const gitMajor, gitMinor = 2, 29

var gitVersion = regexp.MustCompile(`git version (\d+)\.(\d+)\S*`)

func (e *examination) git(ctx context.Context) {
	const subject = "git"
	c := e.run.Config
	severity, use := artifacts.Warning, "without it BRANCH and GIT_SHA have to be set"
	if c.Repository != "" {
		severity, use = artifacts.Failure, "REPOSITORY_URL is fetched with it"
	}
	if c.Repository != "" && !e.run.AwaitsCheckout() {
		e.wrong(artifacts.Warning, "source", "REPOSITORY_URL is set without GIT_SHA, so nothing is fetched", "set GIT_SHA to the whole commit id")
	}
	output, err := e.run.Git(ctx, c.Workspace, nil, "--version")
	if err != nil {
		e.wrong(severity, subject, "cannot be started: "+err.Error(), "install git: "+use)
		return
	}
	found := gitVersion.FindStringSubmatch(output)
	if found == nil {
		e.wrong(artifacts.Warning, subject, "does not tell its version", "see what git --version prints")
		return
	}
	major, _ := strconv.Atoi(found[1])
	minor, _ := strconv.Atoi(found[2])
	if major < gitMajor || major == gitMajor && minor < gitMinor {
		e.wrong(severity, subject, found[0]+" is too old", fmt.Sprintf("install %d.%d or later: %s", gitMajor, gitMinor, use))
		return
	}
	e.ok(subject, "%s", found[0])
}

func (e *examination) commit() {
	const subject = "commit"
	err := e.run.Identify()
	ref := e.run.Ref
	switch {
	case err != nil:
		e.fail(subject, err)
	case strings.Trim(ref.SHA, "0") == "":
		e.wrong(artifacts.Warning, subject, "nobody says which it is, so records are kept under "+ref.SHA[:12], "set BRANCH and GIT_SHA, or run in a git repository")
	case e.run.Dirty:
		e.ok(subject, "%.12s of %s; the workspace has changes that are not in it", ref.SHA, ref.Branch)
	default:
		e.ok(subject, "%.12s of %s", ref.SHA, ref.Branch)
	}
}

// store lets the store examine itself.
func (e *examination) store(ctx context.Context) {
	const subject = "artifacts"
	err := e.run.OpenStore(ctx, lease.Owner{}, nil)
	store, place := e.run.Store, e.run.Place
	if err != nil {
		e.fail(subject, err)
		return
	}
	examiner, ok := store.(artifacts.Examiner)
	if !ok {
		e.wrong(artifacts.Warning, subject, place+" is not checked", "see that this task may write to it")
		return
	}
	for _, f := range examiner.Examine(ctx) {
		e.tell(f)
	}
}

// secrets asks for every value, once for each variable and reference, and forgets it.
func (e *examination) secrets(ctx context.Context) {
	references := map[string]reference.Reference{}
	all := e.steps
	if len(all) == 0 {
		all = []steps.Step{{}} // what the runner itself was given is known in any case
	}
	for _, s := range all {
		e.run.step = s
		for name, reference := range environment.New(&e.run.Session, e.run.step).References {
			if was, ok := references[name]; ok && was != reference { // two steps may mean different things by one name
				name += " of step " + s.Name
			}
			references[name] = reference
		}
	}
	examine := e.Secrets
	if examine == nil {
		examine = e.resolve
	}
	if len(references) > 0 {
		for _, f := range examine(ctx, references) {
			e.tell(f)
		}
	}
	for _, name := range e.redactor.Unredacted() {
		e.wrong(artifacts.Warning, "secret "+name, "is too short or too common to be redacted", "make it longer, or give the variable another name if it is no secret")
	}
}

// resolve asks for all values, as a run would.
func (e *examination) resolve(ctx context.Context, references map[string]reference.Reference) []artifacts.Finding {
	resolved, err := environment.Resolver(&e.run.Session).Resolve(ctx, references)
	var found []artifacts.Finding
	for _, s := range resolved.Secrets {
		e.redactor.Add(redact.Secret{Name: s.Variable, Value: s.Value()})
		found = append(found, artifacts.Finding{Subject: "secret " + s.Variable, Problem: "can be read from " + s.Source, Severity: artifacts.OK})
	}
	var failed *secrets.Error
	if errors.As(err, &failed) {
		for _, f := range failed.Failures {
			found = append(found, artifacts.Finding{Subject: "secret " + f.Variable, Problem: "cannot be resolved: " + f.Problem, Advice: f.Advice, Severity: artifacts.Failure})
		}
	} else if err != nil {
		found = append(found, artifacts.Finding{Subject: "secrets", Problem: err.Error(), Severity: artifacts.Failure})
	}
	for _, note := range resolved.Notes {
		found = append(found, artifacts.Finding{Subject: "secrets", Problem: note, Advice: "see the note", Severity: artifacts.Warning})
	}
	return found
}

func (e *examination) stack(ctx context.Context) {
	name := e.run.Config.StackName
	switch {
	case name == "":
	case e.Stack == nil:
		e.tell(examineStack(ctx, e.run.AWS, name))
	default:
		for _, f := range e.Stack(ctx, name) {
			e.tell(f)
		}
	}
}

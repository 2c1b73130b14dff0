// Package doctor checks before a run what the run relies on: configuration, steps, tools, git, store, secrets,
// notifications and the stack.
package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/carlin-cicd/runner/runner/session"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/lease"
	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/deploy"
	"github.com/carlin-cicd/runner/runner/environment"
	"github.com/carlin-cicd/runner/runner/logs"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/redact"
	"github.com/carlin-cicd/runner/runner/secrets"
	"github.com/carlin-cicd/runner/steps"
	"github.com/carlin-cicd/runner/steps/reference"
)

// Doctor checks what a run relies on.
type Doctor struct {
	Variables map[string]string

	// Secrets reports whether each reference can be resolved, and Stack whether the stack can be reached. If they are
	// nil, the services are called.
	Secrets func(ctx context.Context, references map[string]reference.Reference) []artifacts.Finding
	Stack   func(ctx context.Context, name string) []artifacts.Finding
}

// examiner is one examination. What only a step needs that was not selected is a warning.
type examiner struct {
	Doctor
	session   *session.Session
	report    func(artifacts.Finding)
	redactor  *redact.Redactor
	catalogue steps.Catalogue
	selected  bool         // a step was named
	steps     []steps.Step // that one, or all
	step      steps.Step   // the one whose environment is looked at
	private   environment.Private
}

// Examine passes its findings to report one by one, and returns whether none of them is a failure.
func (d Doctor) Examine(ctx context.Context, report func(artifacts.Finding)) bool {
	sound := true
	e := &examiner{
		Doctor:   d,
		redactor: redact.New(environment.Secrets(d.Variables)...),
		selected: d.Variables["PIPELINE_STEP"] != "",
	}
	e.report = func(f artifacts.Finding) {
		sound = sound && f.Severity != artifacts.Failure
		f.Problem, f.Advice = e.redactor.String(f.Problem), e.redactor.String(f.Advice)
		report(f)
	}
	e.examine(ctx)
	return sound
}

func (e *examiner) ok(subject, format string, args ...any) {
	e.report(artifacts.Finding{Subject: subject, Problem: fmt.Sprintf(format, args...), Severity: artifacts.OK})
}

func (e *examiner) problem(severity artifacts.Severity, subject, text, advice string) {
	e.report(artifacts.Finding{Subject: subject, Problem: text, Advice: advice, Severity: severity})
}

func (e *examiner) fail(subject string, err error) {
	e.problem(artifacts.Failure, subject, err.Error(), outcome.Hint(err))
}

// examine continues after a failure with every check that does not depend on it.
func (e *examiner) examine(ctx context.Context) {
	config, err := config.Read(e.Variables)
	if err != nil {
		e.fail("variables", err)
		return
	}
	e.session = session.New(ctx, e.Variables, config)
	e.session.Redactor = e.redactor
	e.logging()
	if e.collect() {
		for _, s := range e.steps {
			e.examineStep(s)
		}
		e.tools()
	}
	e.git(ctx)
	e.commit()
	e.store(ctx)
	e.secrets(ctx)
	e.signingKey(ctx)
	e.notifications(ctx)
	e.stack(ctx)
}

func (e *examiner) logging() {
	c := e.session.Config
	var level slog.Level
	_, err := logs.ParseFormat(c.LogFormat, false)
	if err != nil {
		e.problem(
			artifacts.Failure,
			"variables",
			fmt.Sprintf("RUNNER_LOG_FORMAT cannot be %q", c.LogFormat),
			"write auto, text or json",
		)
	}
	if level.UnmarshalText([]byte(c.LogLevel)) != nil {
		e.problem(
			artifacts.Failure,
			"variables",
			fmt.Sprintf("RUNNER_LOG_LEVEL cannot be %q", c.LogLevel),
			"write debug, info, warn or error",
		)
	}
}

// collect loads the steps to examine, and reports whether there are any.
func (e *examiner) collect() bool {
	all, err := config.LoadSteps(e.session.Config)
	if err != nil {
		e.fail(steps.FileName, err)
		return false
	}
	e.catalogue, e.steps = all, all.All()
	if e.selected {
		s, err := all.Find(e.session.Config.Step)
		switch {
		case err != nil && e.session.AwaitsCheckout():
			e.problem(
				artifacts.Warning,
				"step "+e.session.Config.Step,
				"does not exist in this workspace",
				"make sure that the commit defines it in its "+steps.FileName,
			)
			return false
		case err != nil:
			e.fail("step "+e.session.Config.Step, err)
			return false
		}
		e.steps = []steps.Step{s}
	}
	file := cmp.Or(e.session.Config.File, filepath.Join(e.session.Config.Workspace, steps.FileName))
	if _, err := os.Stat(file); err != nil {
		e.ok(steps.FileName, "does not exist; the steps are the built-in ones")
	} else {
		e.ok(steps.FileName, "is valid; the steps are %s", strings.Join(all.Names(), ", "))
	}
	return true
}

// severity is that of a problem that keeps a step from running: a failure for the selected step and for steps of this
// workspace.
func (e *examiner) severity(s steps.Step) artifacts.Severity {
	if e.selected || strings.Contains(s.Origin["command"], ":") {
		return artifacts.Failure
	}
	return artifacts.Warning
}

// examineStep checks a step's settings.
func (e *examiner) examineStep(s steps.Step) {
	subject := "step " + s.Name
	sound := true
	problem := func(severity artifacts.Severity, text, advice string) {
		sound = false
		e.problem(severity, subject, text, advice)
	}
	e.step = s
	if info, err := os.Stat(e.directory()); (err != nil || !info.IsDir()) && !e.session.AwaitsCheckout() {
		problem(
			artifacts.Failure,
			fmt.Sprintf("its directory %s is not a folder of the workspace", s.Directory),
			"it comes from "+s.Origin["directory"],
		)
	}
	env := environment.New(e.session, e.step)
	e.redactor.Add(environment.Secrets(env.Variables)...)
	if names := environment.Missing(s, env); names != nil {
		severity := artifacts.Warning // whatever starts the step may set them
		if e.selected {
			severity = artifacts.Failure
		}
		problem(
			severity,
			fmt.Sprintf("%s is required and not set", strings.Join(names, ", ")),
			fmt.Sprintf("set it for the run, as in %s=production", names[0]),
		)
	}
	if sound {
		e.ok(subject, "%s", s.Command)
	}
}

// Git before this one cannot make a repository for commits of either hash.
const gitMajor, gitMinor = 2, 29

var gitVersion = regexp.MustCompile(`git version (\d+)\.(\d+)\S*`)

func (e *examiner) git(ctx context.Context) {
	const subject = "git"
	c := e.session.Config
	severity, use := artifacts.Warning, "without it BRANCH and GIT_SHA have to be set"
	if c.Repository != "" {
		severity, use = artifacts.Failure, "REPOSITORY_URL is fetched with it"
	}
	if c.Repository != "" && !e.session.AwaitsCheckout() {
		e.problem(
			artifacts.Warning,
			"source",
			"REPOSITORY_URL is set without GIT_SHA, so nothing is fetched",
			"set GIT_SHA to the whole commit id",
		)
	}
	output, err := e.session.Git(ctx, c.Workspace, nil, "--version")
	if err != nil {
		e.problem(severity, subject, "cannot be started: "+err.Error(), "install git: "+use)
		return
	}
	found := gitVersion.FindStringSubmatch(output)
	if found == nil {
		e.problem(artifacts.Warning, subject, "does not report its version", "check the output of git --version")
		return
	}
	major, _ := strconv.Atoi(found[1])
	minor, _ := strconv.Atoi(found[2])
	if major < gitMajor || major == gitMajor && minor < gitMinor {
		e.problem(
			severity,
			subject,
			found[0]+" is too old",
			fmt.Sprintf("install %d.%d or later: %s", gitMajor, gitMinor, use),
		)
		return
	}
	e.ok(subject, "%s", found[0])
}

func (e *examiner) commit() {
	const subject = "commit"
	err := e.session.Identify()
	ref := e.session.Ref
	switch {
	case err != nil:
		e.fail(subject, err)
	case strings.Trim(ref.SHA, "0") == "":
		e.problem(
			artifacts.Warning,
			subject,
			"is not known, so records are stored under "+ref.SHA[:12],
			"set BRANCH and GIT_SHA, or run in a git repository",
		)
	case e.session.Dirty:
		e.ok(subject, "%.12s of %s; the workspace has changes that are not in it", ref.SHA, ref.Branch)
	default:
		e.ok(subject, "%.12s of %s", ref.SHA, ref.Branch)
	}
}

// store checks the store, if the store can check itself.
func (e *examiner) store(ctx context.Context) {
	const subject = "artifacts"
	err := e.session.OpenStore(ctx, lease.Owner{}, nil)
	store, place := e.session.Store, e.session.Place
	if err != nil {
		e.fail(subject, err)
		return
	}
	examiner, ok := store.(artifacts.Examiner)
	if !ok {
		e.problem(artifacts.Warning, subject, place+" is not checked", "make sure that this task may write to it")
		return
	}
	for _, f := range examiner.Examine(ctx) {
		e.report(f)
	}
}

// secrets resolves every value once for each variable and reference, and discards it.
func (e *examiner) secrets(ctx context.Context) {
	references := map[string]reference.Reference{}
	all := e.steps
	if len(all) == 0 {
		all = []steps.Step{{}} // the runner's own variables are known in any case
	}
	for _, s := range all {
		e.step = s
		for name, reference := range environment.New(e.session, e.step).References {
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
			e.report(f)
		}
	}
	for _, name := range e.redactor.Unredacted() {
		e.problem(
			artifacts.Warning,
			"secret "+name,
			"is too short or too common to be redacted",
			"make it longer, or rename the variable if it is not a secret",
		)
	}
}

// resolve resolves all values as a run would.
func (e *examiner) resolve(ctx context.Context, references map[string]reference.Reference) []artifacts.Finding {
	resolved, err := environment.Resolver(e.session).Resolve(ctx, references)
	var found []artifacts.Finding
	for _, s := range resolved.Secrets {
		e.redactor.Add(redact.Secret{Name: s.Variable, Value: s.Value()})
		found = append(
			found,
			artifacts.Finding{
				Subject:  "secret " + s.Variable,
				Problem:  "can be read from " + s.Source,
				Severity: artifacts.OK,
			},
		)
	}
	var failed *secrets.Error
	if errors.As(err, &failed) {
		for _, f := range failed.Failures {
			found = append(
				found,
				artifacts.Finding{
					Subject:  "secret " + f.Variable,
					Problem:  "cannot be resolved: " + f.Problem,
					Advice:   f.Advice,
					Severity: artifacts.Failure,
				},
			)
		}
	} else if err != nil {
		found = append(found, artifacts.Finding{Subject: "secrets", Problem: err.Error(), Severity: artifacts.Failure})
	}
	for _, note := range resolved.Notes {
		found = append(
			found,
			artifacts.Finding{Subject: "secrets", Problem: note, Advice: "see the note", Severity: artifacts.Warning},
		)
	}
	return found
}

func (e *examiner) stack(ctx context.Context) {
	if name := e.session.Config.StackName; e.Stack != nil && name != "" {
		for _, f := range e.Stack(ctx, name) {
			e.report(f)
		}
		return
	}
	deploying := slices.DeleteFunc(slices.Clone(e.steps), func(s steps.Step) bool { return s.Lock != steps.LockStack })
	if len(deploying) == 0 && e.session.Config.StackName != "" {
		deploying = []steps.Step{{Name: "deploy", Lock: steps.LockStack, Directory: "."}}
	}
	reported := map[artifacts.Finding]bool{} // two steps may deploy the same stack
	for _, s := range deploying {
		if e.session.Config.Environment == "" && e.session.Config.StackName == "" && len(s.Stacks) == 0 {
			continue // the name depends on it
		}
		for _, f := range deploy.Examine(ctx, e.session, s, environment.New(e.session, s).Variables) {
			if f.Severity == artifacts.Failure && !e.selected && e.session.Config.StackName == "" {
				f.Severity = artifacts.Warning
			}
			if !reported[f] {
				reported[f] = true
				e.report(f)
			}
		}
	}
}

// directory is that of the step whose environment is looked at.
func (e *examiner) directory() string { return e.session.Path(e.step.Directory) }

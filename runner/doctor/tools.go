package doctor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/environment"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/steps"
)

// tool is a program that must be on PATH.
type tool struct {
	name     string
	users    []string // what needs it: steps, "package.json"
	severity artifacts.Severity
	path     string
	err      error
}

// tools looks up the programs that the steps' commands begin with, and those that every Node project needs.
func (e *examiner) tools() {
	var all []*tool
	need := func(name, user string, severity artifacts.Severity) {
		path, err := process.LookPath(
			process.Command{Args: []string{name}, Dir: e.directory(), Env: environment.New(e.session, e.step).List()},
		)
		i := slices.IndexFunc(all, func(t *tool) bool { return t.name == name && t.path == path })
		if i < 0 {
			i = len(all)
			all = append(all, &tool{name: name, severity: severity, path: path, err: err})
		}
		t := all[i]
		if !slices.Contains(t.users, user) {
			t.users = append(t.users, user)
		}
		if severity == artifacts.Failure {
			t.severity = severity
		}
	}

	for _, s := range e.steps {
		e.step = s
		if info, err := os.Stat(e.directory()); err != nil || !info.IsDir() {
			continue // it has been reported, or is fetched by the run
		}
		for _, c := range []steps.Command{s.Command, s.Verify} {
			if name := program(c); name != "" {
				need(name, s.Name, e.severity(s))
			}
		}
		e.services(s, need)
	}
	const manifest = "package.json"
	if _, err := os.Stat(filepath.Join(e.session.Config.Workspace, manifest)); err == nil {
		severity := artifacts.Failure
		if e.selected { // the selected step may not need it
			severity = artifacts.Warning
		}
		e.step = steps.Step{Directory: "."}
		need("node", manifest, severity)
		need(steps.PackageManager(e.session.Config.Workspace), manifest, severity)
	}

	for _, t := range all {
		users := strings.Join(t.users, ", ")
		if t.err == nil {
			e.ok("tool "+t.name, "%s (%s)", t.path, users)
			continue
		}
		problem := t.err.Error()
		var start *process.StartError
		if errors.As(t.err, &start) && start.NotFound && start.Dir == "" {
			problem = "is not on PATH"
			if strings.Contains(t.name, "/") {
				problem = "does not exist"
			}
		}
		e.problem(t.severity, "tool "+t.name, fmt.Sprintf("%s; needed by %s", problem, users), outcome.Hint(t.err))
	}
}

// shellWords are builtins and keywords of the shell.
var shellWords = strings.Fields(
	`! . : [ { } alias bg break case cd command continue do done elif else esac eval exec exit export
	false fc fg fi for getopts hash if in jobs kill printf pwd read readonly return set shift test then time times trap true
	type ulimit umask unalias unset until wait while echo function local source`,
)

var (
	assignment  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=[^\s"'\\$` + "`" + `]*$`)
	programName = regexp.MustCompile(`^[A-Za-z0-9_./@%+,:-]+$`)
)

// program returns the file that a command begins with; "" if only a shell could tell.
func program(c steps.Command) string {
	if c.Line == "" {
		if len(c.Args) == 0 {
			return ""
		}
		return c.Args[0]
	}
	line := c.Line
	if end := strings.IndexAny(line, ";|&<>()\n"); end >= 0 {
		line = line[:end]
	}
	for word := range strings.FieldsSeq(line) {
		switch {
		case assignment.MatchString(word), word == "exec":
			continue
		case !programName.MatchString(word), slices.Contains(shellWords, word):
			return ""
		default:
			return word
		}
	}
	return ""
}

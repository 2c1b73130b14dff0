package steps

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/goccy/go-yaml/ast"

	"github.com/carlin-cicd/runner/steps/reference"
)

// FileName is where a workspace keeps its steps.
const FileName = "runner.yaml"

// File is a runner.yaml that has been read and found good.
type File struct {
	Path  string
	Setup *Setup // nil: the default one
	Steps []override
}

// override is what the file says of one step; what it leaves out keeps its built-in or default value.
type override struct {
	name string
	step Step
	line map[string]int // the keys that are set, and where
}

// The keys of a step, in the order in which people are told of them.
var stepKeys = []string{
	"command", "directory", "timeout", "environment", "secrets", "required", "reports", "artifacts", "retry", "needs", "fetch", "verify",
	"rerun", "quarantine", "coverage",
	"before", "after", "on_failure",
	"lock", "wait", "rollback", "grace",
}

// retryReasons are the ends that can be worth another try, and retryDefault those that are without on:. A run that was cancelled
// cannot start anything again itself: whoever started it can, once it has read in finished.json that it may.
var (
	retryDefault = []string{"oom", "infrastructure"}
	retryReasons = []string{"oom", "infrastructure", "cancelled"}
)

var (
	stepName     = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)
	kindName     = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// reservedKinds are the store's own top folders.
var reservedKinds = []string{"manifests", "runs", "deployments", "locks", "tests"}

// Load reads runner.yaml. A file that is not there is a *FileError that wraps nothing; use LoadDefault where it may be missing.
func Load(name string) (*File, error) {
	source, err := os.ReadFile(name)
	if err != nil {
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return nil, &FileError{Path: name, Message: fmt.Sprintf("cannot be read: %v", err), Advice: "create it, or point --config (RUNNER_CONFIG) to the right file"}
	}
	return Parse(name, source)
}

// LoadDefault reads the workspace's runner.yaml; without one it returns nil.
func LoadDefault(workspace string) (*File, error) {
	name := filepath.Join(workspace, FileName)
	if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return Load(name)
}

// Parse reads the text of a runner.yaml. Whatever is wrong with it is a *FileError.
func Parse(name string, source []byte) (*File, error) {
	d := &decoder{path: name, lines: strings.Split(string(source), "\n"), anchors: map[string]ast.Node{}}
	root, err := d.parse(source)
	if err != nil {
		return nil, err
	}
	file := &File{Path: name}
	seenVersion := false
	err = d.mapping(root, "the top level", fields{
		"version": func(n ast.Node) error {
			seenVersion = true
			if text, err := d.scalar(n, "version"); err != nil || text != "1" {
				return d.errorf(n, "write version: 1", "version must be 1")
			}
			return nil
		},
		"setup": func(n ast.Node) error {
			file.Setup = &Setup{}
			return d.setup(n, file.Setup)
		},
		"steps": func(n ast.Node) error {
			return d.entries(n, "steps", func(key string, keyNode, value ast.Node) error {
				if !stepName.MatchString(key) {
					return d.errorf(keyNode, "use lower-case letters, digits, dots, dashes and underscores", "%q cannot be the name of a step", key)
				}
				o, err := d.step(key, value)
				if err != nil {
					return err
				}
				if _, set := o.line["command"]; !set && !isBuiltin(key) {
					return d.errorf(keyNode, "add a command: line to it", "step %q has no command", key)
				}
				if _, set := o.line["reports"]; !set && key != "test" && (!o.step.Rerun.IsZero() || len(o.step.Quarantine) > 0) {
					return d.errorf(keyNode, "add reports: with the globs of its JUnit files", "step %q has no reports to tell which tests failed", key)
				}
				file.Steps = append(file.Steps, o)
				return nil
			})
		},
	})
	if err != nil {
		return nil, err
	}
	if !seenVersion {
		return nil, &FileError{Path: name, Message: "version is missing", Advice: "begin the file with version: 1"}
	}
	return file, nil
}

func isBuiltin(name string) bool {
	for _, s := range builtins("pnpm") {
		if s.Name == name {
			return true
		}
	}
	return false
}

func (d *decoder) step(name string, n ast.Node) (override, error) {
	o := override{name: name, line: map[string]int{}}
	s := &o.step
	known := fields{
		"command":    func(n ast.Node) error { return d.command(n, "command", &s.Command) },
		"verify":     func(n ast.Node) error { return d.command(n, "verify", &s.Verify) },
		"before":     func(n ast.Node) error { return d.hook(n, "before", &s.Hooks.Before) },
		"after":      func(n ast.Node) error { return d.hook(n, "after", &s.Hooks.After) },
		"on_failure": func(n ast.Node) error { return d.hook(n, "on_failure", &s.Hooks.OnFailure) },
		"directory":  func(n ast.Node) error { return d.localPath(n, "directory", &s.Directory) },
		"timeout":    func(n ast.Node) error { return d.duration(n, "timeout", &s.Timeout) },
		"environment": func(n ast.Node) error {
			return d.variables(n, "environment", &s.Environment, func(_, _ string, _ ast.Node) error { return nil })
		},
		"secrets":  func(n ast.Node) error { return d.variables(n, "secrets", &s.Secrets, d.reference) },
		"required": func(n ast.Node) error { return d.names(n, "required", variableName, &s.Required) },
		"reports":  func(n ast.Node) error { return d.globs(n, &s.Reports) },
		"needs":    func(n ast.Node) error { return d.names(n, "needs", stepName, &s.Needs) },
		"fetch":    func(n ast.Node) error { return d.names(n, "fetch", kindName, &s.Fetch) },
		"artifacts": func(n ast.Node) error {
			s.Artifacts = nil // those that a merge key brought
			return d.sequence(n, "artifacts", func(n ast.Node) error {
				a, err := d.artifact(n)
				s.Artifacts = append(s.Artifacts, a)
				return err
			})
		},
		"rerun":      func(n ast.Node) error { return d.rerun(n, &s.Rerun) },
		"quarantine": func(n ast.Node) error { return d.quarantine(n, &s.Quarantine) },
		"coverage":   func(n ast.Node) error { return d.coverage(n, &s.Coverage) },
		"retry": func(n ast.Node) error {
			if name == "migrate" {
				return d.errorf(n, "remove retry; a migration that ended half-way is run again by a person", "a migration is never started again by itself")
			}
			return d.retry(n, &s.Retry)
		},
		"lock": func(n ast.Node) error {
			if err := d.oneOf(n, "lock", (*string)(&s.Lock), "stack", "environment", "none"); err != nil {
				return err
			}
			if s.Lock == "none" {
				s.Lock = ""
			}
			return nil
		},
		"wait": func(n ast.Node) error { return d.duration(n, "wait", &s.Wait) },
		"rollback": func(n ast.Node) error {
			s.Rollback = new(bool)
			return d.boolean(n, "rollback", s.Rollback)
		},
		"grace": func(n ast.Node) error { return d.duration(n, "grace", &s.Grace) },
	}
	for key, read := range known {
		known[key] = func(n ast.Node) error {
			o.line[key] = d.position(n).Line
			return read(n)
		}
	}
	return o, d.mapping(n, fmt.Sprintf("step %q", name), known)
}

// variables reads a mapping from variables to their values.
func (d *decoder) variables(n ast.Node, what string, to *map[string]string, check func(name, value string, n ast.Node) error) error {
	*to = map[string]string{}
	return d.entries(n, what, func(key string, keyNode, value ast.Node) error {
		if !variableName.MatchString(key) {
			return d.errorf(keyNode, "use letters, digits and underscores, not a digit first", "%q cannot be the name of a variable", key)
		}
		text, err := d.scalar(value, "the value of "+key)
		(*to)[key] = text
		if err != nil {
			return err
		}
		return check(key, text, value)
	})
}

// reference refuses a value where a reference belongs, without repeating it: the file is in everybody's checkout.
func (d *decoder) reference(name, value string, n ast.Node) error {
	if _, ok := reference.Parse(value, true); ok {
		return nil
	}
	e := d.errorf(n, "write an ARN, secretsmanager:NAME, ssm:/NAME or file:PATH; what is no secret belongs under environment", "the secret %s is no reference", name)
	var refused *FileError
	if errors.As(e, &refused) {
		refused.Source = ""
	}
	return e
}

func (d *decoder) artifact(n ast.Node) (Artifact, error) {
	a := Artifact{When: OnSuccess}
	err := d.mapping(n, "an artifact", fields{
		"name": func(n ast.Node) (err error) {
			if a.Name, err = d.scalar(n, "name"); err != nil {
				return err
			}
			if !kindName.MatchString(a.Name) || slices.Contains(reservedKinds, a.Name) {
				return d.errorf(n, "use lower-case letters, digits and dashes; "+strings.Join(reservedKinds, ", ")+" are taken", "%q cannot be the name of an artifact", a.Name)
			}
			return nil
		},
		"path": func(n ast.Node) error { return d.localPath(n, "path", &a.Path) },
		"when": func(n ast.Node) error { return d.oneOf(n, "when", (*string)(&a.When), "always", "success", "failure") },
		"mirror": func(n ast.Node) error {
			return d.oneOf(n, "mirror", &a.Mirror, "latest")
		},
		"optional": func(n ast.Node) error { return d.boolean(n, "optional", &a.Optional) },
		"redact": func(n ast.Node) error {
			a.Redact = new(bool)
			return d.boolean(n, "redact", a.Redact)
		},
	})
	if err == nil && (a.Name == "" || a.Path == "") {
		err = d.errorf(n, "write { name: coverage, path: coverage }", "an artifact needs a name and a path")
	}
	return a, err
}

func (d *decoder) retry(n ast.Node, r *Retry) error {
	r.Attempts, r.On = 1, retryDefault
	return d.mapping(n, "retry", fields{
		"attempts": func(n ast.Node) error {
			text, err := d.scalar(n, "attempts")
			if err != nil {
				return err
			}
			if r.Attempts, err = strconv.Atoi(text); err != nil || r.Attempts < 0 || r.Attempts > 10 {
				return d.errorf(n, "write a whole number from 0 to 10", "attempts cannot be %s", text)
			}
			return nil
		},
		"on": func(n ast.Node) error {
			r.On = nil
			return d.sequence(n, "on", func(n ast.Node) error {
				var reason string
				if err := d.oneOf(n, "a reason to retry", &reason, retryReasons...); err != nil {
					return err
				}
				r.On = append(r.On, reason)
				return nil
			})
		},
	})
}

func (d *decoder) command(n ast.Node, what string, c *Command) error {
	*c = Command{} // a merge key may have brought one of the other form
	if _, isList := d.resolve(n).(*ast.SequenceNode); isList {
		err := d.sequence(n, what, func(n ast.Node) error {
			arg, err := d.scalar(n, "an argument")
			c.Args = append(c.Args, arg)
			return err
		})
		if err == nil && (len(c.Args) == 0 || c.Args[0] == "") {
			err = d.errorf(n, "write a line for sh, or a list such as [pnpm, lint]", "%s is empty", what)
		}
		return err
	}
	text, err := d.scalar(n, what)
	if err != nil {
		return err
	}
	if c.Shell = strings.TrimSpace(text); c.Shell == "" {
		return d.errorf(n, "write a line for sh, or a list such as [pnpm, lint]", "%s is empty", what)
	}
	return nil
}

func (d *decoder) duration(n ast.Node, what string, to *time.Duration) error {
	text, err := d.scalar(n, what)
	if err != nil {
		return err
	}
	if *to, err = time.ParseDuration(text); err != nil || *to <= 0 {
		return d.errorf(n, "write a duration such as 90s, 15m or 1h30m", "%s cannot be %q", what, text)
	}
	return nil
}

func (d *decoder) localPath(n ast.Node, what string, to *string) error {
	text, err := d.scalar(n, what)
	if err != nil {
		return err
	}
	if text == "" || !filepath.IsLocal(filepath.FromSlash(text)) {
		return d.errorf(n, "write a path inside the workspace, relative to it", "%s cannot be %q", what, text)
	}
	*to = path.Clean(text)
	return nil
}

func (d *decoder) globs(n ast.Node, to *[]string) error {
	*to = []string{}
	return d.sequence(n, "reports", func(n ast.Node) error {
		glob, err := d.scalar(n, "a glob")
		if err != nil {
			return err
		}
		if !doublestar.ValidatePattern(glob) || glob == "" || strings.HasPrefix(glob, "/") || slices.Contains(strings.Split(glob, "/"), "..") {
			return d.errorf(n, `write a pattern inside the workspace such as "**/junit-*.xml"`, "reports cannot be %q", glob)
		}
		*to = append(*to, glob)
		return nil
	})
}

func (d *decoder) names(n ast.Node, what string, valid *regexp.Regexp, to *[]string) error {
	*to = []string{}
	return d.sequence(n, what, func(n ast.Node) error {
		name, err := d.scalar(n, "a name")
		if err != nil {
			return err
		}
		if !valid.MatchString(name) {
			return d.errorf(n, "", "%q cannot stand in %s", name, what)
		}
		*to = append(*to, name)
		return nil
	})
}

// over lays what the file says over a step.
func (o override) over(s Step, file string) Step {
	origin := maps.Clone(s.Origin)
	if _, same := o.line["command"]; same && origin["rerun"] == builtIn {
		s.Rerun = Rerun{} // it is that of another command
	}
	for key, line := range o.line {
		origin[key] = fmt.Sprintf("%s:%d", file, line)
		switch key {
		case "command":
			s.Command = o.step.Command
		case "directory":
			s.Directory = o.step.Directory
		case "timeout":
			s.Timeout = o.step.Timeout
		case "environment":
			s.Environment = o.step.Environment
		case "secrets":
			s.Secrets = o.step.Secrets
		case "required":
			s.Required = append(s.Required[:len(s.Required):len(s.Required)], o.step.Required...)
		case "reports":
			s.Reports = o.step.Reports
		case "artifacts":
			s.Artifacts = o.step.Artifacts
		case "retry":
			s.Retry = o.step.Retry
		case "needs":
			s.Needs = o.step.Needs
		case "fetch":
			s.Fetch = o.step.Fetch
		case "verify":
			s.Verify = o.step.Verify
		case "before":
			s.Hooks.Before = o.step.Hooks.Before
		case "after":
			s.Hooks.After = o.step.Hooks.After
		case "on_failure":
			s.Hooks.OnFailure = o.step.Hooks.OnFailure
		case "rerun":
			s.Rerun = o.step.Rerun
		case "quarantine":
			s.Quarantine = o.step.Quarantine
		case "coverage":
			s.Coverage = o.step.Coverage
		case "lock":
			s.Lock = o.step.Lock
		case "wait":
			s.Wait = o.step.Wait
		case "rollback":
			s.Rollback = o.step.Rollback
		case "grace":
			s.Grace = o.step.Grace
		}
	}
	s.Origin = origin
	return s
}

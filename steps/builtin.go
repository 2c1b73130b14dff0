package steps

import (
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/goccy/go-yaml/ast"
)

// The origins of settings that are not of the file.
const (
	FromBuiltIn = "built-in" // of a built-in step
	byRule      = "default"
)

// PackageManager is the one whose lockfile the workspace has: "pnpm", "npm" or "yarn"; pnpm if there is none.
func PackageManager(workspace string) string {
	for _, m := range []struct{ lockfile, name string }{
		{"pnpm-lock.yaml", "pnpm"},
		{"package-lock.json", "npm"},
		{"npm-shrinkwrap.json", "npm"},
		{"yarn.lock", "yarn"},
	} {
		if _, err := os.Stat(filepath.Join(workspace, m.lockfile)); err == nil {
			return m.name
		}
	}
	return "pnpm"
}

// BuiltIn returns the names of the steps that every workspace has.
func BuiltIn() []string { return []string{"build", "test", "deploy", "migrate"} }

// builtins are the steps of every workspace.
func builtins(packageManager string) []Step {
	// npm keeps flags after the name of a script unless they follow "--"; pnpm and yarn pass them on, and pnpm 10 and
	// later pass a "--" on as well, which jest would take for the end of its options.
	separator := ""
	if packageManager == "npm" {
		separator = "-- "
	}
	return []Step{
		{
			Name:      "build",
			Command:   Command{Line: packageManager + " run build"},
			Artifacts: []Artifact{{Name: "builds", Path: "dist", When: OnSuccess}},
		},
		{
			Name: "test",
			Command: Command{
				Line: packageManager + " run test " + separator + "--ci --reporters=default --reporters=jest-junit",
			},
			Reports: []string{"junit.xml", "**/junit-*.xml"},
			// Not every test run measures coverage: its absence is not a failure.
			Artifacts: []Artifact{{Name: "coverage", Path: "coverage", When: Always, Mirror: "latest", Optional: true}},
			// By path: jest takes other arguments for patterns. Without coverage, whose thresholds a few files cannot
			// meet.
			Rerun: Rerun{
				Command: Command{
					Line: packageManager + " run test " + separator + "--ci --reporters=default --reporters=jest-junit " +
						"--coverage=false --runTestsByPath {files}",
				},
				Attempts: usualAttempts,
				AtMost:   usualAtMost,
			},
		},
		{
			Name: "deploy",
			Command: Command{
				Line: `carlin deploy --environment "$ENVIRONMENT" ${STACK_NAME:+--stack-name "$STACK_NAME"}`,
			},
			Required: []string{"ENVIRONMENT"},
			Lock:     LockStack,
		},
		{
			Name:     "migrate",
			Command:  Command{Line: "node scripts/migrate.js"},
			Required: []string{"ENVIRONMENT"},
			Lock:     LockEnvironment,
		},
	}
}

// Catalogue are the steps of a workspace.
type Catalogue struct {
	steps    []Step
	setup    Setup
	pipeline Pipeline
	image    ClusterImage
}

// Setup is the command that installs the dependencies of the workspace.
func (c Catalogue) Setup() Setup { return c.setup }

// Pipeline is the order of the steps on the cluster; empty if runner.yaml has none.
func (c Catalogue) Pipeline() Pipeline { return c.pipeline }

// Image is how the image of the steps is built.
func (c Catalogue) Image() ClusterImage { return c.image }

// Collect applies the file to the built-in steps. The file may be nil.
func Collect(workspace string, file *File) Catalogue {
	if file == nil {
		file = &File{}
	}
	d := decoder{path: file.Path}
	c := collect(workspace, file.Steps, d.origin)
	for i := range c.steps {
		c.steps[i].Checkout = c.steps[i].Checkout.Or(file.Checkout)
	}
	c.setup, c.pipeline, c.image = defaultSetup(workspace), file.Pipeline, file.Cluster.Image
	if file.Setup != nil {
		c.setup = *file.Setup
	}
	return c
}

// stepKeys are the names of the keys of a step. They are not changed.
var stepKeys = sync.OnceValue(func() []string { return stepObject().declared().names().known })

func collect(workspace string, overrides []override, origin func(ast.Node) string) Catalogue {
	var all []Step
	known := stepKeys()
	for _, s := range builtins(PackageManager(workspace)) {
		s.Origin = map[string]string{}
		for _, name := range known {
			s.Origin[name] = FromBuiltIn
		}
		all = append(all, s)
	}
	for _, o := range overrides {
		i := slices.IndexFunc(all, func(s Step) bool { return s.Name == o.name })
		if i < 0 {
			i = len(all)
			all = append(all, Step{Name: o.name, Origin: map[string]string{}})
		}
		all[i] = o.apply(all[i], origin)
	}
	for i := range all {
		all[i].finish()
	}
	return Catalogue{steps: all}
}

// All returns the steps, the built-in ones first, then the file's in its order.
func (c Catalogue) All() []Step { return c.steps }

// Names returns the steps' names in the same order.
func (c Catalogue) Names() []string {
	names := make([]string, len(c.steps))
	for i, s := range c.steps {
		names[i] = s.Name
	}
	return names
}

// Find returns the step of that name, or an *UnknownError.
func (c Catalogue) Find(name string) (Step, error) {
	for _, s := range c.steps {
		if s.Name == name {
			return s, nil
		}
	}
	return Step{}, &UnknownError{Name: name, Known: c.Names()}
}

// ArtifactPath returns the folder of the workspace that a kind of artifact is in, and whether any step makes that kind.
func (c Catalogue) ArtifactPath(kind string) (string, bool) {
	for _, s := range c.steps {
		for _, a := range s.Artifacts {
			if a.Name == kind {
				return filepath.Join(s.Directory, a.Path), true
			}
		}
	}
	return "", false
}

// Publishers returns the steps that publish artifacts of a kind.
func (c Catalogue) Publishers(kind string) (publishers []string) {
	for _, s := range c.steps {
		if slices.ContainsFunc(s.Artifacts, func(a Artifact) bool { return a.Name == kind }) {
			publishers = append(publishers, s.Name)
		}
	}
	return publishers
}

// kinds are the kinds of artifacts that the steps make.
func (c Catalogue) kinds() []string {
	var kinds []string
	for _, s := range c.steps {
		for _, a := range s.Artifacts {
			if !slices.Contains(kinds, a.Name) {
				kinds = append(kinds, a.Name)
			}
		}
	}
	return kinds
}

// finish fills in what follows from the other settings of a step.
func (s *Step) finish() {
	if s.Directory == "" {
		s.Directory, s.Origin["directory"] = ".", byRule
	}
	for _, list := range [][]Command{s.Hooks.Before, s.Hooks.After, s.Hooks.OnFailure} {
		for i := range list {
			list[i].Shell = s.Shell
		}
	}
	for i := range s.Services {
		service := &s.Services[i]
		service.Command.Shell, service.Setup.Shell, service.Ready.Command.Shell = s.Shell, s.Shell, s.Shell
	}
	s.Command.Shell, s.Verify.Shell, s.Rerun.Command.Shell = s.Shell, s.Shell, s.Shell
	s.Split.List.Shell, s.Split.Run.Shell = s.Shell, s.Shell
	s.finishLock()
}

// finishLock sets what a lock requires.
func (s *Step) finishLock() {
	if s.Lock == lockNone {
		s.Lock = ""
	}
	if s.Rollback != nil && *s.Rollback && s.Lock == "" {
		s.Lock, s.Origin["lock"] = LockStack, s.Origin["rollback"]
	}
	if len(s.Stacks) > 0 && s.Lock == "" {
		s.Lock, s.Origin["lock"] = LockStack, s.Origin["stacks"]
	}
	if s.Lock == "" {
		return
	}
	if s.Wait == 0 {
		s.Wait, s.Origin["wait"] = DefaultWait, byRule
	}
	if !slices.Contains(s.Required, "ENVIRONMENT") {
		s.Required = append(slices.Clone(s.Required), "ENVIRONMENT")
	}
	if s.Lock == LockEnvironment { // a person has to look at what stopped half-way before it is run again
		s.Retry = Retry{}
	}
}

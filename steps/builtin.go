package steps

import (
	"os"
	"path/filepath"
	"slices"
)

const (
	builtIn = "built-in"
	byRule  = "default"
)

// PackageManager is the one whose lockfile the workspace has: "pnpm", "npm" or "yarn"; pnpm where there is none.
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

// builtins are the four steps that every pipeline has.
func builtins(packageManager string) []Step {
	// npm keeps flags after a script's name for itself unless they follow "--"; pnpm and yarn hand them on,
	// and pnpm 10 and later hand a "--" on as well, which jest would take for the end of its options.
	separator := ""
	if packageManager == "npm" {
		separator = "-- "
	}
	return []Step{
		{
			Name:      "build",
			Command:   Command{Shell: packageManager + " run build"},
			Artifacts: []Artifact{{Name: "builds", Path: "dist", When: OnSuccess}},
		},
		{
			Name:    "test",
			Command: Command{Shell: packageManager + " run test " + separator + "--ci --reporters=default --reporters=jest-junit"},
			Reports: []string{"junit.xml", "**/junit-*.xml"},
			// Not every test run measures coverage, so its absence is no failure.
			Artifacts: []Artifact{{Name: "coverage", Path: "coverage", When: Always, Mirror: "latest", Optional: true}},
			// By path, since jest takes other arguments for patterns; without coverage, whose thresholds a few files cannot meet.
			Rerun: Rerun{
				Command:  Command{Shell: packageManager + " run test " + separator + "--ci --reporters=default --reporters=jest-junit --coverage=false --runTestsByPath {files}"},
				Attempts: usualAttempts, AtMost: usualAtMost,
			},
		},
		{
			Name:     "deploy",
			Command:  Command{Shell: `carlin deploy --environment "$ENVIRONMENT" ${STACK_NAME:+--stack-name "$STACK_NAME"}`},
			Required: []string{"ENVIRONMENT"},
			Lock:     LockStack,
		},
		{
			Name:     "migrate",
			Command:  Command{Shell: "node scripts/migrate.js"},
			Required: []string{"ENVIRONMENT"},
			Lock:     LockEnvironment,
		},
	}
}

// Catalogue is every step that a workspace knows.
type Catalogue struct {
	steps []Step
	setup Setup
}

// Setup is what makes the workspace ready.
func (c Catalogue) Setup() Setup { return c.setup }

// Collect lays the file's steps over the built-in ones. The file may be nil.
func Collect(workspace string, file *File) Catalogue {
	var all []Step
	for _, s := range builtins(PackageManager(workspace)) {
		s.Origin = map[string]string{}
		for _, key := range stepKeys {
			s.Origin[key] = builtIn
		}
		all = append(all, s)
	}
	if file != nil {
		for _, o := range file.Steps {
			i := slices.IndexFunc(all, func(s Step) bool { return s.Name == o.name })
			if i < 0 {
				all = append(all, Step{Name: o.name, Origin: map[string]string{}})
				i = len(all) - 1
			}
			all[i] = o.over(all[i], filepath.Base(file.Path))
		}
	}
	for i := range all {
		all[i].settleLock()
		if all[i].Directory == "" {
			all[i].Directory, all[i].Origin["directory"] = ".", byRule
		}
	}
	setup := defaultSetup(workspace)
	if file != nil && file.Setup != nil {
		setup = *file.Setup
	}
	return Catalogue{steps: all, setup: setup}
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

// ArtifactPath returns where in the workspace artifacts of a kind live, and whether any step makes that kind.
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

// settleLock gives a step that locks something what goes with it.
func (s *Step) settleLock() {
	if s.Rollback != nil && *s.Rollback && s.Lock == "" {
		s.Lock, s.Origin["lock"] = LockStack, s.Origin["rollback"]
	}
	if s.Lock == "" {
		return
	}
	if s.Wait == 0 {
		s.Wait, s.Origin["wait"] = DefaultWait, byRule
	}
	if !slices.Contains(s.Required, "ENVIRONMENT") {
		s.Required = append(s.Required[:len(s.Required):len(s.Required)], "ENVIRONMENT")
	}
	if s.Lock == LockEnvironment { // what has run half-way is not to be run again before somebody has looked
		s.Retry = Retry{}
	}
}

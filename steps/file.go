package steps

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/goccy/go-yaml/ast"
)

// FileName is the name of the file in which a workspace keeps its steps.
const FileName = "runner.yaml"

// File is a valid runner.yaml.
type File struct {
	Path     string
	Setup    *Setup // nil for the default
	Checkout Checkout
	Pipeline Pipeline
	Cluster  Cluster
	Steps    []override
}

// override is what the file has for one step. Keys that it leaves out keep their built-in or default value.
type override struct {
	name   string
	place  ast.Node // of the name
	step   Step
	values map[string]ast.Node // of the keys that are set
}

// Load reads runner.yaml. The error is a *FileError; use LoadDefault for a file that may be missing.
func Load(name string) (*File, error) {
	source, err := os.ReadFile(name)
	if err != nil {
		if path := (*fs.PathError)(nil); errors.As(err, &path) {
			err = path.Err
		}
		return nil, &FileError{
			Path: name, Message: fmt.Sprintf("cannot be read: %v", err),
			Advice: "create it, or set --config (RUNNER_CONFIG) to the right file",
		}
	}
	return Parse(name, source)
}

// LoadDefault reads the runner.yaml of a workspace. It returns nil if there is none.
func LoadDefault(workspace string) (*File, error) {
	name := filepath.Join(workspace, FileName)
	if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return Load(name)
}

// document is the top level of the file while it is read.
type document struct {
	version  string
	schema   string
	setup    *Setup
	checkout Checkout
	pipeline Pipeline
	order    ast.Node // of the pipeline
	cluster  Cluster
	steps    []override
}

// Parse reads the text of a runner.yaml. The error is a *FileError.
func Parse(name string, source []byte) (*File, error) {
	source = bytes.TrimPrefix(source, []byte("\uFEFF"))
	d := &decoder{path: name, lines: strings.Split(string(source), "\n"), anchors: map[string]ast.Node{}}
	root, err := d.parse(source)
	if err != nil {
		return nil, err
	}
	var doc document
	note := func(name string, value ast.Node) {
		if name == "pipeline" {
			doc.order = value
		}
	}
	if err := theDocument().read(d, root, "the top level", &doc, note); err != nil {
		return nil, err
	}
	if doc.version == "" {
		return nil, &FileError{Path: name, Message: "version is missing", Advice: "begin the file with version: 1"}
	}
	if err := checkSteps(d, doc.steps); err != nil {
		return nil, err
	}
	if err := checkPipeline(d, doc.order, doc.pipeline, collect("", doc.steps, d.origin)); err != nil {
		return nil, err
	}
	return &File{
		Path: name, Setup: doc.setup, Checkout: doc.checkout, Pipeline: doc.pipeline, Cluster: doc.cluster,
		Steps: doc.steps,
	}, nil
}

// theDocument is made once, as a run reads its file more than once. It is not changed.
var theDocument = sync.OnceValue(documentObject)

// documentObject are the keys of the top level.
func documentObject() object[document] {
	setup := kind[*Setup]{
		schema: setupKind().schema,
		read: func(d *decoder, n ast.Node, what string, to **Setup) error {
			*to = &Setup{}
			return setupKind().read(d, n, what, *to)
		},
	}
	return object[document]{keys: []key[document]{
		newKey(
			"$schema",
			"Where editors find this schema; the runner ignores it.",
			text(),
			func(d *document) *string { return &d.schema },
		),
		newKey("version", "The version of the format.", version(), func(d *document) *string { return &d.version }),
		newKey(
			"setup",
			"Installs the dependencies of a commit that differ from those of the image; "+
				"by default what the lockfile calls for. "+
				"false: nothing.",
			setup,
			func(d *document) **Setup { return &d.setup },
		),
		newKey("checkout", "How much of the repository the steps get.", checkoutObject().kind().ref("checkout"),
			func(d *document) *Checkout { return &d.checkout }),
		newKey("pipeline", "The order of the steps on the cluster: stages that run one after the other.", pipelineKind(),
			func(d *document) *Pipeline { return &d.pipeline }).alias("stages", "jobs", "workflow"),
		newKey("cluster", "What runner cluster deploys.", clusterObject().kind().ref("cluster"),
			func(d *document) *Cluster { return &d.cluster }),
		newKey(
			"steps",
			"Overrides of the built-in steps (build, test, deploy, migrate) and steps of your own.",
			stepsKind(),
			func(d *document) *[]override { return &d.steps },
		),
	}}
}

// stepsKind are the steps by their names.
func stepsKind() kind[[]override] {
	return kind[[]override]{
		schema: stepsSchema(),
		read: func(d *decoder, n ast.Node, what string, to *[]override) error {
			*to = nil
			return d.entries(n, what, func(name string, keyNode, value ast.Node) error {
				if !stepName.MatchString(name) {
					return d.invalid(
						keyNode,
						"name of a step",
						name,
						"use lower-case letters, digits, dots, dashes and underscores",
					)
				}
				o := override{name: name, place: keyNode, values: map[string]ast.Node{}}
				set := func(key string, value ast.Node) { o.values[key] = value }
				if err := stepObject().read(d, value, fmt.Sprintf("step %q", name), &o.step, set); err != nil {
					return err
				}
				*to = append(
					slices.DeleteFunc(*to, func(o override) bool { return o.name == name }),
					o,
				) // else of a merge key
				return nil
			})
		},
	}
}

// checkSteps refuses what only all steps together show to be wrong.
func checkSteps(d *decoder, all []override) error {
	known := collect("", all, d.origin)
	for _, o := range all {
		for _, check := range []func(*decoder, override, Catalogue) error{checkKeys, checkNeeds, checkFetch} {
			if err := check(d, o, known); err != nil {
				return err
			}
		}
	}
	return checkCycles(d, all, known)
}

// checkKeys refuses keys that are missing, or not allowed in this step.
func checkKeys(d *decoder, o override, _ Catalogue) error {
	has := func(key string) bool { return o.values[key] != nil }
	switch {
	case !has("command") && !isBuiltin(o.name):
		return d.errorf(o.place, "add a command: line to it", "step %q has no command", o.name)
	case o.name == "migrate" && has("retry"):
		return d.errorf(
			o.values["retry"],
			"remove retry: a person has to look at a migration that stopped half-way",
			"migrate cannot be retried",
		)
	case o.name == "test" || has("reports"):
		return nil
	}
	for _, key := range []string{"rerun", "quarantine"} {
		if has(key) {
			return d.errorf(
				o.values[key],
				"add reports: with the globs of its JUnit files",
				"step %q has %s but no reports",
				o.name,
				key,
			)
		}
	}
	return nil
}

func checkNeeds(d *decoder, o override, known Catalogue) error {
	for i, need := range o.step.Needs {
		place := d.item(o.values["needs"], i)
		if need == o.name {
			return d.errorf(place, "remove it", "step %q needs itself", need)
		}
		if _, err := known.Find(need); err != nil {
			return d.errorf(
				place,
				suggestion(need, "the steps are", known.Names()),
				"step %q needs %q, which is not a step",
				o.name,
				need,
			)
		}
	}
	return nil
}

func checkFetch(d *decoder, o override, known Catalogue) error {
	for i, fetched := range o.step.Fetch {
		if _, ok := known.ArtifactPath(fetched); !ok {
			return d.errorf(d.item(o.values["fetch"], i), suggestion(fetched, "the artifacts are", known.kinds()),
				"step %q fetches %q, which no step publishes", o.name, fetched)
		}
	}
	return nil
}

// checkCycles refuses steps that need each other: none could ever run.
func checkCycles(d *decoder, all []override, known Catalogue) error {
	done := map[string]bool{}
	var visit func(name string, path []string) []string
	visit = func(name string, path []string) []string {
		if i := slices.Index(path, name); i >= 0 {
			return append(path[i:], name)
		}
		if done[name] {
			return nil
		}
		step, _ := known.Find(name)
		for _, need := range step.Needs {
			if cycle := visit(need, append(path, name)); cycle != nil {
				return cycle
			}
		}
		done[name] = true
		return nil
	}
	for _, o := range all {
		if cycle := visit(o.name, nil); cycle != nil {
			return d.errorf(
				o.values["needs"],
				"remove one of them",
				"steps need each other: %s",
				strings.Join(cycle, " → "),
			)
		}
	}
	return nil
}

// suggestion is a hint for a name that is not known.
func suggestion(name, heading string, known []string) string {
	hint := heading + " " + strings.Join(known, ", ")
	if len(known) == 0 {
		hint = "there are none"
	}
	if near := Nearest(name, known); near != "" {
		return "did you mean " + near + "? " + hint
	}
	return hint
}

func isBuiltin(name string) bool {
	return slices.ContainsFunc(builtins("pnpm"), func(s Step) bool { return s.Name == name })
}

// apply sets what the file has for a step.
func (o override) apply(s Step, origin func(ast.Node) string) Step {
	s.Origin = maps.Clone(s.Origin)
	if o.values["command"] != nil && s.Origin["rerun"] == FromBuiltIn {
		s.Rerun = Rerun{} // it belongs to another command
	}
	for _, k := range stepObject().keys {
		if value := o.values[k.name]; value != nil {
			k.copy(&s, &o.step)
			s.Origin[k.name] = origin(value)
		}
	}
	return s
}

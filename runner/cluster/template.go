package cluster

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/goccy/go-yaml"

	"github.com/carlin-cicd/runner/infra"
)

// The templates, by the names of their files.
const (
	baseTemplate        = "base.yaml"
	pipelineTemplate    = "cicd.yaml"
	environmentTemplate = "environment.yaml"
	targetTemplate      = "target.yaml"
	webhookTemplate     = "webhook.yaml"
)

// Template is one of the templates of infra.
type Template struct {
	Name string
	Text string

	Parameters map[string]Parameter      `yaml:"Parameters"`
	Conditions map[string]any            `yaml:"Conditions"`
	Mappings   map[string]map[string]any `yaml:"Mappings"`
	Resources  map[string]Resource       `yaml:"Resources"`
	Outputs    map[string]any            `yaml:"Outputs"`
}

// Parameter is a parameter of a template.
type Parameter struct {
	Type    string `yaml:"Type"`
	Default any    `yaml:"Default"`
	NoEcho  bool   `yaml:"NoEcho"`
}

// Required reports whether the parameter has no default.
func (p Parameter) Required() bool { return p.Default == nil }

// Resource is a resource of a template.
type Resource struct {
	Type       string         `yaml:"Type"`
	Condition  string         `yaml:"Condition"`
	Properties map[string]any `yaml:"Properties"`
}

// LoadTemplate returns one of the embedded templates, which must not be changed: it is read once. It fails only if the
// program was built wrong.
func LoadTemplate(name string) (*Template, error) {
	if load, ok := loaders[name]; ok {
		return load()
	}
	return nil, fmt.Errorf("there is no template %s in this program", name)
}

// loaders read the templates when they are first asked for.
var loaders = map[string]func() (*Template, error){
	baseTemplate: loader(baseTemplate), pipelineTemplate: loader(pipelineTemplate),
	environmentTemplate: loader(environmentTemplate), targetTemplate: loader(targetTemplate), webhookTemplate: loader(webhookTemplate),
}

func loader(name string) func() (*Template, error) {
	return sync.OnceValues(func() (*Template, error) {
		t := &Template{Name: name, Text: infra.Template(name)}
		if err := yaml.Unmarshal([]byte(t.Text), t); err != nil {
			return nil, fmt.Errorf("the template %s cannot be read: %w", name, err)
		}
		return t, nil
	})
}

// takes returns those of the values that the template has parameters for.
func (t *Template) takes(values map[string]string) map[string]string {
	taken := map[string]string{}
	for name, value := range values {
		if _, ok := t.Parameters[name]; ok {
			taken[name] = value
		}
	}
	return taken
}

// missing returns the parameters without a default that have no value, sorted.
func (t *Template) missing(values map[string]string) []string {
	var names []string
	for name, p := range t.Parameters {
		if _, ok := values[name]; !ok && p.Required() {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Count is how many resources of a type there are.
type Count struct {
	Type   string `json:"type"`
	Number int    `json:"number"`
}

// resources returns the resources that a stack with these parameters would have, by their logical ids.
func (t *Template) resources(values map[string]string, region string) map[string]Resource {
	e := evaluation{t, values, region}
	found := map[string]Resource{}
	for id, r := range t.Resources {
		if r.Condition == "" || e.condition(r.Condition) {
			found[id] = r
		}
	}
	return found
}

// countByType counts resources by their types, the most frequent first.
func countByType(resources map[string]Resource) []Count {
	numbers := map[string]int{}
	for _, r := range resources {
		numbers[r.Type]++
	}
	var counts []Count
	for _, name := range slices.Sorted(maps.Keys(numbers)) {
		counts = append(counts, Count{name, numbers[name]})
	}
	sort.SliceStable(counts, func(i, j int) bool { return counts[i].Number > counts[j].Number })
	return counts
}

// evaluation evaluates the conditions of a template, as far as ours use the functions of CloudFormation.
type evaluation struct {
	template *Template
	values   map[string]string
	region   string
}

func (e evaluation) condition(name string) bool { return e.truth(e.template.Conditions[name]) }

// truth evaluates a function that is true or false.
func (e evaluation) truth(v any) bool {
	name, argument := function(v)
	arguments, _ := argument.([]any)
	switch name {
	case "Condition":
		return e.condition(fmt.Sprint(argument))
	case "Fn::Not":
		return len(arguments) == 1 && !e.truth(arguments[0])
	case "Fn::And":
		return !slices.ContainsFunc(arguments, func(v any) bool { return !e.truth(v) })
	case "Fn::Or":
		return slices.ContainsFunc(arguments, e.truth)
	case "Fn::Equals":
		return len(arguments) == 2 && e.text(arguments[0]) == e.text(arguments[1])
	}
	return false
}

// text evaluates a value; the members of a list are joined by commas.
func (e evaluation) text(v any) string {
	name, argument := function(v)
	arguments, _ := argument.([]any)
	switch name {
	case "Ref":
		return e.ref(fmt.Sprint(argument))
	case "Fn::Join":
		if len(arguments) == 2 {
			return strings.ReplaceAll(e.text(arguments[1]), ",", e.text(arguments[0]))
		}
	case "Fn::Select":
		return e.selected(arguments)
	case "Fn::Split":
		if len(arguments) == 2 {
			return strings.ReplaceAll(e.text(arguments[1]), e.text(arguments[0]), ",")
		}
	}
	if list, ok := v.([]any); ok {
		var members []string
		for _, member := range list {
			members = append(members, e.text(member))
		}
		return strings.Join(members, ",")
	}
	return fmt.Sprint(v)
}

// selected evaluates Fn::Select.
func (e evaluation) selected(arguments []any) string {
	if len(arguments) != 2 {
		return ""
	}
	var index int
	if _, err := fmt.Sscan(e.text(arguments[0]), &index); err != nil {
		return ""
	}
	members := strings.Split(e.text(arguments[1]), ",")
	if index < 0 || index >= len(members) {
		return ""
	}
	return members[index]
}

func (e evaluation) ref(name string) string {
	if name == "AWS::Region" {
		return e.region
	}
	if value, ok := e.values[name]; ok {
		return value
	}
	if p, ok := e.template.Parameters[name]; ok && p.Default != nil {
		return fmt.Sprint(p.Default)
	}
	return ""
}

// function returns the name and the argument of a mapping with one key.
func function(v any) (name string, argument any) {
	if m, ok := v.(map[string]any); ok && len(m) == 1 {
		for name, argument = range m {
			return name, argument
		}
	}
	return "", nil
}

package steps

import (
	"bytes"
	"encoding/json"
	"sync"
)

// Schema returns the JSON Schema (draft 2020-12) of runner.yaml.
func Schema() []byte { return schemaText() }

var schemaText = sync.OnceValue(func() []byte {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(rootSchema()); err != nil {
		panic(err) // the declarations are constant
	}
	return text.Bytes()
})

// schema is a JSON Schema. Its fields are in the order in which they are written.
type schema struct {
	Schema      string `json:"$schema,omitempty"`
	ID          string `json:"$id,omitempty"`
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`

	Ref       string   `json:"$ref,omitempty"`
	Type      any      `json:"type,omitempty"` // a name or a list of names
	Const     any      `json:"const,omitempty"`
	Enum      []any    `json:"enum,omitempty"`
	Pattern   string   `json:"pattern,omitempty"`
	Format    string   `json:"format,omitempty"`
	MinLength int      `json:"minLength,omitempty"`
	Minimum   *float64 `json:"minimum,omitempty"`
	Maximum   *float64 `json:"maximum,omitempty"`

	Items       *schema  `json:"items,omitempty"`
	PrefixItems []schema `json:"prefixItems,omitempty"`
	MinItems    int      `json:"minItems,omitempty"`
	MaxItems    int      `json:"maxItems,omitempty"`
	Contains    *schema  `json:"contains,omitempty"`

	Properties           properties          `json:"properties,omitempty"`
	PropertyNames        *schema             `json:"propertyNames,omitempty"`
	AdditionalProperties any                 `json:"additionalProperties,omitempty"` // false or a schema
	Required             []string            `json:"required,omitempty"`
	DependentRequired    map[string][]string `json:"dependentRequired,omitempty"`

	AllOf []schema `json:"allOf,omitempty"`
	AnyOf []schema `json:"anyOf,omitempty"`
	OneOf []schema `json:"oneOf,omitempty"`
	Not   *schema  `json:"not,omitempty"`

	Default  any   `json:"default,omitempty"`
	Examples []any `json:"examples,omitempty"`

	Defs properties `json:"$defs,omitempty"`
}

// properties are named schemas in the order of their declaration.
type properties []property

type property struct {
	name   string
	schema schema
}

// MarshalJSON writes an object.
func (p properties) MarshalJSON() ([]byte, error) {
	var text bytes.Buffer
	for i, property := range p {
		text.WriteByte("{,"[min(i, 1)])
		name, err := json.Marshal(property.name)
		if err != nil {
			return nil, err
		}
		text.Write(name)
		text.WriteByte(':')
		e := json.NewEncoder(&text)
		e.SetEscapeHTML(false)
		if err := e.Encode(property.schema); err != nil {
			return nil, err
		}
	}
	text.WriteByte('}')
	return text.Bytes(), nil
}

// rootSchema is the schema of the whole file.
func rootSchema() schema {
	root := documentObject().kind().schema
	root.Schema = "https://json-schema.org/draft/2020-12/schema"
	root.ID = "https://github.com/carlin-cicd/runner/steps/schema.json"
	root.Title, root.Description = "runner.yaml", "The steps of a workspace, for carlin-cicd runner."
	root.Required = []string{"version"}
	command := command()
	root.Defs = properties{
		{"step", stepObject().kind().schema},
		{"command", command.schema},
		{"hook", hook(command.ref("command")).schema},
		{"checkout", checkoutObject().kind().schema},
		{"cluster", clusterObject().kind().schema},
	}
	return root
}

// stepsSchema has a step for each built-in one, with what is special to it, and one for all others.
func stepsSchema() schema {
	step := schema{Ref: "#/$defs/step"}
	merged := schema{Required: []string{"<<"}} // a merge key may bring what is required
	reports := schema{
		AnyOf: []schema{
			{DependentRequired: map[string][]string{"rerun": {"reports"}, "quarantine": {"reports"}}},
			merged,
		},
	}
	own := schema{AnyOf: []schema{{Required: []string{"command"}}, merged}}
	special := map[string][]schema{
		"test":    {step},
		"migrate": {step, reports, {Not: &schema{Required: []string{"retry"}}}},
	}
	s := schema{Type: "object", PropertyNames: &schema{AnyOf: []schema{{Pattern: stepName.String()}, {Const: "<<"}}}}
	for _, b := range builtins("pnpm") {
		all := special[b.Name]
		if all == nil {
			all = []schema{step, reports}
		}
		s.Properties = append(s.Properties, property{b.Name, schema{AllOf: all}})
	}
	s.Properties = append(s.Properties, property{"<<", schema{Description: mergeKey}})
	s.AdditionalProperties = schema{AllOf: []schema{step, reports, own}}
	return s
}

package steps

import "github.com/goccy/go-yaml/ast"

// The keys of runner.yaml are declared once. A kind holds how a value is read and what the JSON Schema says of it, side
// by side, and an object is a list of keys with their kinds: the parser and the schema are made from the same
// declarations (declarations.go).

// kind is a kind of value of runner.yaml.
type kind[T any] struct {
	schema schema
	read   func(d *decoder, n ast.Node, what string, to *T) error
}

// key is a key of a mapping that is read into S.
type key[S any] struct {
	name     string
	schema   schema
	synonyms []string // what other tools call it
	read     func(d *decoder, n ast.Node, to *S) error
	copy     func(to, from *S)
}

// newKey declares a key. at returns the field that it is read into.
func newKey[S, T any](name, about string, k kind[T], at func(*S) *T) key[S] {
	s := k.schema
	s.Description = about
	return key[S]{
		name: name, schema: s,
		read: func(d *decoder, n ast.Node, to *S) error { return k.read(d, n, name, at(to)) },
		copy: func(to, from *S) { *at(to) = *at(from) },
	}
}

// otherwise declares the default, for the schema.
func (k key[S]) otherwise(value any) key[S] {
	k.schema.Default = value
	return k
}

// alias declares what other tools call the key, for suggestions.
func (k key[S]) alias(names ...string) key[S] {
	k.synonyms = names
	return k
}

// mergeKey describes << in the schema.
const mergeKey = "A merge key of YAML."

// object is a mapping whose keys are all known.
type object[S any] struct {
	what     string // in messages: "an artifact"
	start    S      // before any key is read
	keys     []key[S]
	required []string
	anyOf    []schema // further alternatives of required keys, for the schema: check has them for the parser
	not      []schema // what may not be together, for the schema as well
	example  string   // in hints
	check    func(d *decoder, n ast.Node, s *S) error
}

// kind is the object as a kind of value.
func (o object[S]) kind() kind[S] {
	return kind[S]{schema: o.declared().schema(), read: func(d *decoder, n ast.Node, what string, to *S) error {
		*to = o.start
		return o.read(d, n, what, to, nil)
	}}
}

// read reads a mapping; seen is called for each key that is set, and may be nil.
func (o object[S]) read(d *decoder, n ast.Node, what string, to *S, seen func(name string, value ast.Node)) error {
	err := o.declared().read(d, n, what, func(i int, value ast.Node) error {
		if seen != nil {
			seen(o.keys[i].name, value)
		}
		return o.keys[i].read(d, value, to)
	})
	if err == nil && o.check != nil {
		err = o.check(d, n, to)
	}
	return err
}

// declared is the object without its type, so that the program has the code for it once.
func (o object[S]) declared() mapping {
	m := mapping{what: o.what, required: o.required, anyOf: o.anyOf, not: o.not, example: o.example}
	for _, k := range o.keys {
		m.keys = append(m.keys, mappingKey{property{k.name, k.schema}, k.synonyms})
	}
	return m
}

// mapping is what an object declares, whatever it is read into.
type mapping struct {
	what       string
	keys       []mappingKey
	required   []string
	anyOf, not []schema
	example    string
}

type mappingKey struct {
	property
	synonyms []string
}

func (m mapping) schema() schema {
	s := schema{Type: "object", AdditionalProperties: false}
	for _, k := range m.keys {
		s.Properties = append(s.Properties, k.property)
	}
	s.Properties = append(s.Properties, property{"<<", schema{Description: mergeKey}})
	alternatives := m.anyOf
	if len(m.required) > 0 {
		alternatives = append(alternatives, schema{Required: m.required})
	}
	if len(alternatives) > 0 { // a merge key may bring what is required
		s.AnyOf = append(alternatives, schema{Required: []string{"<<"}})
	}
	if len(m.not) > 0 {
		s.Not = &schema{AnyOf: m.not}
	}
	return s
}

// read calls set with the number of each key and its value.
func (m mapping) read(d *decoder, n ast.Node, what string, set func(key int, value ast.Node) error) error {
	if m.what != "" {
		what = m.what
	}
	found := map[string]bool{}
	err := d.entries(n, what, func(name string, keyNode, value ast.Node) error {
		for i, k := range m.keys {
			if k.name == name {
				found[name] = true
				return set(i, value)
			}
		}
		return d.unknownKey(keyNode, name, what, m.names())
	})
	if err != nil {
		return err
	}
	for _, name := range m.required {
		if !found[name] {
			return d.errorf(n, "write "+m.example, "%s has no %s", what, name)
		}
	}
	return nil
}

// keyNames are the keys of a mapping, and what other tools call them.
type keyNames struct {
	known    []string
	synonyms map[string]string
}

func (m mapping) names() keyNames {
	names := keyNames{synonyms: map[string]string{}}
	for _, k := range m.keys {
		names.known = append(names.known, k.name)
		for _, s := range k.synonyms {
			names.synonyms[s] = k.name
		}
	}
	return names
}

// ref returns the kind as a reference to a definition of the schema.
func (k kind[T]) ref(name string) kind[T] {
	k.schema = schema{Ref: "#/$defs/" + name}
	return k
}

// listOf is a list. A list that is written replaces one that a merge key brought. itemName names an item in messages.
func listOf[T any](item kind[T], itemName string) kind[[]T] {
	return kind[[]T]{
		schema: schema{Type: "array", Items: &item.schema},
		read: func(d *decoder, n ast.Node, what string, to *[]T) error {
			*to = []T{}
			return d.sequence(n, what, func(n ast.Node) error {
				var value T
				err := item.read(d, n, itemName+" in "+what, &value)
				*to = append(*to, value)
				return err
			})
		},
	}
}

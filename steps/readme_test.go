package steps

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// README.md lists every key of runner.yaml, from the same declarations as the parser and the schema.
func TestReadmeListsTheKeys(t *testing.T) {
	checkKeysOf(t, "README.md", renderKeys(rootSchema()))
}

// cluster.md lists the keys of cluster.
func TestReadmeOfTheClusterListsTheKeys(t *testing.T) {
	checkKeysOf(t, "cluster.md", renderClusterKeys())
}

// checkKeysOf compares the part of a page that lists keys with what is rendered, or writes it.
func checkKeysOf(t *testing.T, page, keys string) {
	t.Helper()
	const begin, end = "<!-- keys: written by go test ./steps -run Readme -update -->\n", "<!-- end of keys -->\n"
	file, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(file), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s lacks the lines %q and %q", page, begin, end)
	}
	want := before + begin + keys + end + after
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(file) != want {
		t.Errorf("the keys in %s are out of date: go test ./steps -run Readme -update", page)
	}
}

// renderClusterKeys writes a table for cluster, and one for each mapping in it.
func renderClusterKeys() string {
	var b strings.Builder
	root := clusterObject().kind().schema
	renderKeyTable(&b, root)
	for _, p := range root.Properties {
		if nested := keysOf(p.schema); len(nested.Properties) > 1 {
			each := map[bool]string{true: ", each entry"}[p.schema.Items != nil]
			fmt.Fprintf(&b, "\n## `%s`%s\n", p.name, each)
			renderKeyTable(&b, nested)
		}
	}
	return b.String()
}

// renderKeys writes a table for the top level, one for a step, and one for each mapping in it.
func renderKeys(root schema) string {
	var b strings.Builder
	b.WriteString("\n### The top level\n")
	renderKeyTable(&b, root)
	var definitions []property
	for _, d := range root.Defs {
		if d.name == "step" || d.name == "checkout" {
			definitions = append(definitions, d)
		}
	}
	for _, d := range definitions {
		fmt.Fprintf(&b, "\n### %s\n", map[string]string{"step": "A step", "checkout": "`checkout`"}[d.name])
		renderKeyTable(&b, d.schema)
		for _, p := range d.schema.Properties {
			if nested := keysOf(p.schema); d.name == "step" && len(nested.Properties) > 1 {
				each := p.schema.Items != nil || isMapOfMappings(p.schema)
				fmt.Fprintf(&b, "\n### `%s`%s\n", p.name, map[bool]string{true: ", each entry"}[each])
				renderKeyTable(&b, nested)
				for _, within := range nested.Properties {
					if deeper := keysOf(within.schema); isMapOfMappings(p.schema) && len(deeper.Properties) > 1 {
						fmt.Fprintf(&b, "\n### `%s` of `%s`\n", within.name, p.name)
						renderKeyTable(&b, deeper)
					}
				}
			}
		}
	}
	return b.String()
}

// keysOf is the mapping that a key holds, or a list of it.
func keysOf(s schema) schema {
	if s.Items != nil {
		s = *s.Items
	}
	if isMapOfMappings(s) {
		return s.AdditionalProperties.(schema)
	}
	for _, alternative := range s.OneOf {
		if len(alternative.Properties) > 1 {
			return alternative
		}
	}
	return s
}

// isMapOfMappings reports whether a key holds mappings by their names.
func isMapOfMappings(s schema) bool {
	values, ok := s.AdditionalProperties.(schema)
	return ok && len(values.Properties) > 1
}

func renderKeyTable(b *strings.Builder, s schema) {
	b.WriteString("\n| key | value | meaning | default |\n|---|---|---|---|\n")
	for _, p := range s.Properties {
		if p.name == "<<" {
			continue
		}
		value := ""
		if p.schema.Default != nil {
			value = fmt.Sprintf("`%v`", p.schema.Default)
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", p.name, describeValue(p.schema), p.schema.Description, value)
	}
}

// describeValue says what may be written.
func describeValue(s schema) string {
	switch {
	case len(s.Enum) > 0:
		var words []string
		for _, word := range s.Enum {
			words = append(words, fmt.Sprintf("`%v`", word))
		}
		return strings.Join(slices.Compact(words), ", ")
	case s.Const != nil:
		return fmt.Sprintf("`%v`", s.Const)
	case s.Ref != "":
		return map[string]string{
			"#/$defs/command": "command", "#/$defs/hook": "command or list of commands", "#/$defs/checkout": "mapping, see below",
			"#/$defs/cluster": "mapping, see [cluster](cluster.md)",
		}[s.Ref]
	case isMapOfMappings(s):
		return "mappings by name, see below"
	case len(s.OneOf) > 0:
		var kinds []string
		for _, alternative := range s.OneOf {
			kinds = append(kinds, describeValue(alternative))
		}
		return strings.Join(kinds, " or ")
	case s.Items != nil:
		if len(s.Items.Properties) > 1 {
			return "list of mappings, see below"
		}
		if len(s.Items.OneOf) > 3 {
			return "list of stages, see [pipeline](pipeline.md)"
		}
		return "list of " + strings.ReplaceAll(describeValue(*s.Items), "text", "texts")
	case len(s.Properties) > 1:
		return "mapping, see below"
	case s.Type == "object":
		return "variables"
	case s.Pattern == cacheSize.String():
		return "size"
	case len(s.Examples) > 0:
		return "duration"
	case s.Type == "string", reflect.DeepEqual(s.Type, scalarTypes):
		return "text"
	}
	return fmt.Sprint(s.Type)
}

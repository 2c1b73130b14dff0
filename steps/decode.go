package steps

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// decoder reads the syntax tree node by node: every error has its exact place, and no value is converted silently from
// one type to another.
type decoder struct {
	path    string
	lines   []string
	anchors map[string]ast.Node
	merging int // the depth of nested merge keys: a mapping may name itself
}

func (d *decoder) parse(source []byte) (ast.Node, error) {
	tree, err := parser.ParseBytes(source, 0)
	if err != nil {
		var syntax yaml.Error
		if errors.As(err, &syntax) && syntax.GetToken() != nil {
			return nil, d.at(syntax.GetToken().Position, "", syntax.GetMessage())
		}
		return nil, &FileError{Path: d.path, Message: err.Error()}
	}
	var documents []ast.Node
	for _, doc := range tree.Docs {
		if doc.Body != nil {
			documents = append(documents, doc.Body)
		}
	}
	switch len(documents) {
	case 0:
		return nil, &FileError{
			Path:    d.path,
			Message: "the file is empty",
			Advice:  "begin it with version: 1, or remove it",
		}
	case 1:
		ast.Walk(anchorCollector{d.anchors}, documents[0])
		return documents[0], nil
	default:
		return nil, d.errorf(documents[1], "keep one document in the file", "the file has a second document")
	}
}

type anchorCollector struct{ anchors map[string]ast.Node }

func (c anchorCollector) Visit(n ast.Node) ast.Visitor {
	if a, ok := n.(*ast.AnchorNode); ok {
		c.anchors[a.Name.GetToken().Value] = a.Value
	}
	return c
}

// resolve follows anchors, aliases and tags to the node that they stand for.
func (d *decoder) resolve(n ast.Node) ast.Node {
	for range 16 {
		switch node := n.(type) {
		case *ast.AnchorNode:
			n = node.Value
		case *ast.AliasNode:
			target, ok := d.anchors[node.Value.GetToken().Value]
			if !ok {
				return n
			}
			n = target
		case *ast.TagNode:
			n = node.Value
		default:
			return n
		}
	}
	return n
}

// entries calls f for each entry of a mapping, first for those of merge keys: the mapping's own entries win.
func (d *decoder) entries(n ast.Node, what string, f func(key string, keyNode, value ast.Node) error) error {
	var values []*ast.MappingValueNode
	switch node := d.resolve(n).(type) {
	case *ast.MappingNode:
		values = node.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{node}
	default:
		return d.typeError(n, what, "a mapping of names to values")
	}
	for _, v := range values {
		if v.Key.IsMergeKey() {
			if d.merging++; d.merging > 16 {
				return d.errorf(v.Key, "break the circle", "merge keys are nested too deeply")
			}
			err := d.entries(v.Value, what, f)
			if d.merging--; err != nil {
				return err
			}
		}
	}
	for _, v := range values {
		if v.Key.IsMergeKey() {
			continue
		}
		key, err := d.scalar(v.Key, "a key")
		if err != nil {
			return err
		}
		if err := f(key, v.Key, v.Value); err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) unknownKey(n ast.Node, key, what string, names keyNames) error {
	hint := "the keys of " + what + " are " + strings.Join(slices.Sorted(slices.Values(names.known)), ", ")
	near := names.synonyms[key]
	if near == "" {
		near = names.synonyms[strings.ToLower(key)]
	}
	if near == "" {
		near = Nearest(key, names.known)
	}
	if near != "" {
		hint = "did you mean " + near + "?"
	}
	return d.errorf(n, hint, "unknown key %q in %s", key, what)
}

func (d *decoder) sequence(n ast.Node, what string, f func(ast.Node) error) error {
	node, ok := d.resolve(n).(*ast.SequenceNode)
	if !ok {
		return d.typeError(n, what, "a list")
	}
	for _, v := range node.Values {
		if err := f(v); err != nil {
			return err
		}
	}
	return nil
}

// scalar returns the text of a string, number or boolean as it is written.
func (d *decoder) scalar(n ast.Node, what string) (string, error) {
	switch node := d.resolve(n).(type) {
	case *ast.StringNode:
		return node.Value, nil
	case *ast.LiteralNode:
		return node.Value.Value, nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return node.GetToken().Value, nil
	case *ast.NullNode:
		return "", d.errorf(n, "give it a value, or remove the key", "%s is empty", what)
	default:
		return "", d.typeError(n, what, "text")
	}
}

// text reads a string. Other scalars are not text: the schema says so, and editors mark them.
func (d *decoder) text(n ast.Node, what string, to *string) error {
	switch node := d.resolve(n).(type) {
	case *ast.StringNode:
		*to = node.Value
	case *ast.LiteralNode:
		*to = node.Value.Value
	case *ast.NullNode:
		return d.errorf(n, "give it a value, or remove the key", "%s is empty", what)
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		e := d.typeError(n, what, "text")
		e.Advice = fmt.Sprintf("put it in quotes: %q", node.GetToken().Value)
		return e
	default:
		return d.typeError(n, what, "text")
	}
	return nil
}

// number reads a number. form describes it in messages.
func (d *decoder) number(n ast.Node, what, form string) (float64, error) {
	switch node := d.resolve(n).(type) {
	case *ast.IntegerNode, *ast.FloatNode:
		value, err := strconv.ParseFloat(fmt.Sprint(node.(ast.ScalarNode).GetValue()), 64)
		if err != nil {
			return 0, d.typeError(n, what, form)
		}
		return value, nil
	case *ast.NullNode:
		return 0, d.errorf(n, "give it a value, or remove the key", "%s is empty", what)
	}
	return 0, d.typeError(n, what, form)
}

// item is an element of a sequence.
func (d *decoder) item(n ast.Node, i int) ast.Node {
	if list, ok := d.resolve(n).(*ast.SequenceNode); ok && i < len(list.Values) {
		return list.Values[i]
	}
	return n
}

// origin is the place of a node as Step.Origin has it.
func (d *decoder) origin(n ast.Node) string {
	return fmt.Sprintf("%s:%d", filepath.Base(d.path), d.position(n).Line)
}

func (d *decoder) typeError(n ast.Node, what, wanted string) *FileError {
	names := map[ast.NodeType]string{
		ast.MappingType:      "a mapping",
		ast.MappingValueType: "a mapping",
		ast.SequenceType:     "a list",
		ast.StringType:       "text",
		ast.LiteralType:      "text",
		ast.IntegerType:      "a number",
		ast.FloatType:        "a number",
		ast.BoolType:         "true or false",
		ast.NullType:         "nothing",
		ast.AliasType:        "an alias without its anchor",
	}
	found, ok := names[d.resolve(n).Type()]
	if !ok {
		found = strings.ToLower(d.resolve(n).Type().String())
	}
	return d.errorf(n, "", "%s must be %s, not %s", what, wanted, found)
}

// invalid is the error for a value of the right type that is not allowed.
func (d *decoder) invalid(n ast.Node, what, value, advice string) error {
	return d.errorf(n, advice, "invalid %s %q", what, value)
}

func (d *decoder) errorf(n ast.Node, hint, format string, args ...any) *FileError {
	return d.at(d.position(n), hint, fmt.Sprintf(format, args...))
}

// position is where a node begins. The token of a mapping is its first colon: its first key is used instead.
func (d *decoder) position(n ast.Node) *token.Position {
	switch node := n.(type) {
	case *ast.MappingNode:
		if len(node.Values) > 0 && !node.IsFlowStyle {
			return d.position(node.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return d.position(node.Key)
	}
	return n.GetToken().Position
}

func (d *decoder) at(p *token.Position, hint, message string) *FileError {
	e := &FileError{Path: d.path, Line: p.Line, Column: p.Column, Message: message, Advice: hint}
	if p.Line >= 1 && p.Line <= len(d.lines) {
		e.Source = strings.TrimRight(d.lines[p.Line-1], "\r")
	}
	if e.Advice == "" {
		e.Advice = "run runner schema for everything that the file may contain"
	}
	return e
}

package steps

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// decoder reads the syntax tree by hand rather than into structs: every refusal then has its exact place,
// and no value is quietly turned from one type into another.
type decoder struct {
	path    string
	lines   []string
	anchors map[string]ast.Node
	merging int // how deep merge keys are nested: a mapping may name itself
}

// fields says how each known key of a mapping is read.
type fields map[string]func(ast.Node) error

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
		return nil, &FileError{Path: d.path, Message: "the file is empty", Advice: "begin it with version: 1, or remove it"}
	case 1:
		ast.Walk(anchorCollector{d.anchors}, documents[0])
		return documents[0], nil
	default:
		return nil, d.errorf(documents[1], "keep one document in the file", "a second document begins here")
	}
}

type anchorCollector struct{ anchors map[string]ast.Node }

func (c anchorCollector) Visit(n ast.Node) ast.Visitor {
	if a, ok := n.(*ast.AnchorNode); ok {
		c.anchors[a.Name.GetToken().Value] = a.Value
	}
	return c
}

// resolve follows anchors, aliases and tags to the node that is meant.
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

// entries calls f for each entry of a mapping. A later entry wins over what a merge key brought in.
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

// mapping reads a mapping whose keys are all known.
func (d *decoder) mapping(n ast.Node, what string, known fields) error {
	return d.entries(n, what, func(key string, keyNode, value ast.Node) error {
		read, ok := known[key]
		if !ok {
			return d.unknownKey(keyNode, key, what, known)
		}
		return read(value)
	})
}

func (d *decoder) unknownKey(n ast.Node, key, what string, known fields) error {
	var names []string
	for name := range known {
		names = append(names, name)
	}
	slices.Sort(names)
	hint := "the keys of " + what + " are " + strings.Join(names, ", ")
	if near := Nearest(key, names); near != "" {
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

func (d *decoder) boolean(n ast.Node, what string, to *bool) error {
	node, ok := d.resolve(n).(*ast.BoolNode)
	if !ok {
		return d.typeError(n, what, "true or false")
	}
	*to = node.Value
	return nil
}

func (d *decoder) oneOf(n ast.Node, what string, to *string, allowed ...string) error {
	text, err := d.scalar(n, what)
	if err != nil {
		return err
	}
	if !slices.Contains(allowed, text) {
		hint := "write " + strings.Join(allowed, ", ")
		return d.errorf(n, hint, "%s cannot be %q", what, text)
	}
	*to = text
	return nil
}

func (d *decoder) typeError(n ast.Node, what, wanted string) error {
	names := map[ast.NodeType]string{
		ast.MappingType: "a mapping", ast.MappingValueType: "a mapping", ast.SequenceType: "a list", ast.StringType: "text", ast.LiteralType: "text",
		ast.IntegerType: "a number", ast.FloatType: "a number", ast.BoolType: "true or false", ast.NullType: "nothing", ast.AliasType: "an alias without its anchor",
	}
	found, ok := names[d.resolve(n).Type()]
	if !ok {
		found = strings.ToLower(d.resolve(n).Type().String())
	}
	return d.errorf(n, "", "%s must be %s, not %s", what, wanted, found)
}

func (d *decoder) errorf(n ast.Node, hint, format string, args ...any) error {
	return d.at(d.position(n), hint, fmt.Sprintf(format, args...))
}

// position is where a node begins; a mapping's own token is its first colon, so its first key is taken instead.
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

func (d *decoder) at(p *token.Position, hint, message string) error {
	e := &FileError{Path: d.path, Line: p.Line, Column: p.Column, Message: message, Advice: hint}
	if p.Line >= 1 && p.Line <= len(d.lines) {
		e.Source = strings.TrimRight(d.lines[p.Line-1], "\r")
	}
	if e.Advice == "" {
		e.Advice = "runner schema prints what the file may hold"
	}
	return e
}

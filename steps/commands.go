package steps

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// command is a line for the shell or an argument list.
func command() kind[Command] {
	first := schema{Type: scalarTypes, MinLength: 1}
	s := schema{OneOf: []schema{
		{Description: "A line for the shell of the step.", Type: "string", Pattern: `\S`},
		{
			Description: "An argument list, executed without a shell.",
			Type:        "array", MinItems: 1, PrefixItems: []schema{first}, Items: &schema{Type: scalarTypes},
		},
	}}
	return kind[Command]{schema: s, read: func(d *decoder, n ast.Node, what string, to *Command) error {
		const example = "a line for the shell, or a list such as [pnpm, lint]"
		*to = Command{} // a merge key may have brought one of the other form
		if _, isList := d.resolve(n).(*ast.SequenceNode); !isList {
			err := lineOfText(example).read(d, n, what, &to.Line)
			to.Line = strings.TrimSpace(to.Line)
			return err
		}
		err := listOf(scalar(), "argument").read(d, n, what, &to.Args)
		if err == nil && (len(to.Args) == 0 || to.Args[0] == "") {
			err = d.errorf(n, "write "+example, "%s is empty", what)
		}
		return err
	}}
}

// hook is a line for the shell or a list of commands.
func hook(command kind[Command]) kind[[]Command] {
	list := listOf(command, "command")
	s := schema{
		OneOf: []schema{{Description: "A line for the shell of the step.", Type: "string", Pattern: `\S`}, list.schema},
	}
	s.OneOf[1].Description = "Commands, run one after the other."
	return kind[[]Command]{schema: s, read: func(d *decoder, n ast.Node, what string, to *[]Command) error {
		if _, isList := d.resolve(n).(*ast.SequenceNode); isList {
			return list.read(d, n, what, to)
		}
		*to = make([]Command, 1)
		return command.read(d, n, what, &(*to)[0])
	}}
}

// shells are the shells that have a name, with the arguments before the line.
var shells = []struct {
	name string
	args []string
}{
	{"sh", []string{"sh", "-e", "-c"}},
	{"bash", []string{"bash", "-eo", "pipefail", "-c"}},
}

// shell is the program, with its arguments, that the lines of a step are the last argument of.
func shell() kind[[]string] {
	var names []string
	byName := schema{}
	for _, s := range shells {
		names, byName.Enum = append(names, s.name), append(byName.Enum, s.name)
	}
	list := listOf(lineOfText("a program or an argument"), "argument")
	list.schema.MinItems = 1
	byName.Description = "sh -e -c, or bash -eo pipefail -c."
	list.schema.Description = "A shell with its arguments; the line becomes the last one."
	return kind[[]string]{
		schema: schema{OneOf: []schema{byName, list.schema}},
		read: func(d *decoder, n ast.Node, what string, to *[]string) error {
			advice := "write " + strings.Join(names, ", ") + " or a list such as [zsh, -e, -c]"
			if _, isList := d.resolve(n).(*ast.SequenceNode); isList {
				err := list.read(d, n, what, to)
				if err == nil && len(*to) == 0 {
					err = d.errorf(n, advice, "%s is empty", what)
				}
				return err
			}
			name, err := d.scalar(n, what)
			if err != nil {
				return err
			}
			for _, s := range shells {
				if s.name == name {
					*to = s.args
					return nil
				}
			}
			return d.invalid(n, what, name, advice)
		},
	}
}

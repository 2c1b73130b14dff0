package steps

import (
	"github.com/goccy/go-yaml/ast"
)

// Hooks are commands around a step's own. Each list is run in order.
type Hooks struct {
	Before    []Command // the command is not run if one of them fails
	After     []Command // run once whatever the command did, all of them
	OnFailure []Command // run once when the run is known to have failed
}

// hook reads a line for sh, or a list of commands.
func (d *decoder) hook(n ast.Node, what string, to *[]Command) error {
	*to = nil // those that a merge key brought
	if _, isList := d.resolve(n).(*ast.SequenceNode); !isList {
		var c Command
		err := d.command(n, what, &c)
		*to = append(*to, c)
		return err
	}
	return d.sequence(n, what, func(n ast.Node) error {
		var c Command
		err := d.command(n, "a command of "+what, &c)
		*to = append(*to, c)
		return err
	})
}

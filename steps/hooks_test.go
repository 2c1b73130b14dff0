package steps

import (
	"reflect"
	"strings"
	"testing"
)

func TestHooksAreALineOrAListOfCommands(t *testing.T) {
	line := func(text string) Command { return Command{Line: text} }
	for _, c := range []struct {
		sentence, yaml string
		want           []Command
		refused        string
	}{
		{"a line is one command", "after: docker compose down", []Command{line("docker compose down")}, ""},
		{"a list is one of commands", "after: [a, b c]", []Command{line("a"), line("b c")}, ""},
		{"which may be argument lists", "after: [[a, b c], d]", []Command{{Args: []string{"a", "b c"}}, line("d")}, ""},
		{"a list may be empty, to take out what a merge key brought", "<<: { after: x }\n    after: []", []Command{}, ""},
		{"the later of two wins as a whole", "<<: { after: [x, y] }\n    after: [[z]]", []Command{{Args: []string{"z"}}}, ""},
		{"an empty line is refused", `after: ""`, nil, "after is empty"},
		{"an empty command of a list is refused", `after: [a, " "]`, nil, "command in after is empty"},
		{"so is an empty argument list", `after: [[]]`, nil, "command in after is empty"},
		{"and a mapping", "after: { run: x }", nil, "after must be text, not a mapping"},
		{"and nothing", "after:", nil, "after is empty"},
	} {
		file, err := Parse("runner.yaml", []byte("version: 1\nsteps:\n  x:\n    command: y\n    "+c.yaml+"\n"))
		if c.refused != "" {
			if err == nil || !strings.Contains(err.Error(), c.refused) {
				t.Errorf("%s: %v", c.sentence, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.sentence, err)
			continue
		}
		step, err := Collect(t.TempDir(), file).Find("x")
		if got := step.Hooks.After; err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, %v", c.sentence, got, err)
		}
	}
}

package detect

import (
	"fmt"
	"strings"
)

// YAML is the workspace's runner.yaml: what was found, and a word on the rest.
func (f Found) YAML() string {
	var b strings.Builder
	b.WriteString("# The steps of this workspace: `runner steps` lists them, `runner --step test` runs one.\n")
	if len(f.What) > 0 {
		fmt.Fprintf(&b, "# Written by `runner init` for what it found: %s.\n", strings.Join(f.What, ", "))
	}
	b.WriteString("version: 1\n")
	if len(f.Steps) == 0 {
		b.WriteString(
			"steps:\n  test:\n    command: echo \"what tests this?\" && exit 1 # nothing was found that does\n    reports: []\n    artifacts: []\n",
		)
		return b.String()
	}
	b.WriteString("steps:\n")
	for i, s := range f.Steps {
		if i > 0 {
			b.WriteString("\n")
		}
		s.write(&b)
	}
	return b.String()
}

func (s Step) write(b *strings.Builder) {
	fmt.Fprintf(b, "  %s:\n", s.Name)
	for _, note := range s.Notes {
		fmt.Fprintf(b, "    # %s\n", note)
	}
	fmt.Fprintf(b, "    command: %s\n", scalar(s.Command))
	if s.Reports != nil {
		fmt.Fprintf(b, "    reports: %s\n", list(s.Reports))
	}
	switch {
	case (s.Name == "build" || s.Name == "test") && len(s.Artifacts) == 0:
		b.WriteString("    artifacts: []\n") // the built-in step's would be missed
	case len(s.Artifacts) > 0:
		b.WriteString("    artifacts:\n")
		for _, a := range s.Artifacts {
			fmt.Fprintf(b, "      - { name: %s, path: %s, when: %s", a.Name, a.Path, a.When)
			if a.Mirror {
				b.WriteString(", mirror: latest")
			}
			if a.Optional {
				b.WriteString(", optional: true")
			}
			b.WriteString(" }\n")
		}
	}
	if s.Rerun != "" {
		fmt.Fprintf(
			b,
			"    rerun: { command: %s } # what passes then is flaky; see steps/tests.md of the runner\n",
			flow(s.Rerun),
		)
	}
}

// scalar is text as a plain value where YAML takes it for one, else quoted.
func scalar(s string) string {
	if s == "" || strings.ContainsAny(s[:1], "!&*-?|>@`%{}[],#'\" ") || strings.Contains(s, ": ") ||
		strings.Contains(s, " #") ||
		strings.HasSuffix(s, ":") ||
		strings.ContainsAny(s, "\n\t\\\"") {
		return quoted(s)
	}
	return s
}

// flow is a value within braces, where commas and braces mean something.
func flow(s string) string { return quoted(s) }

func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`).Replace(s) + `"`
}

func list(all []string) string {
	items := make([]string, len(all))
	for i, s := range all {
		items[i] = quoted(s)
	}
	return "[" + strings.Join(items, ", ") + "]"
}

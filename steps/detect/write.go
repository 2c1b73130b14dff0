package detect

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// schemaLine has editors check the file by the schema that `runner schema` prints.
const schemaLine = "# yaml-language-server: " +
	"$schema=https://raw.githubusercontent.com/carlin-cicd/runner/main/steps/schema.json\n"

// stub is the step of a workspace in which nothing was recognised.
var stub = Step{
	Name:    "test",
	Command: `echo "runner.yaml: write the command that tests this project" >&2; exit 1`,
	Reports: []string{},
	Notes:   []string{"no tool that runner init knows was found: write the command here"},
}

// YAML is the workspace's runner.yaml: what was found, and comments on the rest.
func (f Found) YAML() string {
	var b strings.Builder
	b.WriteString(schemaLine)
	b.WriteString("# The steps of this workspace: `runner steps` lists them, `runner test` runs one.\n")
	if len(f.What) > 0 {
		fmt.Fprintf(&b, "# Written by `runner init` for what it found: %s.\n", remark(strings.Join(f.What, ", ")))
	}
	if len(f.LeftOut) > 0 {
		b.WriteString("# Left out; write a step for what you want run:\n")
		for _, line := range f.LeftOut {
			fmt.Fprintf(&b, "#   %s\n", remark(line))
		}
	}
	b.WriteString("version: 1\n")
	if f.Setup != "" {
		fmt.Fprintf(&b, "setup: %s # in a container, where the lockfile is not the image's\n", scalar(f.Setup))
	}
	b.WriteString("steps:\n")
	all := f.Steps
	if len(all) == 0 {
		all = []Step{stub}
	}
	for i, s := range all {
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
		fmt.Fprintf(b, "    # %s\n", remark(note))
	}
	if s.Directory != "" && s.Directory != "." {
		fmt.Fprintf(b, "    directory: %s\n", scalar(s.Directory))
	}
	writeCommand(b, s.Command)
	if s.Reports != nil {
		fmt.Fprintf(b, "    reports: %s\n", list(s.Reports))
	}
	switch {
	case (s.Name == "build" || s.Name == "test") && len(s.Artifacts) == 0:
		b.WriteString("    artifacts: []\n") // the built-in step's would be missed
	case len(s.Artifacts) > 0:
		b.WriteString("    artifacts:\n")
		for _, a := range s.Artifacts {
			a.write(b)
		}
	}
	if s.Coverage != "" {
		fmt.Fprintf(b, "    coverage: { path: %s }\n", flow(s.Coverage))
	}
	if s.Rerun != "" {
		fmt.Fprintf(b, "    rerun: { command: %s } # what passes then is flaky; see steps/tests.md of the runner\n",
			quoted(s.Rerun))
	}
}

// writeCommand writes one line as a scalar, several as a block.
func writeCommand(b *strings.Builder, command string) {
	unprintable := func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }
	if !strings.Contains(command, "\n") || strings.ContainsFunc(command, unprintable) {
		fmt.Fprintf(b, "    command: %s\n", scalar(command))
		return
	}
	b.WriteString("    command: |\n")
	for line := range strings.SplitSeq(strings.TrimRight(command, "\n"), "\n") {
		fmt.Fprintf(b, "      %s\n", line)
	}
}

func (a Artifact) write(b *strings.Builder) {
	fmt.Fprintf(b, "      - { name: %s, path: %s, when: %s", a.Name, flow(a.Path), a.When)
	if a.Mirror {
		b.WriteString(", mirror: latest")
	}
	if a.Optional {
		b.WriteString(", optional: true")
	}
	b.WriteString(" }")
	if a.Note != "" {
		b.WriteString(" # " + remark(a.Note))
	}
	b.WriteString("\n")
}

// remark is text within a comment: one line, without anything that would end it or that a terminal obeys.
func remark(text string) string {
	const most = 400
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return ' '
		}
		return r
	}, text)
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// scalar is text as a plain value where YAML takes it for one, else quoted.
func scalar(s string) string {
	if s == "" || strings.ContainsAny(s[:1], "!&*-?|>@`%{}[],#'\" =~") || strings.Contains(s, ": ") ||
		strings.Contains(s, " #") || strings.HasSuffix(s, ":") || strings.HasSuffix(s, " ") ||
		strings.ContainsAny(s, "\\\"") || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) ||
		strings.ContainsAny(s[:1], "+.0123456789") && !strings.ContainsAny(s, "/ ") { // a number, or a date
		return quoted(s)
	}
	switch strings.ToLower(s) {
	case "true", "false", "null", "yes", "no", "on", "off", "nan", "inf":
		return quoted(s)
	}
	return s
}

// flow is a value within braces, where commas and braces mean something.
func flow(s string) string {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("/._-", r) {
			return quoted(s)
		}
	}
	return scalar(s)
}

// quoted is text as a double-quoted value.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func list(all []string) string {
	items := make([]string, len(all))
	for i, s := range all {
		items[i] = quoted(s)
	}
	return "[" + strings.Join(items, ", ") + "]"
}

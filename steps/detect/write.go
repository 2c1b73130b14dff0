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

// write writes blocks, and quotes only where it must: a formatter of the project, such as prettier, finds nothing to
// change.
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
		writeList(b, "reports", s.Reports)
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
		fmt.Fprintf(b, "    coverage:\n      path: %s\n", scalar(s.Coverage))
	}
	if s.Rerun != "" {
		b.WriteString("    rerun: # what passes then is flaky; see steps/tests.md of the runner\n")
		fmt.Fprintf(b, "      command: %s\n", scalar(s.Rerun))
	}
	for _, line := range s.Services {
		fmt.Fprintf(b, "    # %s\n", remark(line))
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
	fmt.Fprintf(b, "      - name: %s\n        path: %s", a.Name, scalar(a.Path))
	if a.Note != "" {
		b.WriteString(" # " + remark(a.Note))
	}
	fmt.Fprintf(b, "\n        when: %s\n", a.When)
	if a.Mirror {
		b.WriteString("        mirror: latest\n")
	}
	if a.Optional {
		b.WriteString("        optional: true\n")
	}
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
	if s == "" || strings.ContainsAny(s[:1], "!&*-?|>@`%{}[],#'\" =~:") || strings.Contains(s, ": ") ||
		strings.Contains(s, " #") || strings.HasSuffix(s, ":") || strings.HasSuffix(s, " ") ||
		strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) ||
		strings.ContainsAny(s[:1], "+.0123456789") && !strings.ContainsAny(s, "/ ") { // a number, or a date
		return quoted(s)
	}
	switch strings.ToLower(s) {
	case "true", "false", "null", "yes", "no", "on", "off", "nan", "inf", "y", "n":
		return quoted(s)
	}
	return s
}

// quoted is text in the quotes that take the fewest escapes.
func quoted(s string) string {
	unprintable := strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
	if !unprintable && strings.Count(s, `"`) > strings.Count(s, "'") {
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
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

// writeList writes a list in a line if it is short.
func writeList(b *strings.Builder, key string, all []string) {
	const most = 60
	items := make([]string, len(all))
	for i, s := range all {
		items[i] = scalar(s)
		if strings.ContainsAny(s, ",[]{}:") { // which mean something between brackets
			items[i] = quoted(s)
		}
	}
	if line := strings.Join(items, ", "); len(line) <= most {
		fmt.Fprintf(b, "    %s: [%s]\n", key, line)
		return
	}
	fmt.Fprintf(b, "    %s:\n      - %s\n", key, strings.Join(items, "\n      - "))
}

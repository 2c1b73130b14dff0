// Package workflow reads the commands that CI systems have their jobs print: groups of lines and notes on the code, in
// the forms of GitHub Actions, Azure Pipelines, TeamCity, GitLab and Buildkite.
//
// They say how to show output. None of them commands the runner.
package workflow

import (
	"bytes"
	"strconv"
	"strings"
)

// Kind is what a command asks for.
type Kind int

// The kinds of commands.
const (
	None       Kind = iota
	GroupStart      // Title
	GroupEnd
	Note  // Note
	Debug // Note.Message
	Other // known, and without effect here
)

// Command is what a line asks for.
type Command struct {
	Kind  Kind
	Title string // of the group
	Note  Annotation
}

// Annotation is a note as it was printed. Nothing in it has been checked.
type Annotation struct {
	Level                            string // error, warning or notice
	File                             string
	Line, EndLine, Column, EndColumn int // from 1; 0 without one
	Title, Message                   string
}

// maxLine is how many bytes of a line are read.
const maxLine = 64 << 10

// Reader reads the lines of one output. Its zero value is at the start.
type Reader struct {
	token string // of stop-commands; "" while commands count
}

// MayCommand reports whether a line can be a command for all that its first bytes tell. It is asked of every line.
func MayCommand(line []byte) bool {
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case ' ', '\t':
			continue
		case ':':
			return i+1 < len(line) && line[i+1] == ':'
		case '#':
			return i+1 < len(line) && line[i+1] == '#'
		}
		return false
	}
	return false
}

// Read returns the command of a line without its line break; its Kind is None if it has none. GitLab's sections and
// Buildkite's headings are not read here: see Sections.
func (r *Reader) Read(line []byte) Command {
	text := string(bytes.TrimSpace(line[:min(len(line), maxLine)]))
	if r.token != "" {
		if text == "::"+r.token+"::" {
			r.token = ""
			return Command{Kind: Other}
		}
		return Command{}
	}
	switch {
	case strings.HasPrefix(text, "::"):
		return r.github(text[2:])
	case strings.HasPrefix(text, "##["):
		return azure(text[3:])
	case strings.HasPrefix(text, "##teamcity[") && strings.HasSuffix(text, "]"):
		return teamCity(text[len("##teamcity[") : len(text)-1])
	}
	return Command{}
}

// github reads NAME PROPERTY=VALUE,…::MESSAGE.
func (r *Reader) github(text string) Command {
	head, message, found := strings.Cut(text, "::")
	if !found {
		return Command{}
	}
	name, list, _ := strings.Cut(head, " ")
	message = unescapeMessage.Replace(message)
	switch name {
	case "group":
		return Command{Kind: GroupStart, Title: message}
	case "endgroup":
		return Command{Kind: GroupEnd}
	case "debug":
		return Command{Kind: Debug, Note: Annotation{Message: message}}
	case "stop-commands":
		r.token = strings.TrimSpace(message)
		return Command{Kind: Other}
	case "error", "warning", "notice":
		return Command{Kind: Note, Note: githubNote(name, list, message)}
	case "add-matcher", "remove-matcher", "echo", "set-output", "save-state", "set-env", "add-path", "add-mask":
		return Command{Kind: Other}
	}
	return Command{}
}

func githubNote(level, list, message string) Annotation {
	n := Annotation{Level: level, Message: message}
	for _, property := range strings.Split(list, ",") {
		key, value, _ := strings.Cut(property, "=")
		value = unescapeProperty.Replace(strings.TrimSpace(value))
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "file":
			n.File = value
		case "title":
			n.Title = value
		case "line":
			n.Line = number(value)
		case "endline":
			n.EndLine = number(value)
		case "col":
			n.Column = number(value)
		case "endcolumn":
			n.EndColumn = number(value)
		}
	}
	return n
}

// azure reads NAME]TEXT, as Azure Pipelines and the first GitHub Actions had it.
func azure(text string) Command {
	name, message, found := strings.Cut(text, "]")
	if !found {
		return Command{}
	}
	switch name {
	case "group":
		return Command{Kind: GroupStart, Title: message}
	case "endgroup":
		return Command{Kind: GroupEnd}
	case "error", "warning":
		return Command{Kind: Note, Note: Annotation{Level: name, Message: message}}
	case "debug":
		return Command{Kind: Debug, Note: Annotation{Message: message}}
	case "section", "command":
		return Command{Kind: Other}
	}
	return Command{}
}

// teamCity reads a service message: NAME 'VALUE', or NAME KEY='VALUE' …
func teamCity(text string) Command {
	name, rest, _ := strings.Cut(text, " ")
	values := teamCityValues(rest)
	switch name {
	case "blockOpened":
		return Command{Kind: GroupStart, Title: first(values["description"], values["name"])}
	case "compilationStarted":
		return Command{Kind: GroupStart, Title: values["compiler"]}
	case "testSuiteStarted":
		return Command{Kind: GroupStart, Title: values["name"]}
	case "blockClosed", "compilationFinished", "testSuiteFinished":
		return Command{Kind: GroupEnd}
	case "buildProblem":
		return Command{Kind: Note, Note: Annotation{Level: "error", Message: values["description"]}}
	case "message":
		return teamCityMessage(values)
	case "inspection":
		level := map[string]string{"ERROR": "error", "WARNING": "warning", "WEAK WARNING": "warning"}[values["SEVERITY"]]
		return Command{Kind: Note, Note: Annotation{
			Level: first(level, "notice"), File: values["file"], Line: number(values["line"]),
			Title: values["typeId"], Message: values["message"],
		}}
	}
	return Command{Kind: Other}
}

func teamCityMessage(values map[string]string) Command {
	level := map[string]string{"ERROR": "error", "FAILURE": "error", "WARNING": "warning"}[values["status"]]
	if level == "" {
		return Command{Kind: Other}
	}
	message := values["text"]
	if details := values["errorDetails"]; details != "" {
		message += "\n" + details
	}
	return Command{Kind: Note, Note: Annotation{Level: level, Message: message}}
}

// teamCityValues reads KEY='VALUE' pairs, in which | escapes.
func teamCityValues(text string) map[string]string {
	values := map[string]string{}
	for {
		key, rest, found := strings.Cut(text, "='")
		if !found {
			return values
		}
		var value strings.Builder
		i := 0
		for i < len(rest) && rest[i] != '\'' {
			if rest[i] == '|' && i+1 < len(rest) {
				i++
				switch rest[i] {
				case 'n', 'r':
					value.WriteByte('\n')
				case '0': // |0xNNNN
					digits := rest[min(i+2, len(rest)):min(i+6, len(rest))]
					if code, err := strconv.ParseUint(digits, 16, 32); err == nil {
						value.WriteRune(rune(code))
						i += 5
					}
				default:
					value.WriteByte(rest[i])
				}
			} else {
				value.WriteByte(rest[i])
			}
			i++
		}
		values[strings.TrimSpace(key)] = value.String()
		text = rest[min(i+1, len(rest)):]
	}
}

var (
	unescapeMessage  = strings.NewReplacer("%25", "%", "%0D", "\r", "%0d", "\r", "%0A", "\n", "%0a", "\n")
	unescapeProperty = strings.NewReplacer(
		"%25", "%", "%0D", "\r", "%0d", "\r", "%0A", "\n", "%0a", "\n", "%3A", ":", "%3a", ":", "%2C", ",", "%2c", ",",
	)
)

// number returns a line or a column, 0 for what is none.
func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 1<<30 {
		return 0
	}
	return n
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

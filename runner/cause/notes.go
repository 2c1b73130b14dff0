package cause

import (
	"path"
	"slices"
	"strings"
	"unicode"

	"github.com/carlin-cicd/runner/runner/problem"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/workflow"
)

// tally keeps the errors of the last tool that printed any: those of one before it were not the end of the command.
type tally struct {
	first []problem.Problem // the first of them
	count int
	last  int // the last line
}

const (
	maxTallied = 15
	sameTool   = 400 // lines between two errors of one tool
)

// add adds a problem in the order of the output. Warnings fail nothing.
func (t *tally) add(p problem.Problem) {
	if p.Warning {
		return
	}
	if t.count > 0 && (p.Tool != t.first[0].Tool || p.At-t.last > sameTool) {
		*t = tally{}
	}
	again := slices.ContainsFunc(t.first, func(q problem.Problem) bool {
		return q.Path != "" && q.Path == p.Path && q.Line == p.Line && q.Column == p.Column && q.Message == p.Message
	})
	if !again {
		if t.count++; len(t.first) < maxTallied {
			t.first = append(t.first, p)
		}
	}
	t.last = max(p.At, p.To)
}

// maxNotes is how many notes of a command are kept of each kind; GitHub takes 50 in a request.
const maxNotes = 50

// notes are what a command's output says of lines of the code. Errors have a room of their own, so that no flood of
// warnings hides them.
type notes struct {
	errors, others []record.Annotation
	seen           map[place]bool
}

type place struct {
	path    string
	line    int
	message string
}

// command adds the note of a workflow command.
func (n *notes) command(at int, c workflow.Annotation) {
	n.add(record.Annotation{
		Level: record.Level(c.Level), Path: c.File, Line: c.Line, EndLine: c.EndLine, Column: c.Column,
		EndColumn: c.EndColumn, Title: c.Title, Message: c.Message, LogLine: at,
	})
}

// problem adds what a tool says of a line of the code.
func (n *notes) problem(p problem.Problem) {
	if p.Path == "" || p.Line == 0 {
		return
	}
	level := record.LevelError
	if p.Warning {
		level = record.LevelWarning
	}
	title := p.Tool
	if p.Code != "" {
		title += " " + p.Code
	}
	n.add(record.Annotation{
		Level: level, Tool: p.Tool, Path: p.Path, Line: p.Line, Column: p.Column, Title: title, Message: p.Message,
		LogLine: p.At,
	})
}

// all returns the notes, errors first, with the lines of the log, of which base came before the output.
func (n *notes) all(base int) []record.Annotation {
	all := slices.Concat(n.errors, n.others)
	for i := range all {
		all[i].LogLine += base
	}
	return all
}

// telling is the first error that a workflow command names (::error::), which is the command's own word for what failed.
func (n *notes) telling() telling {
	var first telling
	for _, a := range n.errors {
		switch {
		case a.Tool != "": // what a tool says is compared by its own weight
			continue
		case first.weight == nothing:
			first = telling{
				weight: generic, kind: record.CauseOutput, lines: strings.Split(a.Message, "\n"), at: a.LogLine,
				path: a.Path, line: a.Line, column: a.Column,
			}
			if first.summary = oneLine(first.lines[0]); a.Title != "" {
				first.summary = a.Title + ": " + first.summary
			}
		default:
			first.more++
		}
		first.to = a.LogLine
	}
	return first
}

// The bounds of a note, in bytes.
const (
	maxNoteTitle   = 250
	maxNoteMessage = 4 << 10
	maxPath        = 500
)

func (n *notes) add(a record.Annotation) {
	list := &n.errors
	if a.Level != record.LevelError {
		list = &n.others
	}
	a.Message, a.Title = clip(strings.TrimSpace(a.Message), maxNoteMessage), clip(oneLine(a.Title), maxNoteTitle)
	key := place{a.Path, a.Line, a.Message}
	if a.Message == "" || len(*list) >= maxNotes || n.seen[key] {
		return
	}
	if n.seen == nil {
		n.seen = map[place]bool{}
	}
	n.seen[key] = true
	*list = append(*list, a)
}

// Places says where paths of an output may lead.
type Places struct {
	Directory string // absolute: where the command ran
	Workspace string // absolute: what is outside of it is not taken
	Within    string // Directory, relative to the repository

	Exists func(name string) bool // whether a file is there, by its absolute path; nil: it is not asked
}

// Find returns a path of the output relative to the repository, "" for one that is none, or leads out of the workspace.
func (p Places) Find(name string) string {
	name = strings.TrimPrefix(strings.TrimSpace(strings.ReplaceAll(name, `\`, "/")), "file://")
	if name == "" || len(name) > maxPath || strings.Contains(name, "://") ||
		strings.ContainsFunc(name, unicode.IsControl) {
		return ""
	}
	if !path.IsAbs(name) {
		name = path.Join(p.Directory, name)
	}
	name = path.Clean(name)
	if !inside(name, p.Workspace) {
		return ""
	}
	root := strings.TrimSuffix(p.Directory, "/"+p.Within) // of the repository
	if p.Within == "" || p.Within == "." {
		root = p.Directory
	}
	if !inside(name, root) || p.Exists != nil && !p.Exists(name) {
		return ""
	}
	return strings.TrimPrefix(name, strings.TrimSuffix(root, "/")+"/")
}

func inside(name, folder string) bool {
	return folder != "" && strings.HasPrefix(name, strings.TrimSuffix(folder, "/")+"/")
}

// clip shortens text to about a number of bytes, between characters.
func clip(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// Package attachments finds what tests left behind for people to look at: pictures, videos and traces that reports
// name, and those that tools put into folders of their own.
//
// It finds names only. A name comes from a report, and may lead anywhere: who opens it has to stay in the workspace.
package attachments

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/steps/freshness"
	"github.com/carlin-cicd/runner/steps/pattern"
	"github.com/carlin-cicd/runner/steps/results"
)

// Found is a file of a test.
type Found struct {
	Test string // the ID of its case; "" if it is not known
	Path string // slash-separated, relative to the workspace; as it was named if Problem is set
	Name string // what it is, in a few words
	Role Role   // among those of its Group
	// Group is the same for the pictures of one comparison.
	Group   string
	Problem string // why it cannot be looked at
}

// Role is what a picture of a comparison shows.
type Role string

// The roles of pictures.
const (
	Expected   Role = "expected"
	Actual     Role = "actual"
	Difference Role = "difference"
	// Side is a picture of all three side by side: expected, difference, actual.
	Side Role = "side"
	// Stack is a picture of the same three one above the other.
	Stack Role = "stack"
)

// Options say where to look.
type Options struct {
	Workspace string // absolute
	Directory string // of the step, slash-separated, below the workspace
	Since     time.Time
	Cases     []results.Case // whose files are looked for
}

// maxFound bounds what is found: the rest is not looked for.
const maxFound = 1000

// Find returns the files of tests, each once, those that reports name first.
func Find(o Options) []Found {
	root, err := os.OpenRoot(o.Workspace)
	if err != nil {
		return nil
	}
	defer root.Close()
	f := &finder{Options: o, root: root, seen: map[string]bool{}}
	f.playwrightJSON()
	f.named()
	f.cypress()
	f.imageSnapshots()
	return f.found
}

type finder struct {
	Options
	root  *os.Root
	found []Found
	seen  map[string]bool // paths
}

func (f *finder) add(a Found) {
	key := a.Path
	if f.seen[key] || len(f.found) >= maxFound {
		return
	}
	f.seen[key] = true
	if a.Role == "" {
		a.Group, a.Role = roleOf(a.Path)
	}
	if a.Role != "" {
		a.Group = a.Test + "\x00" + a.Group
	}
	if a.Name == "" {
		a.Name = path.Base(a.Path)
	}
	f.found = append(f.found, a)
}

var compared = pattern.New(`(?i)^(.+)[-_.](expected|reference|actual|received|diff)\.(png|jpe?g|webp)$`)

// roleOf tells by its name which picture of a comparison a file is.
func roleOf(name string) (group string, role Role) {
	m := compared.FindStringSubmatch(name)
	if m == nil {
		return "", ""
	}
	role = map[string]Role{
		"expected": Expected, "reference": Expected, "actual": Actual, "received": Actual, "diff": Difference,
	}[strings.ToLower(m[2])]
	return m[1], role
}

// named takes the files that JUnit reports name: "[[ATTACHMENT|path]]" in the output of a test.
func (f *finder) named() {
	for _, c := range f.Cases {
		for name := range strings.SplitSeq(c.Attachments, "\n") {
			if name == "" {
				continue
			}
			f.take(c.ID, name, path.Join(f.Directory, path.Dir(c.Report)), "")
		}
	}
}

// take adds a file by the name that a report has for it: absolute, or relative to the report, the step or the workspace.
func (f *finder) take(test, name, beside, label string) {
	name = strings.TrimSpace(strings.ReplaceAll(name, `\`, "/"))
	if path.IsAbs(name) {
		at, ok := f.within(name)
		if !ok {
			f.add(Found{Test: test, Path: name, Name: label, Problem: "it is outside of the workspace"})
			return
		}
		f.takeFirst(test, name, label, at)
		return
	}
	f.takeFirst(test, name, label, path.Join(beside, name), path.Join(f.Directory, name), path.Clean(name))
}

// takeFirst adds the first of some places, below the workspace, at which there is a file.
func (f *finder) takeFirst(test, name, label string, places ...string) {
	problem := "it does not exist"
	for _, at := range places {
		if at == ".." || strings.HasPrefix(at, "../") {
			problem = "it is outside of the workspace"
			continue
		}
		info, err := f.root.Stat(at)
		switch {
		case err == nil && info.Mode().IsRegular():
			f.add(Found{Test: test, Path: at, Name: label})
			return
		case err == nil:
			problem = "it is not a file"
		default:
			if link, err := f.root.Lstat(at); err == nil && link.Mode()&fs.ModeSymlink != 0 {
				problem = "it is a link that leads out of the workspace, or nowhere"
			}
		}
	}
	f.add(Found{Test: test, Path: name, Name: label, Problem: problem})
}

// within returns an absolute path relative to the workspace, also where the workspace is reached by a link.
func (f *finder) within(name string) (string, bool) {
	for _, root := range []string{f.Workspace, real(f.Workspace)} {
		if at, err := filepath.Rel(root, name); err == nil && filepath.IsLocal(at) {
			return filepath.ToSlash(at), true
		}
	}
	return "", false
}

func real(name string) string {
	to, err := filepath.EvalSymlinks(name)
	if err != nil {
		return name
	}
	return to
}

// fresh reports whether a file was written by the command.
func (f *finder) fresh(info fs.FileInfo) bool { return !freshness.Stale(info.ModTime(), f.Since) }

// files returns the fresh regular files below a folder of the step, with one of the endings.
func (f *finder) files(folder string, endings ...string) (names []string) {
	const most = 5000 // files that are looked at
	looked := 0
	_ = fs.WalkDir(f.root.FS(), path.Join(f.Directory, folder), func(name string, d fs.DirEntry, err error) error {
		if looked++; looked > most {
			return fs.SkipAll
		}
		if err != nil || d.IsDir() {
			return nil // what cannot be read is not shown
		}
		info, err := d.Info()
		if err == nil && d.Type().IsRegular() && slices.Contains(endings, strings.ToLower(path.Ext(name))) && f.fresh(info) {
			names = append(names, name)
		}
		return nil
	})
	return names
}

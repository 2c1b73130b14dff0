package coverage

import (
	"cmp"
	"maps"
	"math"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Folder is what was covered of the files that are in one folder, not of those in folders below it.
type Folder struct {
	Path     string   `json:"path"` // slash-separated; relative to the sources' root where it is below that, "." for the root
	Lines    Figure   `json:"lines"`
	Branches Figure   `json:"branches"`
	Change   *float64 `json:"change,omitempty"` // of the lines, in percentage points, to the second decimal; nil where there is nothing to compare with
}

// The bounds of what is told of folders.
const (
	maxFolders = 200   // in the end; folders that are deeper than those become one with the one that they are in
	maxTally   = 5_000 // while a report is read
	maxPath    = 300   // bytes
)

// tally adds up figures by the folder of the file that they are of.
type tally map[string]*Folder

// add adds what a report tells of a part of a file.
func (t tally) add(file []byte, lines, branches Figure) {
	dir, _, _ := cutLast(file, '/')
	if len(dir) == len(file) {
		dir = nil
	}
	if len(dir) > maxPath {
		dir = dir[:maxPath]
	}
	f := t[string(dir)] // which takes no memory
	if f == nil {
		if len(t) >= maxTally {
			dir = nil
		}
		if f = t[string(dir)]; f == nil {
			f = &Folder{}
			t[string(dir)] = f
		}
	}
	f.Lines, f.Branches = f.Lines.plus(lines), f.Branches.plus(branches)
}

// in returns the folders under the names that they have for people: relative to the root of the sources, and those that are
// relative already below a folder, which says whose they are where several packages have reports of their own.
func (t tally) in(root, below string) tally {
	real, err := filepath.EvalSymlinks(root)
	if err != nil {
		real = root
	}
	named := tally{}
	for name, f := range t {
		name = strings.ToValidUTF8(path.Clean(name), "\uFFFD")
		switch {
		case !path.IsAbs(name):
			name = path.Join(below, name)
		case beneath(name, root) != "":
			name = beneath(name, root)
		default:
			name = cmp.Or(beneath(name, real), name)
		}
		named.merge(name, *f)
	}
	return named
}

// beneath is a path relative to a folder that it is in, "" if it is not.
func beneath(name, root string) string {
	relative, err := filepath.Rel(root, name)
	if err != nil || !filepath.IsLocal(relative) {
		return ""
	}
	return filepath.ToSlash(relative)
}

func (t tally) merge(name string, f Folder) {
	there := t[name]
	if there == nil {
		there = &Folder{}
		t[name] = there
	}
	there.Lines, there.Branches = there.Lines.plus(f.Lines), there.Branches.plus(f.Branches)
}

// list returns at most maxFolders folders by name, those with nothing to cover left out.
func (t tally) list() []Folder {
	for len(t) > maxFolders {
		deepest := 0
		for name := range t {
			deepest = max(deepest, strings.Count(name, "/"))
		}
		folded := tally{}
		for name, f := range t {
			switch {
			case deepest == 0:
				name = "." // hundreds of them side by side
			case strings.Count(name, "/") == deepest:
				name = path.Dir(name)
			}
			folded.merge(name, *f)
		}
		t = folded
	}
	var all []Folder
	for _, name := range slices.Sorted(maps.Keys(t)) {
		if f := t[name]; f.Lines.Total > 0 {
			f.Path = name
			all = append(all, *f)
		}
	}
	return all
}

// SetChanges sets how each folder has changed against those of an earlier run. One that was not there has no change.
func SetChanges(now, previous []Folder) {
	before := map[string]Figure{}
	for _, f := range previous {
		before[f.Path] = f.Lines
	}
	for i, f := range now {
		if was, known := before[f.Path]; known && was.Total > 0 && f.Lines.Total > 0 {
			by := math.Round(100*difference(f.Lines, was)) / 100
			now[i].Change = &by
		}
	}
}

// packageOf is the folder that a report is about, where several have their own: packages/a for packages/a/coverage/lcov.info.
func packageOf(report string) string {
	dir := path.Dir(report)
	if base := path.Base(dir); strings.HasPrefix(base, "coverage") || base == "cov" {
		dir = path.Dir(dir)
	}
	return dir
}

package coverage

import (
	"maps"
	"math"
	"path"
	"slices"
	"strings"
)

// Folder is what was covered of the files directly in one folder.
type Folder struct {
	Path     string   `json:"path"` // slash-separated; relative to the root of the sources if below it
	Lines    Figure   `json:"lines"`
	Branches Figure   `json:"branches"`
	Change   *float64 `json:"change,omitempty"` // of the lines, in percentage points; nil without a folder to compare with
}

// maxFolders bounds the folders of a result: deeper ones are added to the folder that they are in.
const maxFolders = 200

// tally adds up figures by folder.
type tally map[string]*Folder

func (t tally) add(folder string, lines, branches Figure) {
	f := t[folder]
	if f == nil {
		f = &Folder{}
		t[folder] = f
	}
	f.Lines, f.Branches = f.Lines.plus(lines), f.Branches.plus(branches)
}

// list returns at most maxFolders folders by name, without those that have nothing to cover.
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
			folded.add(name, f.Lines, f.Branches)
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

// SetChanges sets how each folder has changed since an earlier run. A folder that was not there has no change.
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

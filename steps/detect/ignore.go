package detect

import (
	"path"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// ignores reports whether a .gitignore of the workspace, or of a folder on the way, names a path or a folder above it.
// It knows the usual patterns; what it does not know counts as not ignored.
func (t *tree) ignores(name string) bool {
	for target := path.Clean(name); target != "." && target != "/"; target = path.Dir(target) {
		for folder := path.Dir(target); ; folder = path.Dir(folder) {
			text, _ := t.read(path.Join(folder, ".gitignore"))
			if ignoredBy(text, strings.TrimPrefix(target, strings.TrimPrefix(folder+"/", "./"))) {
				return true
			}
			if folder == "." {
				break
			}
		}
	}
	return false
}

// ignoredBy reports whether the last line of a .gitignore that is about a path ignores it.
func ignoredBy(text, target string) (ignored bool) {
	for line := range strings.SplitSeq(text, "\n") {
		glob := strings.TrimRight(line, " \r\t")
		if glob == "" || strings.HasPrefix(glob, "#") {
			continue
		}
		glob, negated := strings.CutPrefix(glob, "!")
		glob = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(glob, "/"), "/*"), "/**")
		if strings.Contains(glob, "/") {
			glob = strings.TrimPrefix(glob, "/")
		} else {
			glob = "**/" + glob
		}
		if ok, err := doublestar.Match(glob, target); err == nil && ok {
			ignored = !negated
		}
	}
	return ignored
}

// ignoreLines are the lines that .gitignore lacks for what steps write: a workspace with new files that are not ignored
// counts as changed, and a changed workspace is not deployed.
func ignoreLines(t *tree, all []Step) []string {
	if !t.exists(".git") {
		return nil
	}
	var lines []string
	add := func(line, sample string) {
		if !t.ignores(sample) && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	for _, s := range all {
		for _, glob := range s.Reports {
			sample := path.Join(s.Directory, strings.NewReplacer("**/", "", "*", "x").Replace(glob))
			line := path.Base(glob)
			if strings.Contains(path.Dir(strings.ReplaceAll(glob, "**/", "")), "/") || strings.HasPrefix(line, "TEST-") {
				continue // in a folder that the tool has for itself
			}
			add(line, sample)
		}
		for _, a := range s.Artifacts {
			if folder := path.Join(s.Directory, a.Path); plainGlob(folder) {
				add("/"+folder+"/", folder)
			}
		}
	}
	return lines
}

// plainGlob reports whether a path means itself as a line of .gitignore.
func plainGlob(name string) bool { return !strings.ContainsAny(name, `*?[]\!# `) }

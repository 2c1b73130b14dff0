package coverage

import (
	"cmp"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// names finds out which source file a report means: reports name files absolutely, relative to the root, or relative to
// the package that they are of.
type names struct {
	root    string // absolute
	real    string // the same without links
	reports string // the folder of the reports, relative to the root; empty if it is elsewhere
	several bool   // there are several reports
	module  string // of Go, at the root

	packages map[string][]string // by the folder of a report: those that it may be of
}

// sourceName is the name of a source file.
type sourceName struct {
	name    string // relative to the root where it is below that
	certain bool   // no other file has this name
}

func newNames(dir, root string, several bool) names {
	n := names{root: root, real: root, several: several, packages: map[string][]string{}}
	if absolute, err := filepath.Abs(root); err == nil {
		n.root, n.real = absolute, absolute
	}
	if real, err := filepath.EvalSymlinks(n.root); err == nil {
		n.real = real
	}
	if absolute, err := filepath.Abs(dir); err == nil {
		n.reports = beneath(absolute, n.root)
	}
	if text, err := os.ReadFile(filepath.Join(n.root, "go.mod")); err == nil {
		if m := moduleLine.FindSubmatch(text); m != nil {
			n.module = string(m[1])
		}
	}
	return n
}

var moduleLine = regexp.MustCompile(`(?m)^module\s+"?([^\s"]+)`)

func (n names) resolve(name string, r found) sourceName {
	if strings.Contains(name, `\`) && !strings.Contains(name, "/") { // of Windows
		name = strings.ReplaceAll(name, `\`, "/")
	}
	name = path.Clean(name)
	switch {
	case path.IsAbs(name):
		return sourceName{cmp.Or(beneath(name, n.root), beneath(name, n.real), name), true}
	case formats()[r.rank].name == goProfile: // import paths
		if rest, ok := strings.CutPrefix(name, n.module+"/"); ok && n.module != "" {
			return sourceName{rest, true}
		}
		return sourceName{name, true}
	}
	report := path.Join(n.reports, r.path)
	of, inCoverage := packageOf(report)
	within := path.Join(of, name)
	gathered := n.gathered(path.Dir(report), name)
	switch {
	case n.exists(within):
		return sourceName{within, true}
	case gathered != "":
		return sourceName{gathered, true}
	case n.exists(name):
		return sourceName{name, true}
	case n.several && inCoverage && of != ".": // packages/a/coverage/lcov.info is of packages/a
		return sourceName{within, true}
	}
	return sourceName{name, false}
}

// gathered finds a file whose report is beside those of other packages, in a folder named after its own:
// coverage/libs/a/lcov.info is of libs/a, coverage/a/lcov.info of packages/a. It is "" if none or several have the file.
func (n names) gathered(folder, name string) string {
	if n.reports == "" {
		return ""
	}
	packages, known := n.packages[folder]
	if !known {
		packages = n.packagesOf(folder)
		n.packages[folder] = packages
	}
	only := ""
	for _, p := range packages {
		if at := path.Join(p, name); n.exists(at) {
			if only != "" {
				return ""
			}
			only = at
		}
	}
	return only
}

// packagesOf are the folders of the root, or in one of its folders, whose paths a folder for coverage ends with.
func (n names) packagesOf(folder string) []string {
	parts := strings.Split(folder, "/")
	at := slices.IndexFunc(parts, isCoverage)
	if at < 0 || at == len(parts)-1 {
		return nil
	}
	rest := path.Join(parts[at+1:]...)
	found := n.folders(rest)
	entries, _ := os.ReadDir(n.root) // without it, there are only those of the root itself
	for _, e := range entries[:min(len(entries), maxRootEntries)] {
		if e.IsDir() && !isCoverage(e.Name()) && !slices.Contains(hidden, e.Name()) {
			found = append(found, n.folders(path.Join(e.Name(), rest))...)
		}
	}
	return found
}

// maxRootEntries bounds the folders of a root in which packages are looked for.
const maxRootEntries = 200

// folders returns a path if a folder has it.
func (n names) folders(name string) []string {
	if info, err := os.Stat(filepath.Join(n.root, filepath.FromSlash(name))); err != nil || !info.IsDir() {
		return nil
	}
	return []string{name}
}

func (n names) exists(name string) bool {
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		return false
	}
	info, err := os.Stat(filepath.Join(n.root, filepath.FromSlash(name)))
	return err == nil && info.Mode().IsRegular()
}

// beneath is a path relative to a folder that it is in, "" if it is not in it.
func beneath(name, root string) string {
	relative, err := filepath.Rel(root, name)
	if err != nil || !filepath.IsLocal(relative) {
		return ""
	}
	return filepath.ToSlash(relative)
}

// packageOf is the folder that a report is about: packages/a for packages/a/coverage/lcov.info. inCoverage reports
// whether the report is in a folder for coverage.
func packageOf(report string) (folder string, inCoverage bool) {
	folder = path.Dir(report)
	if isCoverage(path.Base(folder)) {
		return path.Dir(folder), true
	}
	return folder, false
}

// isCoverage reports whether a folder is one for coverage by its name.
func isCoverage(base string) bool { return strings.HasPrefix(base, "coverage") || base == "cov" }

package steps

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/carlin-cicd/runner/steps/pattern"
	"github.com/carlin-cicd/runner/steps/results"
)

// SelectError says why a failed test cannot be run again alone.
type SelectError struct{ Test, Message string }

func (e *SelectError) Error() string { return e.Test + ": " + e.Message }

// Hint says what to do about it.
func (e *SelectError) Hint() string {
	return "make the reporter write the file of each test, or set rerun.pattern to where it is in the names"
}

// files are the files of the tests, relative to dir, sorted, each once.
func files(dir string, failed []results.Case, pattern *regexp.Regexp) ([]string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f := finder{root: root, dir: dir}
	var found []string
	for _, c := range failed {
		names, err := f.of(c, pattern)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if strings.HasPrefix(name, "-") {
				name = "./" + name // which no tool takes for an option
			}
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// finder finds test files below a folder by their names in reports.
type finder struct {
	root *os.Root
	dir  string
	all  []string // every file, listed when it is first needed
}

// of returns the file of a test, or several if the name in the report matches several.
func (f *finder) of(c results.Case, pattern *regexp.Regexp) ([]string, error) {
	names := candidates(c, pattern)
	if len(names) == 0 {
		return nil, &SelectError{c.Name, "the report does not name its file"}
	}
	for _, name := range names {
		for _, within := range around(c.Report) { // reports of packages name files relative to these
			if name, ok := f.here(within + name); ok {
				return []string{name}, nil
			}
		}
	}
	for _, name := range names { // relative to a folder of the tool's configuration, such as playwright's testDir
		if found := f.below(name); len(found) > 0 {
			return found, nil
		}
	}
	if c.File == "" && pattern == nil {
		return nil, &SelectError{c.Name, "the report does not name its file"} // the candidates are guesses
	}
	return nil, &SelectError{c.Name, fmt.Sprintf("its file %s is not in the step's folder", names[0])}
}

// around are the folders of a report, the nearest first, each with a slash at its end; the last one is "".
func around(report string) []string {
	var all []string
	for folder := path.Dir(path.Clean(report)); folder != "." && folder != "/"; folder = path.Dir(folder) {
		all = append(all, folder+"/")
	}
	return append(all, "")
}

// candidates are the names that the file of a test may have, the likeliest first.
func candidates(c results.Case, pattern *regexp.Regexp) []string {
	if pattern != nil {
		for _, text := range []string{c.File, c.Class, c.Name, c.Suite} {
			if m := pattern.FindStringSubmatch(text); m != nil && m[1] != "" {
				return []string{m[1]}
			}
		}
		return nil
	}
	if c.File != "" {
		return []string{c.File}
	}
	var all []string
	for _, name := range []string{c.Class, c.Suite} { // vitest and playwright name them after the file
		if path.Ext(name) != "" {
			all = append(all, name)
		}
	}
	// pytest has tests.test_bill.TestTax for the class TestTax in tests/test_bill.py, and no class for a module that it
	// could not collect.
	for module := cmp.Or(c.Class, c.Name); module != "" && dotted.MatchString(module); {
		all = append(all, strings.ReplaceAll(module, ".", "/")+".py")
		i := strings.LastIndexByte(module, '.')
		module = module[:max(i, 0)]
	}
	return all
}

// dotted matches the names of modules. Folders may have spaces; what is found must exist.
var dotted = pattern.New(`^[\pL\pN_-]+( [\pL\pN_-]+)*(\.[\pL\pN_-]+( [\pL\pN_-]+)*)*$`)

// here returns a name relative to the folder, if a regular file there has it. Links that leave the folder are not
// followed.
func (f *finder) here(name string) (string, bool) {
	if !printable(name) {
		return "", false
	}
	if filepath.IsAbs(name) {
		real, err := filepath.EvalSymlinks(f.dir) // tools often report resolved paths
		if err != nil {
			return "", false
		}
		for _, base := range []string{f.dir, real} {
			if relative, err := filepath.Rel(base, name); err == nil && filepath.IsLocal(relative) {
				return f.here(relative)
			}
		}
		return "", false
	}
	name = path.Clean(filepath.ToSlash(name))
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		return "", false
	}
	info, err := f.root.Stat(filepath.FromSlash(name))
	return name, err == nil && info.Mode().IsRegular()
}

// maxListed bounds the files that are listed.
const maxListed = 200_000

// below returns the files of that name in any folder.
func (f *finder) below(name string) []string {
	name = path.Clean(name)
	if !printable(name) || !filepath.IsLocal(name) {
		return nil
	}
	if f.all == nil {
		// A folder that cannot be read holds no test that was run.
		_ = fs.WalkDir(f.root.FS(), ".", func(at string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return nil
			case len(f.all) > maxListed:
				return errEnough
			case d.IsDir() && slices.Contains([]string{"node_modules", ".git", ".runner", ".pnpm-store"}, d.Name()):
				return fs.SkipDir
			case d.Type().IsRegular():
				f.all = append(f.all, at)
			}
			return nil
		})
	}
	var found []string
	for _, at := range f.all {
		if strings.HasSuffix(at, "/"+name) && printable(at) {
			found = append(found, at)
		}
	}
	return found
}

var errEnough = errors.New("enough")

// printable excludes names that no tool accepts, and those that would look like something else in a log.
func printable(name string) bool {
	return name != "" && utf8.ValidString(name) &&
		strings.IndexFunc(name, func(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar }) < 0
}

var packagePath = pattern.New(`^[\pL\pN_.][\pL\pN_.~/+-]*$`)

// packages are the packages of the tests as go test takes them. Reports have them as the class.
func packages(failed []results.Case) ([]string, error) {
	var found []string
	for _, c := range failed {
		if !packagePath.MatchString(c.Class) {
			return nil, &SelectError{c.Name, "the report does not name its package"}
		}
		found = append(found, c.Class)
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// expression matches the tests as go test -run takes it: by the name of the test, which includes all its subtests. A case
// without a name stands for all tests.
func expression(failed []results.Case) string {
	var names []string
	for _, c := range failed {
		if c.Name == "" {
			return "."
		}
		name, _, _ := strings.Cut(c.Name, "/")
		names = append(names, regexp.QuoteMeta(name))
	}
	slices.Sort(names)
	return "^(" + strings.Join(slices.Compact(names), "|") + ")$"
}

package steps

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/carlin-cicd/runner/steps/results"
)

// SelectError says why a test that failed cannot be run again by itself.
type SelectError struct{ Test, Message string }

func (e *SelectError) Error() string { return e.Test + ": " + e.Message }

// Hint says what may help.
func (e *SelectError) Hint() string {
	return "make the reporter name the file of each test, or say with rerun.pattern where it is in the names"
}

// files are the files of the tests, relative to the folder, sorted, each once.
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
				name = "./" + name // no tool takes that for an option
			}
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// finder finds test files below a folder by what reports call them.
type finder struct {
	root *os.Root
	dir  string
	all  []string // every file there is; listed when it is first needed
}

// of returns the file of a test; several, if the report's name fits several.
func (f *finder) of(c results.Case, pattern *regexp.Regexp) ([]string, error) {
	said := candidates(c, pattern)
	if len(said) == 0 {
		return nil, &SelectError{c.Name, "the report does not name its file"}
	}
	for _, name := range said {
		if name, ok := f.here(name); ok {
			return []string{name}, nil
		}
	}
	for _, name := range said { // relative to a folder that only the tool knows, such as playwright's testDir
		if names := f.below(name); len(names) > 0 {
			return names, nil
		}
	}
	if c.File == "" && pattern == nil {
		return nil, &SelectError{c.Name, "the report does not name its file"} // what was tried is a guess
	}
	return nil, &SelectError{c.Name, fmt.Sprintf("its file %s is not in the step's folder", said[0])}
}

// candidates are what may be the file of a test, the likeliest first.
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
	// pytest has tests.test_bill.TestTax for the class TestTax in tests/test_bill.py.
	for module := c.Class; module != "" && dotted().MatchString(module); {
		all = append(all, strings.ReplaceAll(module, ".", "/")+".py")
		i := strings.LastIndexByte(module, '.')
		module = module[:max(i, 0)]
	}
	return all
}

// dotted and packagePath are compiled when they are needed: with letters of all scripts that takes as long as all else that is
// made ready when a run starts.
var dotted = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[\pL_][\pL\pN_]*(\.[\pL_][\pL\pN_]*)*$`)
})

// here returns a name relative to the folder, if it is that of a regular file in it. Links that leave the folder are not followed.
func (f *finder) here(name string) (string, bool) {
	if !printable(name) {
		return "", false
	}
	if filepath.IsAbs(name) {
		real, err := filepath.EvalSymlinks(f.dir) // what a tool reports is often resolved
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

// maxListed bounds the files that are looked through.
const maxListed = 200_000

// below returns the files of that name in whatever folder.
func (f *finder) below(name string) []string {
	name = path.Clean(name)
	if !printable(name) || !filepath.IsLocal(name) {
		return nil
	}
	if f.all == nil {
		// What cannot be read holds no test that was run.
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

// printable keeps out what no tool takes as a name and what would look like something else in a log.
func printable(name string) bool {
	return name != "" && utf8.ValidString(name) && strings.IndexFunc(name, func(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar }) < 0
}

var packagePath = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[\pL\pN_.][\pL\pN_.~/+-]*$`) })

// packages are the packages of the tests, as go test takes them: reports have them as the class.
func packages(failed []results.Case) ([]string, error) {
	var found []string
	for _, c := range failed {
		if !packagePath().MatchString(c.Class) {
			return nil, &SelectError{c.Name, "the report does not name its package"}
		}
		found = append(found, c.Class)
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// expression matches the tests as -run of go test takes it: by the name of the test itself, which brings all its subtests along.
func expression(failed []results.Case) string {
	var names []string
	for _, c := range failed {
		name, _, _ := strings.Cut(c.Name, "/")
		names = append(names, regexp.QuoteMeta(name))
	}
	slices.Sort(names)
	return "^(" + strings.Join(slices.Compact(names), "|") + ")$"
}

package steps

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/carlin-cicd/runner/steps/pattern"
	"github.com/carlin-cicd/runner/steps/results"
)

// A person names tests by words: the file of a test, relative to the step's folder; a package of Go, or a test in one as
// in example.com/shop/price.TestTax; or the name of a test that a report or a record has. Which of them a step takes is
// decided by the placeholders of its rerun command.

// ErrNoSubset says that a step cannot run a part of its tests.
var ErrNoSubset = errors.New("its rerun command names no tests")

// NamesTests reports whether the command runs the tests that it is given.
func (r Rerun) NamesTests() bool { return placeholder.MatchString(r.Command.whole()) }

// whole is all that a command consists of.
func (c Command) whole() string { return strings.Join(append(slices.Clone(c.Args), c.Line), " ") }

// Words returns words by which Only selects failed tests: no more than the rerun command can tell apart. The error is
// ErrNoSubset or a *SelectError.
func (r Rerun) Words(dir string, failed []results.Case) ([]string, error) {
	if !r.NamesTests() {
		return nil, ErrNoSubset
	}
	whole := r.Command.whole()
	if strings.Contains(whole, filesWord) {
		return r.fileWords(dir, failed)
	}
	withTests, withPackages := strings.Contains(whole, testsWord), strings.Contains(whole, packagesWord)
	var words []string
	for _, c := range failed {
		test, _, _ := strings.Cut(c.Name, "/")
		word := test
		if withPackages {
			found, err := packages([]results.Case{c})
			if err != nil {
				return nil, err
			}
			word = found[0]
			if withTests {
				word += "." + test
			}
		}
		if strings.ContainsFunc(word, unicode.IsControl) || word == "" {
			return nil, &SelectError{c.Name, "its name cannot be typed"}
		}
		words = append(words, word)
	}
	slices.Sort(words)
	return slices.Compact(words), nil
}

func (r Rerun) fileWords(dir string, failed []results.Case) ([]string, error) {
	folders, groups := r.byPackage(dir, failed)
	var words []string
	for _, folder := range folders {
		found, err := files(filepath.Join(dir, filepath.FromSlash(folder)), groups[folder], r.Pattern)
		if err != nil {
			return nil, err
		}
		for _, name := range found {
			words = append(words, path.Join(folder, name))
		}
	}
	return words, nil
}

// Only returns the command for the tests that words name. Known are cases of reports, for names of tests and for the
// packages of files. The error is ErrNoSubset or a *SelectError.
func (r Rerun) Only(dir string, reports, words []string, known []results.Case) (Command, error) {
	if !r.NamesTests() {
		return Command{}, ErrNoSubset
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Command{}, err
	}
	defer root.Close()
	s := selection{
		finder: finder{root: root, dir: dir}, rerun: r, reports: reports, known: known,
		byFile: strings.Contains(r.Command.whole(), filesWord),
	}
	var selected []results.Case
	for _, word := range words {
		found, err := s.find(word)
		if err != nil {
			return Command{}, err
		}
		selected = append(selected, found...)
	}
	if s.byFile {
		r.Pattern = nil // the cases have their files
	}
	return r.Select(dir, selected)
}

// selection finds the tests that words name.
type selection struct {
	finder
	rerun   Rerun
	reports []string // globs
	known   []results.Case
	byFile  bool // the command takes files, else packages and names
}

func (s *selection) find(word string) ([]results.Case, error) {
	if s.byFile {
		if name, ok := s.here(word); ok {
			return []results.Case{{Name: word, File: name, Report: s.reportOf(name)}}, nil
		}
	}
	var found []results.Case
	for _, c := range s.known {
		if !isNamed(c, word) {
			continue
		}
		if s.byFile {
			names, err := s.of(c, s.rerun.Pattern)
			if err != nil {
				return nil, err
			}
			c.File = names[0]
			c.Class = ""
		}
		found = append(found, c)
	}
	if c, ok := s.goTest(word); ok && !s.byFile && len(found) == 0 {
		return []results.Case{c}, nil
	}
	if len(found) == 0 {
		what := "no file of the step's folder, and no test of its last reports, has this name"
		if !s.byFile {
			what = "it is neither a package nor a test, and no test of the last reports has this name"
		}
		return nil, &SelectError{word, what}
	}
	return found, nil
}

// isNamed reports whether a word is the name of a test, alone or with its class as reports and pages write it.
func isNamed(c results.Case, word string) bool {
	if c.Name == word {
		return true
	}
	return c.Class != "" && slices.Contains([]string{
		c.Class + " › " + c.Name, c.Class + " " + c.Name, c.Class + "." + c.Name, c.Class + "::" + c.Name,
	}, word)
}

// qualified matches a test of Go with its package, as in example.com/shop/price.TestTax/rounds.
var qualified = pattern.New(`^(.*[^/])\.((?:Test|Example|Fuzz|Benchmark)[^/]*(?:/.*)?)$`)

// goTestName matches the name of a test of Go.
var goTestName = pattern.New(`^(?:Test|Example|Fuzz|Benchmark)[^/\s]*(?:/.*)?$`)

// allPackages is where a test is looked for whose package is not known.
const allPackages = "./..."

// goTest reads a package, a test, or a test in a package.
func (s *selection) goTest(word string) (results.Case, bool) {
	if m := qualified.FindStringSubmatch(word); m != nil && packagePath.MatchString(m[1]) {
		return s.inPackage(results.Case{Class: m[1], Name: m[2]}), true
	}
	if goTestName.MatchString(word) {
		return s.inPackage(results.Case{Class: allPackages, Name: word}), true
	}
	if !packagePath.MatchString(word) || !strings.ContainsAny(word, "/.") {
		return results.Case{}, false
	}
	if info, err := s.root.Stat(path.Clean(word)); err == nil && info.IsDir() && !strings.HasPrefix(word, "./") {
		word = "./" + path.Clean(word)
	}
	return s.inPackage(results.Case{Class: word}), true
}

// inPackage adds what the known cases tell of a test: its package, and the report of the module that it is in.
func (s *selection) inPackage(c results.Case) results.Case {
	test, _, _ := strings.Cut(c.Name, "/")
	for _, k := range s.known {
		name, _, _ := strings.Cut(k.Name, "/")
		if k.Class == c.Class || c.Class == allPackages && name == test && packagePath.MatchString(k.Class) {
			c.Class, c.Report = k.Class, k.Report
			return c
		}
	}
	return c
}

// reportOf returns the report that a file's tests are in, as far as that is known: it decides in which package the
// command runs.
func (s *selection) reportOf(name string) string {
	for _, c := range s.known {
		if found, err := s.of(c, s.rerun.Pattern); err == nil && slices.Contains(found, name) {
			return c.Report
		}
	}
	folder := packageFolder(s.dir, name)
	for _, glob := range s.reports {
		report := path.Base(glob)
		if strings.ContainsAny(report, "*?[{") {
			report = "junit.xml"
		}
		if folder == "." || !strings.Contains(glob, "/") {
			continue
		}
		at := path.Join(folder, report)
		if matched, err := doublestar.Match(path.Clean(glob), at); err == nil && matched {
			return at
		}
	}
	return ""
}

// OnlyError says that words name no tests that a step can run alone.
type OnlyError struct {
	Step string
	Err  error
}

func (e *OnlyError) Error() string {
	if errors.Is(e.Err, ErrNoSubset) {
		return fmt.Sprintf("step %s cannot run a part of its tests: %v", e.Step, e.Err)
	}
	return fmt.Sprintf("step %s cannot run these tests alone: %v", e.Step, e.Err)
}

// Hint says what to do next.
func (e *OnlyError) Hint() string {
	if errors.Is(e.Err, ErrNoSubset) {
		return "run all of it, or write rerun.command with {files}, {packages} or {tests} in runner.yaml"
	}
	return "name files relative to the step's folder, Go tests as in example.com/shop/price.TestTax"
}

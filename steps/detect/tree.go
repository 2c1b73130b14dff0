package detect

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/carlin-cicd/runner/steps/pattern"
)

// The limits of what is read: a workspace is not always what it should be.
const (
	maxFile    = 4 << 20
	maxDepth   = 5
	maxFolders = 4000
	maxEntries = 200_000
)

// tree are the files of a workspace. No file outside of it is read: links that leave it are as good as missing.
type tree struct {
	root    *os.Root
	folders []string            // those that may hold projects, by depth, then by name
	files   map[string][]string // the names of files in each of them
	below   map[string][]string // the names of folders in each of them, also of those that are not looked into
	cut     string              // what was not looked at, for people
}

// closed are folders of what others wrote or tools made: they hold no project of the workspace.
var closed = pattern.New(`^(\..*|_.*|node_modules|bower_components|vendor|third[_-]?party|site-packages|` +
	`__pycache__|venv|target|dist|coverage|testdata|Pods)$`)

// shown are folders of projects that show, try or support another.
var shown = pattern.New(`(^|/)(examples?|docs?|website|site|demos?|samples?|playgrounds?|templates?|fixtures?|` +
	`__fixtures__|__tests__|tests?|specs?|e2e|benchmarks?|benches|bench|fuzz|fuzzing|tools?|scripts|bindings)(/|$)`)

// aside reports whether a folder's projects show, try or support another: they are named, but get no steps.
func aside(dir string) bool { return shown.MatchString(dir) }

func depth(dir string) int {
	if dir == "." {
		return 0
	}
	return 1 + strings.Count(dir, "/")
}

// within reports whether a folder is below another.
func within(outer, inner string) bool {
	return inner != outer && (outer == "." || strings.HasPrefix(inner, outer+"/"))
}

// scan lists the folders of a workspace. It follows no links.
func scan(dir string) (*tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, &ReadError{dir, err}
	}
	t := &tree{root: root, files: map[string][]string{}, below: map[string][]string{}}
	entries := 0
	for next := []string{"."}; len(next) > 0; next = next[1:] {
		if len(t.folders) == maxFolders || entries > maxEntries {
			t.cut = fmt.Sprintf("folders after %s: the workspace has too many", next[0])
			break
		}
		folder := next[0]
		list, err := fs.ReadDir(root.FS(), folder)
		if err != nil && folder == "." {
			return nil, errors.Join(&ReadError{dir, err}, root.Close())
		}
		t.folders = append(t.folders, folder)
		entries += len(list)
		for _, entry := range list {
			name := entry.Name()
			switch {
			case !plainName(name):
			case !entry.IsDir():
				t.files[folder] = append(t.files[folder], name)
			default:
				t.below[folder] = append(t.below[folder], name)
				if !closed.MatchString(name) && depth(folder) < maxDepth {
					next = append(next, path.Join(folder, name))
				}
			}
		}
	}
	return t, nil
}

func (t *tree) close() { _ = t.root.Close() }

// plainName reports whether a name can be written in a file and on a terminal, and is not a drive of Windows, which
// runner.yaml refuses.
func plainName(name string) bool {
	drive := len(name) > 1 && name[1] == ':'
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	return !drive && utf8.ValidString(name) && !strings.ContainsFunc(name, unprintable)
}

// withMarks are the folders that have a file of one of the names.
func (t *tree) withMarks(marks []string) []string {
	var folders []string
	for _, folder := range t.folders {
		if slices.ContainsFunc(marks, func(mark string) bool { return t.matching(folder, mark) != "" }) {
			folders = append(folders, folder)
		}
	}
	return folders
}

// matching is the first file of a folder with a name such as "*.csproj", or "".
func (t *tree) matching(folder, mark string) string {
	for _, name := range t.files[folder] {
		if ok, err := path.Match(mark, name); ok && err == nil {
			return name
		}
	}
	return ""
}

// has reports whether the project has a file or folder.
func (p project) has(name string) bool { return p.exists(path.Join(p.dir, name)) }

func (t *tree) exists(name string) bool {
	_, err := t.root.Stat(name)
	return err == nil
}

// place is how messages say the project.
func (p project) place(name string) string {
	if p.dir == "." {
		return name
	}
	return p.dir + " (" + name + ")"
}

// first is the first of the names that the project has, or "".
func (p project) first(names ...string) string {
	for _, name := range names {
		if p.has(name) {
			return name
		}
	}
	return ""
}

// text returns a file of the project: "" for one that is not there, or that cannot be read.
func (p project) text(name string) string {
	text, _ := p.read(path.Join(p.dir, name))
	return text
}

// must returns a file of the project: "" for one that is not there. The error is a *ReadError.
func (p project) must(name string) (string, error) { return p.read(path.Join(p.dir, name)) }

func (t *tree) read(name string) (string, error) {
	info, err := t.root.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", &ReadError{name, cause(err)}
	case !info.Mode().IsRegular(): // opening a pipe would wait
		return "", &ReadError{name, errors.New("it is not a regular file")}
	}
	f, err := t.root.Open(name)
	if err != nil {
		return "", &ReadError{name, cause(err)}
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return "", &ReadError{name, cause(err)}
	case len(text) > maxFile:
		return "", &ReadError{name, fmt.Errorf("it is larger than %d MiB", maxFile>>20)}
	}
	return strings.TrimPrefix(string(text), "\ufeff"), nil
}

// cause is an error without the path that it names: a ReadError has it.
func cause(err error) error {
	if inner := (*fs.PathError)(nil); errors.As(err, &inner) {
		return inner.Err
	}
	return err
}

// executable reports whether a script of the project can be started by its name.
func (p project) executable(name string) bool {
	info, err := p.root.Stat(path.Join(p.dir, name))
	return err == nil && info.Mode()&0o100 != 0
}

// sources reports whether a folder or one below it has a file with a name such as "*_test.go".
func (t *tree) sources(dir, mark string) bool {
	return slices.ContainsFunc(t.folders, func(folder string) bool {
		return (folder == dir || within(dir, folder)) && t.matching(folder, mark) != ""
	})
}

// ReadError is for a file that cannot be read.
type ReadError struct {
	Path string
	Err  error
}

func (e *ReadError) Error() string { return fmt.Sprintf("%s cannot be read: %v", e.Path, e.Err) }

func (e *ReadError) Unwrap() error { return e.Err }

// Hint says what to do about it.
func (e *ReadError) Hint() string { return "correct it, or write runner.yaml by hand: see the README" }

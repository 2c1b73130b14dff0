package shards

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/carlin-cicd/runner/runner/outcome"
)

// MaxUnits is how many files a list may have.
const MaxUnits = 200_000

// Parse reads what the list command has printed. dir is the absolute path of the folder that it ran in. Units are in
// the order of their names, each once. The error is a *outcome.ResultsError: a file that is not understood would not be
// tested.
func (w Way) Parse(output []byte, dir string) ([]Unit, error) {
	units, err := w.parse(output, dir)
	if err == nil && len(units) > MaxUnits {
		err = fmt.Errorf("it has %d files; the most is %d", len(units), MaxUnits)
	}
	if err != nil {
		return nil, &outcome.ResultsError{
			Message: "the list of test files cannot be read: " + err.Error(),
			Advice:  "have the command of split.list print nothing but a file a line to stdout; for pnpm that is pnpm --silent",
		}
	}
	sort.Slice(units, func(i, j int) bool { return units[i].Name < units[j].Name })
	return slices.CompactFunc(units, func(a, b Unit) bool { return a.Name == b.Name }), nil
}

// Digest identifies a list: shards that have different ones would miss tests.
func Digest(units []Unit) string {
	h := sha256.New()
	for _, u := range units {
		for _, name := range append([]string{u.Name}, u.Others...) {
			h.Write([]byte(name))
			h.Write([]byte{0})
		}
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// Names are the files of units.
func Names(units []Unit) (all []string) {
	for _, u := range units {
		all = append(append(all, u.Name), u.Others...)
	}
	return all
}

// Args are the arguments of units.
func Args(units []Unit) (all []string) {
	for _, u := range units {
		all = append(all, u.Args...)
	}
	return all
}

// parseFiles reads a file a line.
func parseFiles(output []byte, dir string) (units []Unit, err error) {
	for i, text := range lines(output) {
		name, err := localName(text, dir)
		if err != nil {
			return nil, fmt.Errorf("line %d, %w", i+1, err)
		}
		units = append(units, unitOf(name))
	}
	return units, nil
}

func lines(output []byte) (all []string) {
	for text := range strings.Lines(string(output)) {
		if text = strings.TrimRight(text, "\r\n"); strings.TrimSpace(text) != "" {
			all = append(all, text)
		}
	}
	return all
}

// unitOf is a file. A name with a dash in front would be taken for an option.
func unitOf(name string) Unit {
	arg := name
	if strings.HasPrefix(name, "-") {
		arg = "./" + name
	}
	return Unit{Name: name, Args: []string{arg}}
}

// localName returns a path relative to a folder. It must be a file there.
func localName(text, dir string) (string, error) {
	name := text
	if filepath.IsAbs(text) {
		name = ""
		for _, base := range []string{dir, realPath(dir)} {
			if relative, err := filepath.Rel(base, text); err == nil && filepath.IsLocal(relative) {
				name = relative
				break
			}
		}
	}
	name = path.Clean(filepath.ToSlash(name))
	switch {
	case name == "." || !filepath.IsLocal(name):
		return "", fmt.Errorf("%q, is not in the step's folder", shorten(text))
	case !printable(name):
		return "", fmt.Errorf("%q, is not text", shorten(text))
	case !isFile(filepath.Join(dir, name)):
		return "", fmt.Errorf("%q, is not a file", shorten(text))
	}
	return name, nil
}

func printable(name string) bool {
	return utf8.ValidString(name) && !strings.ContainsFunc(name, unicode.IsControl)
}

// shorten keeps text that is no list out of messages.
func shorten(text string) string {
	const most = 120
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// parseVitest reads the files of each project. vitest runs every file whose path contains the one that it is given, or that
// one relative to the folder of its tests: files whose path is in that of another are of one unit.
func parseVitest(output []byte, dir, within string) ([]Unit, error) {
	var listed []struct {
		File string `json:"file"`
	}
	if err := json.Unmarshal(jsonPart(output, '['), &listed); err != nil {
		return nil, fmt.Errorf("vitest list: %w", err)
	}
	units := make([]Unit, 0, len(listed))
	for _, l := range listed {
		name, err := localName(l.File, dir)
		if err != nil {
			return nil, err
		}
		units = append(units, unitOf(name))
	}
	sort.Slice(units, func(i, j int) bool {
		a, b := units[i], units[j]
		return cmp.Or(len(a.Name)-len(b.Name), strings.Compare(a.Name, b.Name)) < 0
	})
	units = slices.CompactFunc(units, func(a, b Unit) bool { return a.Name == b.Name })
	var apart []Unit
	for _, u := range units {
		i := slices.IndexFunc(apart, func(other Unit) bool {
			return slices.ContainsFunc(append([]string{other.Name}, other.Others...), func(name string) bool {
				return runs(name, u.Name, within) || runs(u.Name, name, within)
			})
		})
		if i < 0 {
			apart = append(apart, u)
			continue
		}
		apart[i].Others, apart[i].Args = append(apart[i].Others, u.Name), append(apart[i].Args, u.Args...)
	}
	return apart, nil
}

// runs reports whether vitest, given a file, runs another one as well.
func runs(given, other, within string) bool {
	given = strings.TrimPrefix(given, path.Clean(within)+"/")
	return strings.Contains(strings.ToLower(other), strings.ToLower(given))
}

// parsePlaywright reads its report of a list.
func parsePlaywright(output []byte, dir string) (units []Unit, err error) {
	var listed struct {
		Config struct {
			RootDir string `json:"rootDir"`
		} `json:"config"`
		Suites []struct {
			File string `json:"file"`
		} `json:"suites"`
		Errors []struct {
			Message string `json:"message"`
		} `json:"errors"`
	}
	if err := json.Unmarshal(jsonPart(output, '{'), &listed); err != nil {
		return nil, fmt.Errorf("playwright test --list: %w", err)
	}
	if len(listed.Errors) > 0 {
		return nil, fmt.Errorf("playwright test --list: %s", shorten(listed.Errors[0].Message))
	}
	for _, s := range listed.Suites {
		full := filepath.Join(listed.Config.RootDir, filepath.FromSlash(s.File))
		name, err := localName(full, dir)
		if err != nil {
			return nil, err
		}
		units = append(units, Unit{Name: name, Args: []string{"/^" + strings.ReplaceAll(regexp.QuoteMeta(full), "/", `\/`) + "$/"}})
	}
	return units, nil
}

// parseMocha reads the last thing that is printed: the files that are loaded may print, too.
func parseMocha(output []byte, dir string) (units []Unit, err error) {
	var listed struct {
		Tests []struct {
			File string `json:"file"`
		} `json:"tests"`
	}
	at := bytes.LastIndex(output, []byte("{\n  \"stats\":"))
	if at < 0 {
		return nil, fmt.Errorf("mocha --dry-run printed no list")
	}
	if err := json.Unmarshal(output[at:], &listed); err != nil {
		return nil, fmt.Errorf("mocha --dry-run: %w", err)
	}
	for _, t := range listed.Tests {
		name, err := localName(t.File, dir)
		if err != nil {
			return nil, err
		}
		units = append(units, unitOf(name))
	}
	return units, nil
}

// jsonPart leaves out what is printed before the JSON.
func jsonPart(output []byte, first byte) []byte {
	for at := range output {
		if output[at] == first && (at == 0 || output[at-1] == '\n') {
			return output[at:]
		}
	}
	return output
}

var pytestCount = regexp.MustCompile(`^(.+): [0-9]+$`)

// parsePytest reads the number of tests of each file.
func parsePytest(output []byte, dir string) (units []Unit, err error) {
	for _, text := range lines(output) {
		found := pytestCount.FindStringSubmatch(text)
		if found == nil { // a warning, a summary
			continue
		}
		name, err := localName(found[1], dir)
		if err != nil {
			return nil, err
		}
		units = append(units, unitOf(name))
	}
	return units, nil
}

var goPackage = regexp.MustCompile(`^[^\s-][^\s]*$`)

// parseGo reads packages, and whether they have tests.
func parseGo(output []byte, _ string) (units []Unit, err error) {
	for i, text := range lines(output) {
		name, has, ok := strings.Cut(text, " ")
		if !ok || !goPackage.MatchString(name) || has != "tests" && has != "none" || !printable(name) {
			return nil, fmt.Errorf("line %d, %q, is not a package", i+1, shorten(text))
		}
		units = append(units, Unit{Name: name, Args: []string{name}, Empty: has == "none"})
	}
	return units, nil
}

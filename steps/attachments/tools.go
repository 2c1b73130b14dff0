package attachments

import (
	"encoding/json"
	"image"
	_ "image/png" // whose size is looked at
	"io"
	"path"
	"slices"
	"strings"
	"unicode"

	"github.com/carlin-cicd/runner/steps/pattern"
	"github.com/carlin-cicd/runner/steps/results"
)

// playwrightSuite is a part of Playwright's JSON report.
type playwrightSuite struct {
	Title  string            `json:"title"`
	File   string            `json:"file"`
	Suites []playwrightSuite `json:"suites"`
	Specs  []struct {
		Title string `json:"title"`
		Tests []struct {
			Project string `json:"projectName"`
			Results []struct {
				Attachments []struct {
					Name string `json:"name"`
					Path string `json:"path"`
				} `json:"attachments"`
			} `json:"results"`
		} `json:"tests"`
	} `json:"specs"`
}

const (
	maxJSON      = 64 << 20 // bytes of a report
	maxJSONFiles = 20
)

// playwrightJSON takes the files that Playwright's JSON reports name, which say what each is. They are looked for beside
// the JUnit reports, and where Playwright's documentation has them.
func (f *finder) playwrightJSON() {
	folders := []string{".", "test-results", "playwright-report"}
	for _, c := range f.Cases {
		if at := path.Dir(c.Report); !slices.Contains(folders, at) && !strings.HasPrefix(at, "..") {
			folders = append(folders, at)
		}
	}
	read := 0
	for _, folder := range folders {
		dir, err := f.root.Open(path.Join(f.Directory, folder))
		if err != nil {
			continue
		}
		entries, _ := dir.ReadDir(2000)
		dir.Close()
		for _, e := range entries {
			name := path.Join(f.Directory, folder, e.Name())
			info, err := e.Info()
			if err != nil || !info.Mode().IsRegular() || path.Ext(name) != ".json" || info.Size() > maxJSON || !f.fresh(info) {
				continue
			}
			if read++; read > maxJSONFiles {
				return
			}
			f.readPlaywright(name)
		}
	}
}

func (f *finder) readPlaywright(name string) {
	file, err := f.root.Open(name)
	if err != nil {
		return
	}
	defer file.Close()
	var report struct {
		Config json.RawMessage   `json:"config"`
		Suites []playwrightSuite `json:"suites"`
	}
	if json.NewDecoder(io.LimitReader(file, maxJSON)).Decode(&report) != nil || report.Config == nil {
		return // it is another file
	}
	for _, s := range report.Suites {
		f.suite(s, nil, path.Dir(name))
	}
}

// suite takes the files of a suite, whose titles are those around it without the file's.
func (f *finder) suite(s playwrightSuite, titles []string, beside string) {
	for _, inner := range s.Suites {
		f.suite(inner, append(slices.Clone(titles), inner.Title), beside)
	}
	for _, spec := range s.Specs {
		name := strings.Join(append(slices.Clone(titles), spec.Title), " › ")
		for _, test := range spec.Tests {
			i := slices.IndexFunc(f.Cases, func(c results.Case) bool {
				return c.Name == name && (c.File == s.File || c.Class == s.File) && (c.Project == test.Project || c.Project == "" || test.Project == "")
			})
			if i < 0 {
				continue
			}
			for _, result := range test.Results {
				for _, a := range result.Attachments {
					if a.Path != "" {
						f.take(f.Cases[i].ID, a.Path, beside, a.Name)
					}
				}
			}
		}
	}
}

var attempt = pattern.New(`( \(failed\)| \(attempt \d+\)| \(\d+\))+$`)

// cypress takes screenshots and videos from Cypress's folders. The folder of a screenshot is named after its file, the
// screenshot after the titles of its test.
func (f *finder) cypress() {
	for _, name := range f.files("cypress/screenshots", ".png") {
		spec, title := path.Base(path.Dir(name)), strings.TrimSuffix(path.Base(name), ".png")
		title = letters(attempt.ReplaceAllString(title, ""))
		f.addMatch(name, func(c results.Case) bool {
			return fileIs(c, spec) && slices.Contains([]string{letters(c.Name), letters(c.Class + c.Name), letters(c.Suite + c.Name)}, title)
		})
	}
	for _, name := range f.files("cypress/videos", ".mp4") {
		spec := strings.TrimSuffix(path.Base(name), ".mp4")
		f.addMatch(name, func(c results.Case) bool { return fileIs(c, spec) })
	}
}

// fileIs reports whether a test is in a file of that name. Some reports have no file: then any may be.
func fileIs(c results.Case, spec string) bool {
	return c.File == "" || path.Base(c.File) == spec || strings.TrimSuffix(path.Base(c.File), path.Ext(c.File)) == spec
}

// imageSnapshots takes the differences that jest-image-snapshot leaves beside the files of tests: a picture of what was
// expected, the difference and what was received, side by side. Its name is made of the file's, the test's and a number.
func (f *finder) imageSnapshots() {
	var folders []string
	for _, c := range f.Cases {
		at, ok := c.File, true
		if path.IsAbs(at) {
			at, ok = f.within(at)
			at = strings.TrimPrefix(at, f.Directory+"/")
		}
		if at = path.Join(path.Dir(at), "__image_snapshots__"); ok && c.File != "" && !slices.Contains(folders, at) {
			folders = append(folders, at)
		}
	}
	for _, folder := range folders {
		if strings.HasPrefix(folder, "..") {
			continue
		}
		for _, name := range f.files(path.Join(folder, "__diff_output__"), ".png") {
			// Version 6 ends the name with "-snap-diff.png", those before it with "-diff.png".
			id := strings.TrimSuffix(strings.TrimSuffix(path.Base(name), "-diff.png"), "-snap")
			text := strings.TrimRight(letters(id), "0123456789")
			before := len(f.found)
			f.addMatch(name, func(c results.Case) bool {
				whole := letters(path.Base(c.File) + c.Name)
				return strings.TrimRight(whole, "0123456789") == text ||
					strings.TrimRight(letters(path.Base(c.File)+c.Class+c.Name), "0123456789") == text
			})
			if role := f.threeIn(name, path.Join(path.Dir(path.Dir(name)), id+"-snap.png")); role != "" && len(f.found) > before {
				f.found[before].Role = role
			}
		}
	}
}

// threeIn returns how three pictures of the size of another lie in one; "" if they do not.
func (f *finder) threeIn(name, snapshot string) Role {
	three, one := f.size(name), f.size(snapshot)
	switch {
	case one.Width <= 0:
	case three.Width == 3*one.Width && three.Height == one.Height:
		return Side
	case three.Width == one.Width && three.Height == 3*one.Height:
		return Stack
	}
	return ""
}

func (f *finder) size(name string) (c image.Config) {
	file, err := f.root.Open(name)
	if err != nil {
		return c
	}
	defer file.Close()
	c, _, _ = image.DecodeConfig(file) // the zero value, if it is no picture
	return c
}

// addMatch adds a file for the first test that it is of, else for none.
func (f *finder) addMatch(name string, of func(results.Case) bool) {
	test := ""
	if i := slices.IndexFunc(f.Cases, of); i >= 0 {
		test = f.Cases[i].ID
	}
	f.add(Found{Test: test, Path: name})
}

// letters returns text without anything but letters and digits, in lower case: tools replace the rest in names of files
// in their own ways.
func letters(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, text)
}

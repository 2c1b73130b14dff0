package results

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"os"
	"path"
	"strings"
	"sync"

	"github.com/carlin-cicd/runner/steps/pattern"
)

// projectProperties are the properties of suites that name a configuration under which the same tests run: a browser, a
// device.
var projectProperties = []string{
	"project",
	"projectName",
	"browser",
	"browserName",
	"browser.name",
	"browser.fullName",
	"device",
	"deviceName",
	"platform",
}

// projectOf is the configuration under which a test ran, "" if the report names none.
func projectOf(t *testCase) string {
	for _, name := range projectProperties {
		if value := t.suite.Properties[name]; value != "" {
			return shorten(versions.ReplaceAllString(value, ""), maxProject)
		}
	}
	// Playwright names suites and classes after files. That the hostname is none makes it certain.
	host := t.suite.Properties["hostname"]
	if host == "" || t.Classname != t.suite.Name || guessFile(t.Classname) == "" || host == machine() ||
		machineName.MatchString(host) {
		return ""
	}
	return shorten(host, maxProject)
}

// machineName matches names that machines and containers have.
var machineName = pattern.New(`^(localhost|[0-9a-f]{12}|ip-\d.*|.*\.(internal|local|localdomain|lan))$`)

const maxProject = 100 // bytes

// versions are left out of projects: a test is the same one in the next release of its browser.
var versions = pattern.New(`[ /]*[0-9]+(\.[0-9]+)+`)

var machine = sync.OnceValue(func() string {
	name, _ := os.Hostname()
	return name
})

// identify returns the ID of a case: a digest of where it is and what it is called. occurrence tells it from namesakes,
// such as the rows of a table of tests.
func (c Case) identify(occurrence uint32) string {
	h := sha256.New()
	suite := suiteTime.ReplaceAllString(c.Suite, "")
	for _, part := range []string{c.Project, path.Dir(c.Report), suite, c.File, c.Class, c.Name} {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	h.Write([]byte{byte(occurrence), byte(occurrence >> 8), byte(occurrence >> 16), byte(occurrence >> 24)})
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// suiteTime is the time that unittest-xml-reporting appends to the names of suites.
var suiteTime = pattern.New(`-[0-9]{14}$`)

// fileOf is the file that a report names, without what some producers write around it: the scheme of a URL, "./", the
// title or the line of the test.
func fileOf(text string) string {
	if rest, ok := strings.CutPrefix(text, "file://"); ok {
		if unescaped, err := url.PathUnescape(rest); err == nil {
			text = unescaped
		}
	}
	text, _, _ = strings.Cut(text, "::")
	text = position.ReplaceAllString(text, "$1")
	if rest, ok := strings.CutPrefix(text, "./"); ok {
		text = rest
	}
	return text
}

// position is a line, or a line and a column, behind the name of a file.
var position = pattern.New(`(\.[A-Za-z0-9]+)(:[0-9]+){1,2}$`)

var (
	// sourceFile matches src/sum.test.ts but not com.example.Sum, and not packages like github.com/nats-io/nats.go:
	// hence languages that never name tests after files are missing.
	sourceFile = pattern.New(`^[^\s:]+\.([cm]?[jt]sx?|py|rb|php|exs?|feature)$`)
	// testFile also matches names with spaces, which sentences do not end like.
	testFile = pattern.New(`^[^:\n]*[/\w-]\.(test|spec|cy|e2e)\.[cm]?[jt]sx?$`)
)

// guessFile finds a file in the names of a case: vitest and playwright name classes or suites after files.
func guessFile(names ...string) string {
	for _, name := range names {
		if sourceFile.MatchString(name) || testFile.MatchString(name) {
			return name
		}
	}
	return ""
}

var (
	// hookName matches the names that tools give to hooks that fail, so that their tests do not run.
	hookName = pattern.New(
		`"(before|after) (all|each)" hook|Test execution failure: could be caused by test hooks`,
	)
	// unittestSetup matches the names that unittest gives to the setup of a class or a module, which the group names.
	unittestSetup = pattern.New(`^(?:setUp|tearDown)(?:Class|Module) \(([\w.]+)\)$`)
	// className matches the name of a class with its package.
	className = pattern.New(`^\w+(\.\w+)*\.[A-Z]\w*$`)
)

// classSetup matches the tests that JUnit's runners report where the setup of a class failed.
var classSetup = pattern.New(`^(initializationError|executionError|classMethod)(\(\S*\))?$`)

// isSetup reports whether a case is not a test but the setup of several that failed: a hook, a class, a file.
func (c Case) isSetup(message string) bool {
	switch {
	case c.Status != Failed && c.Status != Errored:
		return false
	case c.Name == "" || c.Name == c.File || hookName.MatchString(c.Name) || unittestSetup.MatchString(c.Name):
		return true
	case c.Class != "" && classSetup.MatchString(c.Name):
		return true
	case c.Class == "":
		return message == "collection failure" // of pytest
	}
	return c.Name == c.Class && className.MatchString(c.Name)
}

// describes is between the names of suites and of a test of vitest.
const describes = " > "

// IsSetupOf reports whether c is the setup of a test: of the same file, or where no file is known of the same class.
func (c Case) IsSetupOf(test Case) bool {
	if !c.Setup || c.Project != test.Project {
		return false
	}
	if c.File != "" {
		return c.File == test.File
	}
	class := cmp.Or(c.Class, c.Name)
	return class != "" && (test.Class == class || strings.HasPrefix(test.Class, class+"."))
}

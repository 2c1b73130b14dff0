package detect

import (
	"fmt"
	"path"

	"github.com/carlin-cicd/runner/steps/pattern"
)

// cmake is C, C++ and others with CMake and ctest.
type cmake struct{}

func (cmake) name() string { return "cmake" }

func (cmake) marks() []string { return []string{"CMakeLists.txt"} }

var (
	registersTests = pattern.New(`(?im)^\s*(enable_testing\s*\(|include\s*\(\s*CTest\s*\)|add_test\s*\()`)
	testsOff       = pattern.New(`(?is)\boption\s*\(\s*(\w*TEST\w*)\s+"[^"]*"\s+(?:OFF|FALSE|0)\s*\)`)
	cmakeRemark    = pattern.New(`(?m)#.*$`)
)

func (cmake) propose(p project) (proposal, error) {
	text, err := p.must("CMakeLists.txt")
	if err != nil {
		return proposal{}, err
	}
	folder := "build"
	if p.has("build") && !p.has("build/CMakeCache.txt") && !p.ignores(path.Join(p.dir, "build")) { // it may be sources
		folder = "build-runner"
	}
	tests := registersTests.MatchString(cmakeRemark.ReplaceAllString(text, ""))
	for _, dir := range p.nested {
		inner := cmakeRemark.ReplaceAllString(p.text(relative(p.dir, dir)+"/CMakeLists.txt"), "")
		tests = tests || registersTests.MatchString(inner)
	}
	configure := "cmake -S . -B " + folder
	test := Step{Name: "test", Reports: []string{"junit.xml"}}
	if m := testsOff.FindStringSubmatch(cmakeRemark.ReplaceAllString(text, "")); m != nil {
		test.Notes = append(test.Notes, fmt.Sprintf("the tests are off unless %s is set", m[1]))
		test.Command = configure + " -D" + m[1] + "=ON"
	} else {
		test.Command = configure
	}
	test.Command += " && cmake --build " + folder + " --parallel 2" +
		" && ctest --test-dir " + folder + ` --output-on-failure --output-junit "$PWD/junit.xml"`
	test.Notes = append(test.Notes, "ctest writes JUnit reports since CMake 3.21")
	build := Step{
		Name: "build", Command: configure + " && cmake --build " + folder + " --parallel 2",
		Notes: []string{"nothing is stored: what is shipped is a part of " + folder + ", or what cmake --install makes"},
	}
	out := proposal{what: []string{"cmake"}, steps: []Step{build}}
	if tests {
		out.steps = append(out.steps, test)
	} else {
		out.leftOut = append(out.leftOut, "ctest: no CMakeLists.txt registers a test")
	}
	return out, nil
}

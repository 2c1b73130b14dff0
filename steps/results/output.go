package results

import (
	"bytes"

	"github.com/carlin-cicd/runner/steps/pattern"
)

var (
	// ranNone matches the lines by which test tools say that they ran no test, although they exit with 0.
	ranNone = pattern.New(
		`^(Ran 0 tests in |no tests ran in |=+ no tests ran|\?\s+\S+\s+\[no test files\]|ok\s+\S+\s.*\[no tests to run\]|` +
			`test result: ok\. 0 passed; 0 failed;|No tests? (test )?(files )?(found|executed)|No tests were found|` +
			`Tests: +0 total|Tests +no tests|0 passing\b|[#ℹ] tests 0$|0 examples, 0 failures|0 runs, 0 assertions|` +
			`(\[[A-Z]+\] )?No tests to run\.|No test is available in |Executed 0 (tests|of 0)|1\.\.0\b|Files=0, Tests=0|` +
			`(Error: )?No tests found|(\[[A-Z]+\] )?Tests run: 0,|Ran 0 tests across |ok \| 0 passed \| 0 failed|DONE 0 tests in |` +
			`Summary \[.*\] 0 tests run:|0 tests, 0 failures|Tests: +0 passed|> Task :(\S+:)?\w*[tT]est NO-SOURCE$|.? ?Couldn[’']t find any files to test)`,
	)
	// ranSome matches those by which they say that they ran some.
	ranSome = pattern.New(
		`^(Ran [1-9]\d* tests? in |=* ?.*\b[1-9]\d* (passed|failed|xfailed|xpassed|errors?)\b|ok\s+\S+\s+(\(cached\)|[0-9.]+s)|FAIL\s+\S|--- (PASS|FAIL)|` +
			`test result: \w+\. ([1-9]|0 passed; [1-9])|Tests:? +.*\b[1-9]\d* (passed|total|failed)|[1-9]\d* (passing|failing)\b|` +
			`[#ℹ] tests [1-9]|[1-9]\d* examples?,|[1-9]\d* runs, |Tests run: [1-9]|OK \([1-9]|Tests: [1-9]|Executed [1-9]|1\.\.[1-9]|` +
			`(not )?ok [0-9]|.*tests failed out of [1-9]|DONE [1-9]\d* tests|Files=[1-9]|\[[A-Z]+\] Tests run: [1-9]|` +
			`Ran [1-9]\d* tests? across |Summary \[.*\] [1-9]|[1-9]\d* tests?, |> Task :(\S+:)?\w*[tT]est( UP-TO-DATE| FROM-CACHE)?$)`,
	)
)

// NoTestLine returns the line of a command's output that says that no test ran. It is "" if there is none, or if another
// line says that some did.
func NoTestLine(output []byte) string {
	found := ""
	for line := range bytes.Lines(output) {
		line = bytes.TrimSpace(line)
		switch none := ranNone.Match(line); {
		case none && found == "":
			found = shorten(string(line), maxExcerptLine)
		case !none && ranSome.Match(line):
			return ""
		}
	}
	return found
}

package results

import (
	"testing"
)

func TestToolsSayThatNoTestRan(t *testing.T) {
	for output, want := range map[string]string{
		"\n----\nRan 0 tests in 0.000s\n\nOK\n":                               "Ran 0 tests in 0.000s",
		"----\nRan 3 tests in 0.001s\n\nOK\n":                                 "",
		"Ran 0 tests in 0.000s\n\nOK\n\nRan 3 tests in 0.001s\n\nOK":          "",
		"?   \texample.com/a\t[no test files]\n":                              "?   \texample.com/a\t[no test files]",
		"?   \texample.com/a\t[no test files]\nok  \texample.com/b\t0.002s\n": "",
		"ok  \texample.com/a\t0.002s [no tests to run]\n":                     "ok  \texample.com/a\t0.002s [no tests to run]",
		"ok  \texample.com/a\t(cached)\n":                                     "",
		"running 0 tests\n\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n": "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
		"test result: ok. 0 passed; 0 failed; 0 ignored\ntest result: ok. 7 passed; 0 failed; 0 ignored":                     "",
		"No tests found, exiting with code 0\n":             "No tests found, exiting with code 0",
		"No test files found, exiting with code 0\n":        "No test files found, exiting with code 0",
		"\n  0 passing (1ms)\n":                             "0 passing (1ms)",
		"\n  12 passing (1ms)\n":                            "",
		"# tests 0\n# pass 0\n":                             "# tests 0",
		"ℹ tests 0\n":                                       "ℹ tests 0",
		"# tests 2\n":                                       "",
		"0 examples, 0 failures\n":                          "0 examples, 0 failures",
		"No tests executed!\n":                              "No tests executed!",
		"No tests were found!!!\n":                          "No tests were found!!!",
		"100% tests passed, 0 tests failed out of 3\n":      "",
		"Tests:       0 total\n":                            "Tests:       0 total",
		"Tests:       1 failed, 2 passed, 3 total\n":        "",
		"=== no tests ran in 0.01s ===\n":                   "=== no tests ran in 0.01s ===",
		"============ no tests ran in 0.01s ============\n": "============ no tests ran in 0.01s ============",
		"a log that says: Ran 0 tests in a row\n":           "",
		"": "",
	} {
		if got := NoTestLine([]byte(output)); got != want {
			t.Errorf("%q: %q, want %q", output, got, want)
		}
	}
}

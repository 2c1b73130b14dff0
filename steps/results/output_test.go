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
		"No tests found, exiting with code 0\n":                   "No tests found, exiting with code 0",
		"No test files found, exiting with code 0\n":              "No test files found, exiting with code 0",
		"\n  0 passing (1ms)\n":                                   "0 passing (1ms)",
		"\n  12 passing (1ms)\n":                                  "",
		"# tests 0\n# pass 0\n":                                   "# tests 0",
		"ℹ tests 0\n":                                             "ℹ tests 0",
		"# tests 2\n":                                             "",
		"0 examples, 0 failures\n":                                "0 examples, 0 failures",
		"No tests executed!\n":                                    "No tests executed!",
		"No tests were found!!!\n":                                "No tests were found!!!",
		"100% tests passed, 0 tests failed out of 3\n":            "",
		"Tests:       0 total\n":                                  "Tests:       0 total",
		"Tests:       1 failed, 2 passed, 3 total\n":              "",
		"=== no tests ran in 0.01s ===\n":                         "=== no tests ran in 0.01s ===",
		"============ no tests ran in 0.01s ============\n":       "============ no tests ran in 0.01s ============",
		"0 pass\n 0 fail\nRan 0 tests across 1 file. [5.00ms]\n":  "Ran 0 tests across 1 file. [5.00ms]",
		" 3 pass\n 0 fail\nRan 3 tests across 1 file. [5.00ms]\n": "",
		"ok | 0 passed | 0 failed (0ms)\n":                        "ok | 0 passed | 0 failed (0ms)",
		"ok | 3 passed | 0 failed (9ms)\n":                        "",
		"[INFO] No tests to run.\n":                               "[INFO] No tests to run.",
		"[INFO] No tests to run.\n[INFO] Tests run: 4, Failures: 0, Errors: 0, Skipped: 0\n":             "",
		"[INFO] Tests run: 0, Failures: 0, Errors: 0, Skipped: 0\n":                                      "[INFO] Tests run: 0, Failures: 0, Errors: 0, Skipped: 0",
		"[WARNING] Tests run: 4, Failures: 0, Errors: 0, Skipped: 1\n[INFO] Tests run: 0, Failures: 0\n": "",
		"  ✖ Couldn't find any files to test\n":                                                          "✖ Couldn't find any files to test",
		"Error: No tests found\n":                                          "Error: No tests found",
		"DONE 0 tests in 0.1s\n":                                           "DONE 0 tests in 0.1s",
		"DONE 0 tests, 2 errors in 0.1s\n":                                 "",
		"     Summary [   0.000s] 0 tests run: 0 passed, 0 skipped\n":      "Summary [   0.000s] 0 tests run: 0 passed, 0 skipped",
		"     Summary [   0.000s] 3 tests run: 3 passed, 0 skipped\n":      "",
		"0 tests, 0 failures\n":                                            "0 tests, 0 failures",
		"3 tests, 0 failures\n0 tests, 0 failures\n":                       "",
		"  Tests:    0 passed\n":                                           "Tests:    0 passed",
		"  Tests:    2 passed (3 assertions)\n":                            "",
		"Executed 0 of 0 SUCCESS (0.002 secs / 0 secs)\n":                  "Executed 0 of 0 SUCCESS (0.002 secs / 0 secs)",
		"> Task :compileTestJava\n> Task :test NO-SOURCE\n":                "> Task :test NO-SOURCE",
		"> Task :a:test NO-SOURCE\n> Task :b:test\n":                       "",
		"> Task :a:test NO-SOURCE\n> Task :b:integrationTest UP-TO-DATE\n": "",
		"> Task :processResources NO-SOURCE\n":                             "",
		"a log that says: Ran 0 tests in a row\n":                          "",
		"": "",
	} {
		if got := NoTestLine([]byte(output)); got != want {
			t.Errorf("%q: %q, want %q", output, got, want)
		}
	}
}

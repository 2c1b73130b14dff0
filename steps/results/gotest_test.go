package results

import "testing"

// What a Go test logs before it fails is not why it failed.
func TestWhyAGoTestFailed(t *testing.T) {
	for name, c := range map[string]struct{ body, want string }{
		"logs, then an error": {
			"=== RUN   TestTotal\n    a_test.go:6: loading prices\n    a_test.go:7: rate is 19\n    a_test.go:9: total is 2, want 3\n--- FAIL: TestTotal (0.00s)\n",
			"a_test.go:9: total is 2, want 3",
		},
		"two errors": {
			"=== RUN   TestTotal\n    a_test.go:9: total is 2, want 3\n    a_test.go:10: tax is 1, want 2\n--- FAIL: TestTotal (0.00s)\n",
			"a_test.go:9: total is 2, want 3",
		},
		"an error, then logs": {
			"=== RUN   TestTotal\n    a_test.go:9: got 2, want 3\n    a_test.go:12: closing\n--- FAIL: TestTotal (0.00s)\n", "a_test.go:9: got 2, want 3",
		},
		"words of its own": {
			"=== RUN   TestTotal\n    a_test.go:6: loading prices\n    a_test.go:9: too cheap\n--- FAIL: TestTotal (0.00s)\n", "a_test.go:9: too cheap",
		},
	} {
		report := `<testsuite name="s"><testcase classname="shop" name="TestTotal"><failure message="Failed">` + c.body +
			`</failure></testcase></testsuite>`
		got, err := readCases(t, report)
		if err != nil || len(got) != 1 || got[0].Message != c.want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

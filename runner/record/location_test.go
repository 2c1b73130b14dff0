package record

import (
	"fmt"
	"testing"
)

func TestFindLocation(t *testing.T) {
	for _, c := range []struct{ name, file, directory, details, want string }{
		{"jest, by an absolute path", "src/price.test.ts", ".", "at Object.<anonymous> (/workspace/src/price.test.ts:12:23)\n at x (/workspace/src/price.ts:3:1)", "src/price.test.ts:12"},
		{"jest, relative", "src/price.test.ts", ".", "    at Object.toBe (src/price.test.ts:8:9)", "src/price.test.ts:8"},
		{"a package of a workspace", "src/a.test.ts", "packages/core", "❯ src/a.test.ts:4:1", "packages/core/src/a.test.ts:4"},
		{"go test", "", "pkg", "    price_test.go:17: got 1", "pkg/price_test.go:17"},
		{"pytest", "tests/test_a.py", ".", "tests/test_a.py:7: AssertionError", "tests/test_a.py:7"},
		{"the file is known, the line is not", "a.test.ts", ".", "boom", "a.test.ts:0"},
		{"nothing is known", "", ".", "boom at 10:30", ":0"},
		{"a line of a dependency", "", ".", "at x (node_modules/a/b.js:3:1)", ":0"},
		{"an absolute path outside of the repository", "", ".", "at /usr/lib/x.py:3", ":0"},
		{"a path that leads out", "../../etc/passwd", ".", "", ":0"},
	} {
		file, line := FindLocation(c.file, c.directory, c.details)
		if got := fmt.Sprintf("%s:%d", file, line); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

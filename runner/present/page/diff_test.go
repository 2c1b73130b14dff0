package page

import (
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/steps/ansi"
	"github.com/carlin-cicd/runner/steps/results"
)

// marked returns lines after a letter for their kind: w, g, @, | for a frame, or a blank.
func marked(text string) string {
	lines := strings.Split(text, "\n")
	var b strings.Builder
	for i, k := range classify(lines) {
		b.WriteString(string(" wg@|"[k]) + lines[i] + "\n")
	}
	return b.String()
}

// unmark removes the letters.
func unmark(marked string) string {
	var lines []string
	for line := range strings.SplitSeq(strings.TrimSuffix(marked, "\n"), "\n") {
		lines = append(lines, line[1:])
	}
	return strings.Join(lines, "\n")
}

// The messages were printed by the tools.
func TestClassify(t *testing.T) {
	for tool, want := range map[string]string{
		"jest": " Error: expect(received).toEqual(expected) // deep equality\n \nw- Expected  - 1\ng+ Received  + 1\n \n   Object {\n     \"body\": Object {\n" +
			"w-     \"total\": \"18.99\",\ng+     \"total\": \"19.00\",\n     },\n   }\n|    at Object.toEqual (/workspace/src/server.test.ts:28:55)\n|    at processTicksAndRejections (node:internal/process/task_queues:95:5)\n",
		"jest, of two values": " Error: expect(received).toBe(expected) // Object.is equality\n \nwExpected: 4149\ngReceived: 4150\n|    at new Promise (<anonymous>)\n",
		"jest, of calls":      " Error: expect(jest.fn()).toHaveBeenCalledTimes(expected)\n \nwExpected number of calls: 1\ngReceived number of calls: 0\n",
		"vitest":              " AssertionError: expected 1 to be 2 // Object.is equality\n \nw- Expected\ng+ Received\n \nw- 2\ng+ 1\n \n| ❯ flaky.test.js:6:56\n",
		"vitest, of objects":  " expected { items: [ …(2) ], total: 12 } to deeply equal { items: [ …(2) ], total: 14 }\nw- Expected\ng+ Received\nw-   \"total\": 14,\ng+   \"total\": 12,\n",
		"node:assert":         " Expected values to be strictly deep-equal:\n@+ actual - expected\n \n   {\n     a: [\n       1,\ng+     2\nw-     3\n     ],\ng+   b: '<x> & y'\n",
		"mocha":               " Error: expected 138 to equal 119\n@      + expected - actual\n \ng      -138.04\nw      +119\n|      at Context.<anonymous> (test/price.js:12:23)\n",
		"ava":                 "   Difference (- actual, + expected):\n \ng  - 138.04\nw  + 119\n",
		"pytest": " def test_add():\n >       assert lines() == ['a', 'b']\n E       AssertionError: assert ['a', 'c'] == ['a', 'b']\n E         \n E         At index 1 diff: 'c' != 'b'\n E         \n E         Full diff:\n" +
			" E           [\n E               'a',\nwE         -     'b',\n@E         ?      ^\ngE         +     'c',\n@E         ?      ^\n E           ]\n \n test_lines.py:9: AssertionError\n",
		"pytest, of texts":  " def test_text():\n >       assert \"one\\ntwo\\n\" == \"one\\n2\\n\"\n E       AssertionError: assert 'one\\ntwo\\n' == 'one\\n2\\n'\n E           one\nwE         - 2\ngE         + two\n \n test_lines.py:8: AssertionError\n",
		"pytest, of a call": " E       assert 3 == 4\n E        +  where 3 = add(1, 2)\n",
		"go test":           " === RUN   TestAdd/1_and_2\n     ledger_test.go:13: got 3, want 4\n --- FAIL: TestAdd/1_and_2 (0.00s)\n",
		"go-cmp":            "     cart_test.go:30: mismatch (-want +got):\n           map[string]int{\nw        - \t\"a\": 1,\ng        + \t\"a\": 2,\n           }\n     cart_test.go:31: - no difference\n --- FAIL: TestCart (0.00s)\n",
		"go-cmp, reversed":  " (-got +want):\ng- a\nw+ b\n",
		"testify":           "         \tError:      \tNot equal: \nw        \t            \texpected: 119\ng        \t            \tactual  : 138\n         \t            \tDiff:\nw        \t            \t--- Expected\ng        \t            \t+++ Actual\n@        \t            \t@@ -1 +1 @@\nw        \t            \t-119\ng        \t            \t+138\n",
		"a list":            " the basket has\n - tea\n - cups\n + nothing\n",
		"words":             " at least one was expected\n expected: \n -- \n",
	} {
		if got := marked(unmark(want)); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", tool, got, want)
		}
	}
}

func TestFindATestInTheLog(t *testing.T) {
	for name, c := range map[string]struct {
		log  string
		test results.Case
		want string // the best line, "" for none
	}{
		"jest's head, not the code below it":      {"  ✓ adds up (1 ms)\n  \x1b[1m● \x1b[22m\x1b[1mtotal › adds up\x1b[22m\n\n  > 10 | test('adds up', () => {\n", results.Case{Class: "total", Name: "adds up"}, "● total › adds up"},
		"vitest, whose names are in many colours": {" FAIL \x1b[2msrc/a.test.ts\x1b[22m > total > adds up\nError\n", results.Case{Name: "total > adds up", File: "src/a.test.ts"}, "FAIL src/a.test.ts > total > adds up"},
		"pytest's head, not its summary":          {"____ test_add ____\nassert 1 == 2\nFAILED2 tests/x.py::test_add - assert\n", results.Case{Class: "tests.x", Name: "test_add"}, "____ test_add ____"},
		"go, whose output comes before":           {"    x_test.go:1: got 3\n--- FAIL: TestAdd (0.00s)\nFAIL\tx\t0.1s\n", results.Case{Class: "x", Name: "TestAdd"}, "--- FAIL: TestAdd (0.00s)"},
		"the last mention":                        {"adds up 1\nother\nadds up 2\nend\n", results.Case{Name: "adds up"}, "adds up 2"},
		"the file, if not the name":               {"ok\nsrc/a.test.ts cannot be loaded\n", results.Case{Name: "adds up", File: "src/a.test.ts"}, "src/a.test.ts cannot be loaded"},
		"nothing":                                 {"ok\n", results.Case{Name: "adds up"}, ""},
		"no name that is everywhere":              {"a b c\n", results.Case{Name: "a"}, ""},
	} {
		v := viewLog(Log{Text: []byte(c.log)}, nil, maxLogMarkup)
		at, from, to, found := v.find(c.test)
		got := ""
		if found {
			got = strings.TrimSpace(string(ansi.Strip(v.lines[at])))
		}
		if got != c.want || found && (from > at || to <= at || to > len(v.lines)) {
			t.Errorf("%s: %q from %d to %d, want %q", name, got, from, to, c.want)
		}
	}
	long := strings.Repeat("noise\n", 1000) + "● adds up\n" + strings.Repeat("noise\n", 1000)
	if at, from, to, _ := viewLog(Log{Text: []byte(long)}, nil, maxLogMarkup).find(results.Case{Name: "adds up"}); at != 1000 ||
		to-from > 30 {
		t.Errorf("%d lines from %d on", to-from, from)
	}
}

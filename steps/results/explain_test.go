package results

import (
	"fmt"
	"strings"
	"testing"
)

func TestWhyACaseFailed(t *testing.T) {
	for name, c := range map[string]struct {
		test      string // the content of the test case
		message   string
		details   string // a part of it
		excerpt   string
		noDetails string // not in the details
	}{
		".NET: the message has several lines": {
			test:    "<failure type=\"failure\" message=\"Assert.Equal() Failure: Values differ&#xA;Expected: 4150&#xA;Actual:   4149\">   at Shop.Tests.Cart.Adds() in /_/test/Cart.cs:line 12\n   at System.Reflection.MethodBaseInvoker.InvokeWithNoArgs(Object obj)</failure>",
			message: "Assert.Equal() Failure: Values differ", details: "Expected: 4150\nActual:   4149\n   at Shop.Tests.Cart.Adds()",
			excerpt: "Assert.Equal() Failure: Values differ\nExpected: 4150\nActual:   4149\n   at Shop.Tests.Cart.Adds() in /_/test/Cart.cs:line 12",
		},
		"NUnit: the message begins with what was expected": {
			test:    `<failure message="  Expected: 4150&#10;  But was:  4149&#10;">at Shop.Cart.Adds() in Cart.cs:line 3</failure>`,
			message: "Expected: 4150", details: "But was:  4149",
			excerpt: "Expected: 4150\n  But was:  4149\nat Shop.Cart.Adds() in Cart.cs:line 3",
		},
		"gtest: the message begins with a place, and the body repeats it": {
			test:    "<failure message=\"cart_test.cc:5&#x0A;Expected equality of these values:&#x0A;  total()&#x0A;    Which is: 4149&#x0A;  4150&#x0A;\" type=\"\"><![CDATA[cart_test.cc:5\nExpected equality of these values:\n  total()\n    Which is: 4149\n  4150\n]]></failure>",
			message: "Expected equality of these values: total() Which is: 4149 4150", details: "cart_test.cc:5",
			excerpt: "Expected equality of these values: total() Which is: 4149 4150\ncart_test.cc:5", noDetails: "total",
		},
		"testify": {
			test:    "<failure message=\"Failed\">=== RUN   TestX\n    a_test.go:9: \n        \tError Trace:\t/w/a_test.go:9\n        \tError:      \tNot equal: \n        \t            \texpected: 1\n        \t            \tactual  : 2\n        \tTest:       \tTestX\n--- FAIL: TestX (0.00s)</failure>",
			message: "Not equal: expected: 1 actual : 2", details: "=== RUN   TestX\n    a_test.go:9:",
			excerpt: "Not equal: expected: 1 actual : 2\nError Trace:\t/w/a_test.go:9",
		},
		"pytest: a module that cannot be imported": {
			test:    "<error message=\"collection failure\">ImportError while importing test module '/w/tests/test_x.py'.\nHint: make sure your test modules/packages have valid Python names.\nTraceback:\n/usr/lib/python3.11/importlib/__init__.py:126: in import_module\n    return _bootstrap._gcd_import(name)\ntests/test_x.py:1: in &lt;module&gt;\n    import nothing\nE   ModuleNotFoundError: No module named 'nothing'</error>",
			message: "ModuleNotFoundError: No module named 'nothing'", details: "ImportError while importing test module",
			excerpt: "ModuleNotFoundError: No module named 'nothing'\nImportError while importing test module '/w/tests/test_x.py'.\nHint: make sure your test modules/packages have valid Python names.\ntests/test_x.py:1: in <module>",
		},
		"unittest: the exception is the last line": {
			test:    "<failure message=\"\">Traceback (most recent call last):\n  File \"/w/test_a.py\", line 5, in test_x\n    self.assertEqual(1, 2)\nAssertionError: 1 != 2</failure>",
			message: "AssertionError: 1 != 2", details: "File \"/w/test_a.py\", line 5",
			excerpt: "AssertionError: 1 != 2\nFile \"/w/test_a.py\", line 5, in test_x",
		},
		"ctest: only the output says why": {
			test:    "<failure message=\"\"/><system-out>Running 3 tests\n/w/test.c:42:test_adds:FAIL: Expected 1 Was 2\n\n-----------------------\n2 Tests 1 Failures 0 Ignored \nFAIL\n</system-out>",
			message: "/w/test.c:42:test_adds:FAIL: Expected 1 Was 2", details: "2 Tests 1 Failures",
			excerpt: "/w/test.c:42:test_adds:FAIL: Expected 1 Was 2\nRunning 3 tests\n2 Tests 1 Failures 0 Ignored",
		},
		"Unity under ctest: what passed is not why": {
			test:    "<failure message=\"\"/><system-out>/w/t.c:55:parses_zero:FAIL: Expected 1 Was 0\n/w/t.c:124:parses_ints:PASS\n/w/t.c:125:parses_reals:PASS\n</system-out>",
			message: "/w/t.c:55:parses_zero:FAIL: Expected 1 Was 0", details: "parses_ints:PASS",
			excerpt: "/w/t.c:55:parses_zero:FAIL: Expected 1 Was 0",
		},
		"GoogleTest under ctest": {
			test: "<failure message=\"\"/><system-out>[==========] Running 2 tests\n[ RUN      ] Cart.Adds\n/w/cart.cc:5: Failure\nExpected equality of these values:\n  total()\n    Which is: 4149\n  4150\n" +
				"[  FAILED  ] Cart.Adds (0 ms)\n[ RUN      ] Cart.Ships\n[       OK ] Cart.Ships (0 ms)\n</system-out>",
			message: "Expected equality of these values: total() Which is: 4149 4150", details: "Which is: 4149",
			excerpt: "Expected equality of these values: total() Which is: 4149 4150\n/w/cart.cc:5: Failure\n[  FAILED  ] Cart.Adds (0 ms)",
		},
		"an output before the failure, of a crash": {
			test:    "<system-out>starting</system-out><system-err>Segmentation fault (core dumped)</system-err><failure message=\"Failed\"/>",
			message: "Segmentation fault (core dumped)", details: "starting",
			excerpt: "Segmentation fault (core dumped)\nstarting",
		},
		"TAP": {
			test:    "<failure message=\"should add\">\n  ---\n    operator: equal\n    expected: 3\n    actual:   2\n    at: Test.&lt;anonymous&gt; (/w/test.js:3:5)\n  ...\n</failure>",
			message: "should add", details: "expected: 3", excerpt: "should add\nexpected: 3\nactual:   2\nat: Test.<anonymous> (/w/test.js:3:5)",
		},
		"Robot Framework": {
			test: `<failure message="4149 != 4150" type="AssertionError"/>`, message: "4149 != 4150", excerpt: "4149 != 4150",
		},
		"Rust": {
			test:    "<failure type=\"test failure with exit code 101\" message=\"thread 'cart::adds' panicked at src/cart.rs:9:5\">thread 'cart::adds' panicked at src/cart.rs:9:5:\nassertion `left == right` failed\n  left: 4149\n right: 4150\nnote: run with `RUST_BACKTRACE=1`</failure>",
			message: "thread 'cart::adds' panicked at src/cart.rs:9:5", details: "left: 4149",
			excerpt: "thread 'cart::adds' panicked at src/cart.rs:9:5\nassertion `left == right` failed\n  left: 4149\n right: 4150\nnote: run with `RUST_BACKTRACE=1`",
		},
		"Java: the first frame of the project, not of the library": {
			test:    "<failure message=\"expected: &lt;1&gt; but was: &lt;2&gt;\" type=\"org.opentest4j.AssertionFailedError\">org.opentest4j.AssertionFailedError: expected: &lt;1&gt; but was: &lt;2&gt;\n\tat org.junit.jupiter.api.AssertEquals.failNotEqual(AssertEquals.java:197)\n\tat java.base/java.lang.Thread.run(Thread.java:1)\n\tat shop.CartTest.adds(CartTest.java:9)\n\tat shop.CartTest.more(CartTest.java:10)</failure>",
			message: "expected: <1> but was: <2>", details: "at org.junit", excerpt: "expected: <1> but was: <2>\nat shop.CartTest.adds(CartTest.java:9)", noDetails: "AssertionFailedError",
		},
		"JUnit 5: several failures at once": {
			test:    "<failure message=\"Multiple Failures (2 failures)&#10;\torg.opentest4j.AssertionFailedError: expected: &lt;1&gt; but was: &lt;2&gt;&#10;\torg.opentest4j.AssertionFailedError: second\" type=\"org.opentest4j.MultipleFailuresError\">org.opentest4j.MultipleFailuresError: \nMultiple Failures (2 failures)\n\torg.opentest4j.AssertionFailedError: expected: &lt;1&gt; but was: &lt;2&gt;\n\torg.opentest4j.AssertionFailedError: second\n\tat shop.LedgerTest.several(LedgerTest.java:18)\n</failure>",
			message: "Multiple Failures (2 failures)", details: "second",
			excerpt: "Multiple Failures (2 failures)\norg.opentest4j.AssertionFailedError: expected: <1> but was: <2>\norg.opentest4j.AssertionFailedError: second\nat shop.LedgerTest.several(LedgerTest.java:18)",
		},
		"pytest: lines of the source are not those of the failure": {
			test:    "<failure message=\"assert 2 == 3\">one = 2\n\n    def test_adds(one):\n        other = 3\n&gt;       assert one == other\nE       assert 2 == 3\nE         ?   ^\n\ntests/test_a.py:4: AssertionError</failure>",
			message: "assert 2 == 3", details: "other = 3",
			excerpt: "assert 2 == 3\none = 2\ntests/test_a.py:4: AssertionError",
		},
		"jest-junit: a hook's error as JSON": {
			test:    `<failure>{"message":"","stack":"Error: cannot end\n    at Object.&lt;anonymous&gt; (/w/a.test.js:16:26)\n    at new Promise (&lt;anonymous&gt;)"}</failure>`,
			message: "Error: cannot end", details: "at Object", excerpt: "Error: cannot end\nat Object.<anonymous> (/w/a.test.js:16:26)",
		},
		"Playwright: not the source, nor pages of its own": {
			test:    "<failure message=\"no\">  a.spec.ts:1:1 › adds \n\n    Error: no\n\n      1 | test();\n    &gt; 2 | fail();\n        at /w/a.spec.ts:2:5\n\n    Error Context: a.md\n\n    Retry #1 ─────</failure>",
			message: "no", details: "Retry #1", excerpt: "no\nat /w/a.spec.ts:2:5",
		},
		"Go: a panic, and where": {
			test:    "<failure message=\"Failed\">panic: no balance\n\ngoroutine 22 [running]:\ntesting.tRunner.func1.2({0x55})\n\t/usr/local/go/src/testing/testing.go:1974 +0x232\nshop.TestX(0x1?)\n\t/w/x_test.go:23 +0x3e</failure>",
			message: "panic: no balance", details: "goroutine 22", excerpt: "panic: no balance\n/w/x_test.go:23 +0x3e",
		},
		"hamcrest: its message begins with an empty line, its frames are foreign": {
			test:    "<failure message=\"&#10;Expected: is &lt;2&gt;&#10;     but: was &lt;1&gt;\" type=\"java.lang.AssertionError\">java.lang.AssertionError: \n\nExpected: is &lt;2&gt;\n     but: was &lt;1&gt;\n\tat org.hamcrest.MatcherAssert.assertThat(MatcherAssert.java:18)\n\tat shop.T.a(T.java:7)</failure>",
			message: "Expected: is <2>", details: "but: was <1>",
			excerpt: "Expected: is <2>\n    but: was <1>\nat shop.T.a(T.java:7)", noDetails: "AssertionError",
		},
		"gtest: a test that went on after a failure": {
			test: "<failure message=\"a.cc:5&#x0A;Expected: (a) &lt; (b), actual: 3 vs 2\" type=\"\"><![CDATA[a.cc:5\nExpected: (a) < (b), actual: 3 vs 2]]></failure>" +
				"<failure message=\"a.cc:9&#x0A;Value of: ok()&#x0A;  Actual: false&#x0A;Expected: true\" type=\"\"><![CDATA[a.cc:9\nValue of: ok()\n  Actual: false\nExpected: true]]></failure>",
			message: "Expected: (a) < (b), actual: 3 vs 2", details: "a.cc:9\nValue of: ok()\n  Actual: false\nExpected: true",
			excerpt: "Expected: (a) < (b), actual: 3 vs 2\na.cc:5\n  Actual: false\nExpected: true",
		},
		"several failures without a text": {
			test: `<failure message="first"/><failure message="second"/><rerunFailure message="third"/>`, message: "first", details: "second",
			excerpt: "first\nsecond", noDetails: "third",
		},
		"nothing": {test: `<failure/>`, message: "", excerpt: ""},
	} {
		t.Run(name, func(t *testing.T) {
			cases, err := readCases(t, `<testsuite><testcase name="adds">`+c.test+`</testcase></testsuite>`)
			if err != nil || len(cases) != 1 {
				t.Fatal(cases, err)
			}
			got := cases[0]
			if got.Message != c.message || !strings.Contains(got.Details, c.details) ||
				c.noDetails != "" && strings.Contains(got.Details, c.noDetails) {
				t.Errorf("message %q, want %q; details %q, want %q", got.Message, c.message, got.Details, c.details)
			}
			if got.Excerpt != c.excerpt {
				t.Errorf("the excerpt is\n%s\nwant\n%s", got.Excerpt, c.excerpt)
			}
		})
	}
}

func TestALongOutputLosesItsMiddle(t *testing.T) {
	var output strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&output, "line %d of the output\n", i)
	}
	cases, err := readCases(
		t,
		`<testsuite><testcase name="x"><failure/><system-out>`+output.String()+`</system-out></testcase></testsuite>`,
	)
	if err != nil {
		t.Fatal(err)
	}
	if d := cases[0].Details; len(d) > maxDetails || !strings.HasPrefix(d, "line 0 ") ||
		!strings.HasSuffix(d, "line 4999 of the output") ||
		!strings.Contains(d, "\n…\n") {
		t.Errorf("%d bytes: %.60q…%q", len(d), d, d[max(0, len(d)-60):])
	}
}

func TestARowOfPHPUnitIsNotItsReason(t *testing.T) {
	cases, err := readCases(t, `<testsuite name="L::testRows"><testcase name="testRows with data set &quot;two&quot;" class="L" classname="L">`+
		`<failure type="E">L::testRows with data set "two" (2)
Failed asserting that 0 is identical to 1.

/w/L.php:16</failure></testcase></testsuite>`)
	if err != nil || cases[0].Excerpt != "Failed asserting that 0 is identical to 1.\n/w/L.php:16" {
		t.Errorf("%+v, %v", cases, err)
	}
}

// ctest fails for a test that it cannot run, and writes it as it writes one that is skipped.
func TestWhatCtestCouldNotRunIsAnError(t *testing.T) {
	for content, want := range map[string]string{
		`status="notrun"><skipped message="Unable to find executable"/><system-out>Unable to find executable: /w/t</system-out>`: "error: Unable to find executable: /w/t",
		`status="notrun"><skipped message="Fixture dependency failed"/>`:                                                         "error: Fixture dependency failed",
		`status="notrun"><skipped message="SKIP_RETURN_CODE=77"/>`:                                                               "skipped: ",
		`status="disabled"><system-out>Disabled</system-out>`:                                                                    "skipped: ",
		`status="run">`: "passed: ",
	} {
		cases, err := readCases(t, `<testsuite><testcase name="t" classname="t" `+content+`</testcase></testsuite>`)
		if err != nil || string(cases[0].Status)+": "+cases[0].Message != want {
			t.Errorf("%s: %+v, %v", content, cases, err)
		}
	}
}

// A line is weighed by its ends, however long it is.
func TestLongLinesAreWeighedByTheirEnds(t *testing.T) {
	middle := strings.Repeat("x", 100_000)
	for line, want := range map[string]weight{
		"TypeError: " + middle:              thrown,
		"Expected: " + middle:               pair,
		"at " + middle + " (src/a.ts:10:2)": frame,
		middle:                              plain,
	} {
		if got := weigh(line, ""); got != want {
			t.Errorf("%.20s… weighs %d, not %d", line, got, want)
		}
	}
	if got := len(ends(middle)); got > 2*maxWeighed {
		t.Errorf("%d bytes are weighed", got)
	}
}

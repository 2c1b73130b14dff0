//go:build browser

package page

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// How the page is used: links to lines, the list of all tests, the keyboard.

// at opens a file at a fragment.
func at(t *testing.T, browser context.Context, file, fragment string) *window {
	t.Helper()
	return browse(t, browser, file+fragment, 1400, "light")
}

// settle waits until what the page does by itself is done: the log is whole, and shown at its error or end.
const settle = `new Promise((done) => {
	const look = () => (document.querySelector("#lines noscript") ? setTimeout(look, 10) : requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 50))));
	requestAnimationFrame(() => requestAnimationFrame(look));
})`

// clear empties the field that has the focus.
const clear = `document.activeElement.value = ""`

func said[T any](t *testing.T, w *window, script string) T {
	t.Helper()
	ask(t, w, chromedp.Evaluate[chromedp.Void](settle+`.then(() => undefined)`, chromedp.EvalAwaitPromise))
	return ask(t, w, chromedp.Evaluate[T](script))
}

// inView is a function of the id of a line: whether a person sees it.
const inView = `((id) => {
	const line = document.getElementById(id).getBoundingClientRect(), box = document.getElementById("lines").getBoundingClientRect();
	return line.height > 0 && line.top >= box.top - 1 && line.bottom <= box.bottom + 1 && line.top >= 0 && line.bottom <= innerHeight;
})`

func TestALinkToALine(t *testing.T) {
	browser := startBrowser(t)
	p := big()
	file := stored(t, p)
	const folded = 99_510 // a line within a fold that is shut
	if n := said[bool](t, at(t, browser, file, ""), `document.getElementById("L99510").closest("details").open`); n {
		t.Fatal("the fold is open")
	}
	for _, n := range []int{99_120, 99_999, folded} {
		w := at(t, browser, file, fmt.Sprintf("#L%d", n))
		if !said[bool](t, w, fmt.Sprintf(`%s("L%d")`, inView, n)) {
			t.Errorf("line %d is not in view when the page is opened there", n)
		}
		if !said[bool](t, w, fmt.Sprintf(`document.getElementById("L%d").matches(":target")`, n)) {
			t.Errorf("line %d is not marked", n)
		}
	}
	w := at(t, browser, file, "")
	ask(t, w, chromedp.Evaluate[chromedp.Void](`scrollBy(0, document.getElementById("lines").getBoundingClientRect().top - 100)`))
	if !said[bool](t, w, inView+`("L99120")`) {
		t.Error("the log is not shown at its error")
	}
	// A click on the number of a line is a link to it; so is one on that of a fold's title, which stays shut.
	said[bool](t, w, `document.querySelector("#L99121 > a").click(), true`)
	said[bool](t, w, `document.querySelector("#L99121 > a").click(), true`) // again: the browser itself scrolls to it
	if top := said[float64](t, w, `document.getElementById("L99121").getBoundingClientRect().top`); top < 100 {
		t.Errorf("a line that is clicked twice is at %v, with nothing before it", top)
	}
	if hash := said[string](t, w, `location.hash`); hash != "#L99121" {
		t.Errorf("the address is %q after a click on a number", hash)
	}
	said[bool](t, w, `document.querySelector("#L99500 > .at").click(), true`)
	if s := said[string](t, w, `location.hash + " " + document.getElementById("L99500").closest("details").open`); s != "#L99500 true" {
		t.Errorf("a click on the number of a fold's title: %s", s)
	}
	w = at(t, browser, file, "#L12")
	if text := said[string](t, w, `document.getElementById("elsewhere").checkVisibility() ? document.getElementById("elsewhere").textContent : ""`); text == "" {
		t.Error("nothing is said of a line that the page does not have")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.problems) > 0 {
		t.Errorf("%q", w.problems)
	}
}

func TestTheListOfAllTests(t *testing.T) {
	browser := startBrowser(t)
	w := at(t, browser, stored(t, big()), "")
	ask(t, w, chromedp.Evaluate[chromedp.Void](`document.getElementById("tests").scrollIntoView()`))
	const listed = `document.getElementById("listed").textContent`
	ask(t, w, chromedp.Evaluate[chromedp.Void](
		`new Promise((done) => { const look = () => (`+listed+` ? done() : setTimeout(look, 10)); look(); setTimeout(done, 5000); })`, chromedp.EvalAwaitPromise))
	set := func(id, value string) string {
		t.Helper()
		return said[string](t, w, fmt.Sprintf(`(() => { const e = document.getElementById(%q); e.value = %q; e.dispatchEvent(new Event("change")); })(), %s`, id, value, listed))
	}
	if text := said[string](t, w, listed); text != "5000 tests" {
		t.Errorf("%q are listed", text)
	}
	if n := said[int](t, w, `document.querySelectorAll(".rows tbody tr").length`); n != 100 {
		t.Errorf("%d rows are drawn", n)
	}
	said[bool](t, w, `document.getElementById("more").click(), true`)
	if n := said[int](t, w, `document.querySelectorAll(".rows tbody tr").length`); n != 200 {
		t.Errorf("%d rows are drawn after asking for more", n)
	}
	for _, c := range []struct{ id, value, want string }{
		{"bystate", "0", "12 of 5000 tests"},
		{"bystate", "4", "52 of 5000 tests"},
		{"bystate", "", "5000 tests"},
		{"byfile", "src/price.test.ts", "12 of 5000 tests"},
		{"byfile", "", "5000 tests"},
		{"bytime", "10000", "0 of 5000 tests"},
		{"bytime", "0", "5000 tests"},
	} {
		if text := set(c.id, c.value); text != c.want {
			t.Errorf("%s %q: %q, want %q", c.id, c.value, text, c.want)
		}
	}
	set("order", "slow")
	if sorted := said[bool](t, w, `(() => { const all = [...document.querySelectorAll(".rows tbody .n")].map((e) => parseFloat(e.textContent)); return all[0] >= all[50]; })()`); !sorted {
		t.Error("the slowest tests do not come first")
	}
	set("order", "")
	ask(t, w, chromedp.Evaluate[chromedp.Void](`scrollTo(0, 0)`))
	ask(t, w, chromedp.KeyEvent("t"))
	ask(t, w, chromedp.Evaluate[chromedp.Void](clear)) // the protocol types a key that the page has taken, too
	ask(t, w, chromedp.KeyEvent("country 7"))
	ask(t, w, chromedp.Evaluate[chromedp.Void](`new Promise((done) => setTimeout(done, 150))`, chromedp.EvalAwaitPromise))
	if text := said[string](t, w, listed); text != "1 of 5000 tests" {
		t.Errorf("%q after typing", text)
	}
	row := said[string](t, w, `document.querySelector(".rows tbody tr").innerText + " " + document.querySelector(".rows tbody .strip").getAttribute("aria-label") + " " + document.querySelector(".rows .file a").href`)
	for _, want := range []string{"price › adds the tax of country 7", "4ms", "last 50 runs: ", "https://github.com/example/shop/blob/" + sha + "/src/price.test.ts"} {
		if !strings.Contains(row, want) {
			t.Errorf("the row %q has no %q", row, want)
		}
	}
	said[bool](t, w, `document.querySelector(".rows tbody a").click(), true`)
	if s := said[string](t, w, `location.hash + " " + document.querySelector(location.hash).open`); s != "#t8 true" {
		t.Errorf("the name of a failed test leads to %s", s)
	}
	w.quiet(t)
}

func TestKeys(t *testing.T) {
	browser := startBrowser(t)
	file := stored(t, big())
	w := at(t, browser, file, "")
	press := func(keys string) { t.Helper(); ask(t, w, chromedp.KeyEvent(keys)) }
	where := func() string {
		t.Helper()
		return said[string](t, w, `(document.activeElement.closest("[id]")?.id ?? "") + ": " + document.getElementById("at").textContent`)
	}
	for _, c := range []struct{ key, want string }{
		{"n", "t1: failure 1 of 13"}, {"n", "t2: failure 2 of 13"}, {"p", "t1: failure 1 of 13"}, {"p", "L99120: failure 13 of 13"},
	} {
		if press(c.key); where() != c.want {
			t.Errorf("%s leads to %q, want %q", c.key, where(), c.want)
		}
	}
	if !said[bool](t, w, inView+`("L99120")`) {
		t.Error("the error of the log is not in view")
	}
	press("?")
	if !said[bool](t, w, `document.getElementById("help").open && document.getElementById("help").contains(document.activeElement)`) {
		t.Error("? opens no help")
	}
	press("n")
	if s := said[string](t, w, `document.getElementById("at").textContent`); s != "failure 13 of 13" {
		t.Errorf("a key works behind the help: %s", s)
	}
	press(kb.Escape)
	if said[bool](t, w, `document.getElementById("help").open`) {
		t.Error("Escape does not close the help")
	}
	press("/")
	if id := said[string](t, w, `document.activeElement.id`); id != "search" {
		t.Errorf("/ leads to %q", id)
	}
	ask(t, w, chromedp.Evaluate[chromedp.Void](clear))
	press("n/?") // text of the search, no keys
	if s := said[string](t, w, `document.activeElement.value + document.getElementById("help").open`); s != "n/?false" {
		t.Errorf("the search has %q", s)
	}
	ask(t, w, chromedp.Evaluate[chromedp.Void](`document.getElementById("search").select()`))
	press("99999")
	press(kb.Enter)
	if s := said[string](t, w, `document.getElementById("found").textContent`); s != "1 of 1" { // not the numbers of lines
		t.Errorf("the search says %q", s)
	}
	if !said[bool](t, w, inView+`("L99999")`) {
		t.Error("what is found is not in view")
	}
	w.quiet(t)

	// Before the page has made elements of the whole log.
	w = at(t, browser, file, "")
	found := ask(t, w, chromedp.Evaluate[string](`(() => {
		const input = document.getElementById("search"), before = document.querySelectorAll("#lines noscript").length;
		input.value = "Received: 138.04";
		input.dispatchEvent(new Event("input"));
		document.getElementById("next").click();
		return [before > 0 || document.getElementById("L99120") !== null, document.getElementById("found").textContent, document.querySelector(".here").id].join();
	})()`))
	if found != "true,1 of 1,L99120" {
		t.Errorf("an early search finds %s", found)
	}
}

//go:build browser

package page

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

const browserRuns = 2000

// storedIndex writes the page of an index to a folder of its own.
func storedIndex(t *testing.T, x Index) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "index.html")
	if err := os.WriteFile(file, []byte(writeIndex(t, x)), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// The page of 2,000 runs: it fits, axe finds nothing, nothing is loaded, and it is there at once.
func TestAnIndexInABrowser(t *testing.T) {
	axe, err := os.ReadFile(filepath.Join("..", "..", "..", ".tools", "npm", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatalf("%v: make test-report installs it", err)
	}
	browser := startBrowser(t)
	for _, branch := range []string{"", "main"} { // the page of a branch has the same parts, but for one
		name := map[string]string{"": "repository", "main": "branch"}[branch]
		x := indexed(browserRuns, branch)
		x.Runs[0].Dirty = true
		file := storedIndex(t, x)
		for _, width := range []int64{320, 800, 1400} {
			for _, scheme := range []string{"light", "dark"} {
				if branch != "" && (scheme == "dark") != (width == 800) {
					continue
				}
				t.Run(fmt.Sprintf("%s, %s at %d px", name, scheme, width), func(t *testing.T) {
					w := browse(t, browser, file, width, scheme)
					w.shoot(t, fmt.Sprintf("index-%s-%s-%d", name, scheme, width))
					load := ask(t, w, chromedp.Evaluate[float64](
						`(() => { const n = performance.getEntriesByType("navigation")[0]; return n.loadEventEnd - n.startTime; })()`))
					t.Logf("loaded in %.0f ms", load)
					if overflow := ask(t, w, chromedp.Evaluate[int](`document.documentElement.scrollWidth - window.innerWidth`)); overflow > 0 {
						t.Errorf("the page is %d px wider than its window", overflow)
					}
					if cut := ask(t, w, chromedp.Evaluate[int](`(() => { const note = document.querySelector(".grid .note"); return Math.ceil(note.getBoundingClientRect().right - note.closest("th").getBoundingClientRect().right); })()`)); cut > 0 {
						t.Errorf("%d px of a note are cut", cut)
					}
					if past := ask(t, w, chromedp.Evaluate[int](`Math.max(0, ...[...document.querySelectorAll(".runs")].map((e) => e.offsetWidth - e.parentNode.clientWidth))`)); past > 0 && width >= 800 {
						t.Errorf("%d px of the runs are past the edge", past)
					}
					ask(t, w, chromedp.Evaluate[chromedp.Void](string(axe)))
					violations := ask(t, w, chromedp.Evaluate[[]string](
						`axe.run().then((r) => r.violations.map((v) => v.id + ": " + v.nodes.slice(0, 3).map((n) => n.html + " " + n.failureSummary).join("; ")))`,
						chromedp.EvalAwaitPromise))
					for _, v := range violations {
						t.Error(v)
					}
					w.quiet(t)
				})
			}
		}
	}
}

func TestTheFilterOfAnIndex(t *testing.T) {
	w := browse(t, startBrowser(t), storedIndex(t, indexed(browserRuns, "main")), 1400, "light")
	rows := func() int {
		return ask(t, w, chromedp.Evaluate[int](`[...document.querySelectorAll(".grid tbody tr")].filter((e) => e.checkVisibility()).length`))
	}
	if n := rows(); n != shownOpenRows {
		t.Errorf("%d commits are shown", n)
	}
	ask(t, w, chromedp.KeyEvent("/"))
	ask(t, w, chromedp.Evaluate[chromedp.Void](`document.activeElement.select()`)) // the protocol sends the character all the same
	ask(t, w, chromedp.KeyEvent("ADDS the tax"))
	few := rows()
	matches := ask(t, w, chromedp.Evaluate[string](`document.getElementById("matches").textContent`))
	if few == 0 || few > shownPipelines/2 || matches != fmt.Sprintf("%d commits", few) {
		t.Errorf("the filter leaves %d commits, and says %q", few, matches)
	}
	ask(t, w, chromedp.Evaluate[chromedp.Void](`{ const i = document.getElementById("filter"); i.value = ""; i.dispatchEvent(new Event("input")); document.getElementById("onlyfailed").click(); }`))
	if n := rows(); n == 0 || n == shownPipelines {
		t.Errorf("%d commits failed", n)
	}
	if lost := ask(t, w, chromedp.Evaluate[int](`[...document.querySelectorAll("table.running .chip")].filter((e) => e.textContent.includes("lost")).length`)); lost != 1 {
		t.Errorf("%d runs are lost", lost)
	}
}

// Behind a signed link, which is to the page alone, no link leads to another page.
func TestAnIndexBehindASignedLink(t *testing.T) {
	browser := startBrowser(t)
	file := storedIndex(t, indexed(browserRuns, ""))
	const dead = `[...document.querySelectorAll("a[href]")].map((a) => a.getAttribute("href")).filter((h) => !h.startsWith("#") && !h.startsWith("https://"))`
	w := browse(t, browser, file+"?X-Amz-Signature=0", 1400, "light")
	if links := ask(t, w, chromedp.Evaluate[[]string](dead)); len(links) > 0 {
		t.Errorf("%d links are dead: %.300q", len(links), links)
	}
	if missing := ask(t, w, chromedp.Evaluate[int](`[...document.querySelectorAll("a[href^='#']")].filter((a) => !document.getElementById(a.getAttribute("href").slice(1))).length`)); missing > 0 {
		t.Errorf("%d links lead nowhere", missing)
	}
	said := ask(t, w, chromedp.Evaluate[string](`document.getElementById("alone").checkVisibility() ? document.getElementById("alone").textContent : ""`))
	if !strings.Contains(said, "runner serve") {
		t.Errorf("the page says %q", said)
	}
	if open := ask(t, w, chromedp.Evaluate[string](`document.querySelector(".runs .open").textContent`)); !strings.HasPrefix(open, "runner report 01kb") {
		t.Errorf("a run says %q", open)
	}
	w = browse(t, browser, file, 1400, "light")
	if links := ask(t, w, chromedp.Evaluate[[]string](dead)); len(links) < 100 {
		t.Errorf("without a signature there are %d links", len(links))
	}
}

func TestAReportBehindASignedLink(t *testing.T) {
	browser := startBrowser(t)
	file := stored(t, jest(t))
	const dead = `[...document.querySelectorAll("a[href]")].map((a) => a.getAttribute("href")).filter((h) => !/^(#|https?:)/.test(h)).length`
	const said = `document.getElementById("alone").checkVisibility() ? document.getElementById("alone").textContent : ""`
	w := browse(t, browser, file, 1400, "light")
	if n := ask(t, w, chromedp.Evaluate[int](dead)); n == 0 || ask(t, w, chromedp.Evaluate[string](said)) != "" {
		t.Errorf("without a signature there are %d links, or a warning", n)
	}
	w = browse(t, browser, file+"?X-Amz-Signature=0", 1400, "light")
	if n := ask(t, w, chromedp.Evaluate[int](dead)); n > 0 {
		t.Errorf("%d links are dead", n)
	}
	if text := ask(t, w, chromedp.Evaluate[string](said)); !strings.Contains(text, "runner report") {
		t.Errorf("the page says %q", text)
	}
}

//go:build browser

package page

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func TestOnPaper(t *testing.T) {
	browser := startBrowser(t)
	for _, name := range []string{"jest", "everything", "rollback"} {
		p := samples(t)[name]
		p.Log.Text = append([]byte(strings.Repeat("a line that is on no paper\n", 3000)), p.Log.Text...)
		w := browse(t, browser, stored(t, p), 1400, "dark")
		const open = `document.querySelectorAll("details[open]").length`
		before := ask(t, w, chromedp.Evaluate[int](open))
		paper := ask(t, w, chromedp.PrintToPDF(chromedp.PDFPaper(chromedp.PaperA4), chromedp.PDFMargin(0.5)))
		if pages := strings.Count(string(paper), "/Type /Page\n"); pages < 1 || pages > 16 {
			t.Errorf("%s takes %d pages", name, pages)
		}
		if err := chromedp.Do(w, as("print", "dark")); err != nil {
			t.Fatal(err)
		}
		if seen := ask(t, w, chromedp.Evaluate[[]string](`[...document.querySelectorAll("nav, .search, .context, .stack, .skip, button, dialog")].filter((e) => e.checkVisibility()).map((e) => e.className || e.localName)`)); len(
			seen,
		) > 0 {
			t.Errorf("%s has %q on paper", name, seen)
		}
		if lines := ask(t, w, chromedp.Evaluate[int](`[...document.querySelectorAll(".l")].filter((e) => e.checkVisibility()).length`)); lines != linesOnPaper {
			t.Errorf("%d lines of the log of %s are on paper", lines, name)
		}
		if back := ask(t, w, chromedp.Evaluate[string](`getComputedStyle(document.body).backgroundColor`)); back != "rgb(255, 255, 255)" {
			t.Errorf("the paper is %s", back)
		}
		if shut := ask(t, w, chromedp.Evaluate[int](`dispatchEvent(new Event("beforeprint")); document.querySelectorAll("details.case:not([open])").length`)); shut > 0 {
			t.Errorf("%d tests are folded on paper", shut)
		}
		if after := ask(t, w, chromedp.Evaluate[int](`dispatchEvent(new Event("afterprint")); `+open)); after != before {
			t.Errorf("%d folds are open after printing, %d before", after, before)
		}
		if dir := os.Getenv("RUNNER_REPORT_SHOTS"); dir != "" {
			if err := os.WriteFile(filepath.Join(dir, name+".pdf"), paper, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestByKeyboard(t *testing.T) {
	w := browse(t, startBrowser(t), stored(t, failing()), 1400, "light")
	press := func(keys string, options ...chromedp.KeyOption) {
		t.Helper()
		ask(t, w, chromedp.KeyEvent(keys, options...))
	}
	expect := func(what string, hits int, found, here string) {
		t.Helper()
		gotHits := ask(t, w, chromedp.Evaluate[int](`document.querySelectorAll(".l.hit").length`))
		gotFound := ask(t, w, chromedp.Evaluate[string](`document.getElementById("found").textContent`))
		gotHere := ask(t, w, chromedp.Evaluate[string](`document.querySelector(".l.here")?.id ?? ""`))
		if gotHits != hits || gotFound != found || gotHere != here {
			t.Errorf("%s: %d hits, %q, at %q; want %d, %q, %q", what, gotHits, gotFound, gotHere, hits, found, here)
		}
	}
	press(kb.Tab)
	if first := ask(t, w, chromedp.Evaluate[string](`document.activeElement.textContent`)); !strings.Contains(
		first, "Skip to the content",
	) {
		t.Errorf("the first Tab leads to %q", first)
	}
	// Tab goes through everything that can be used, in order, and each shows that it has the focus.
	reached := 1
	for ; reached < 200; reached++ {
		press(kb.Tab)
		at := ask(
			t, w,
			chromedp.Evaluate[string](
				`(() => { const e = document.activeElement, s = getComputedStyle(e); if (e === document.body) return ""; return s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2 ? "seen" : e.outerHTML; })()`,
			),
		)
		if at == "" {
			break
		}
		if at != "seen" {
			t.Errorf("the focus on %.120s is not visible", at)
		}
	}
	if usable := ask(t, w, chromedp.Evaluate[int](`[...document.querySelectorAll("a[href], button, input, select, summary, [tabindex='0']")].filter((e) => e.checkVisibility() && e.tabIndex >= 0).length`)); reached != usable {
		t.Errorf("Tab reaches %d of %d", reached, usable)
	}
	ask(t, w, chromedp.Focus("details.f > summary"))
	press(kb.Enter)
	if !ask(t, w, chromedp.Evaluate[bool](`document.querySelector("details.f").open`)) {
		t.Error("Enter does not unfold a test")
	}

	ask(t, w, chromedp.Focus("#search"))
	press("STEP 1")
	press(kb.Enter)
	press(kb.Enter)
	expect("the second hit", 31, "2 of 31", "L23") // step 1, 10 to 19, 100 to 119
	press(kb.Enter, chromedp.KeyModifiers(chromedp.ModifierShift))
	expect("one back", 31, "1 of 31", "L14")
	ask(t, w, chromedp.Evaluate[chromedp.Void](`document.getElementById("search").select()`))
	press("nowhere")
	press(kb.Enter)
	expect("no hit", 0, "not found", "")
	ask(t, w, chromedp.Evaluate[chromedp.Void](`document.getElementById("search").select()`))
	press("Received: 138.04")
	press(kb.Enter)
	expect("across colours", 1, "1 of 1", "L12")
}

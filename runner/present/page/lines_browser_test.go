//go:build browser

package page

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// Counts lines without height. The first measurement lays out the section and its chunk, which are skipped out of view, and
// may itself be 0: it is not counted.
const measured = `(() => {
	const lines = [...document.querySelectorAll("#lines .l")].filter((e) => !e.closest("details")).slice(0, 300);
	const count = () => lines.filter((e) => e.getBoundingClientRect().height < 10).length;
	count();
	return count();
})()`

// A browser that runs no script shows the whole log.
func TestTheLogWithoutScripts(t *testing.T) {
	file := stored(t, big())
	w := browse(t, startBrowser(t), "/dev/null", 1400, "light")
	ask(t, w, chromedp.Action[chromedp.Void](func(ctx context.Context, tab *chromedp.Target) (none chromedp.Void, err error) {
		_, err = cdp.Call(ctx, tab, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return none, err
	}))
	if err := chromedp.Do(w, chromedp.Navigate("file://"+file)); err != nil {
		t.Fatal(err)
	}
	for what, script := range map[string]string{
		"lines are missing":                    `(() => { const all = [...document.querySelectorAll("#lines .l")]; return Number(all.at(-1).id.slice(1)) - Number(all[0].id.slice(1)) + 1 - all.length; })()`,
		"times a line has no box":              measured,
		"times the list of tests is not named": `document.getElementById("unlisted").checkVisibility() ? 0 : 1`,
		"times a script is asked for":          `document.getElementById("unread").checkVisibility() ? 1 : 0`,
		"lines are fewer than a thousand":      `Math.max(0, 1000 - document.querySelectorAll("#lines .l").length)`,
	} {
		if n := ask(t, w, chromedp.Evaluate[int](script)); n != 0 {
			t.Errorf("%d %s", n, what)
		}
	}
}

// Neither is anything of the part of a log run that the script makes elements of.
func TestNothingOfALongLogIsRun(t *testing.T) {
	p := build()
	const evil = `</noscript></script><script>window.owned=1</script><img src=x onerror="window.owned=2"><svg onload="window.owned=3"><!--<noscript>`
	p.Log.Text = []byte(strings.Repeat(evil+"\n::group::"+evil+"\n"+evil+"\n::endgroup::\n", 400))
	w := browse(t, startBrowser(t), stored(t, p), 1400, "light")
	for what, script := range map[string]string{
		"things of the log":  `document.querySelectorAll("#lines :is(script, img, svg)").length + document.images.length + (window.owned ?? 0)`,
		"lines held":         `document.querySelectorAll("#lines noscript").length`,
		"lines without text": `[...document.querySelectorAll("#lines .rest > .l")].filter((e) => e.textContent.length > 20 && !e.textContent.includes("</noscript></script><script>")).length`,
		"lines too few":      `Math.max(0, 600 - document.querySelectorAll("#lines .l").length)`,
	} {
		if n := said[int](t, w, script); n != 0 {
			t.Errorf("%d %s", n, what)
		}
	}
	w.quiet(t)
}

// A link leads to its line where lines before it are much higher than the browser assumes of those that it has not laid out.
func TestALinkToALineOnANarrowScreen(t *testing.T) {
	browser := startBrowser(t)
	p := build()
	p.Log.Text = []byte(strings.Repeat(strings.Repeat("a long line ", 10)+"\n", 700))
	file := stored(t, p)
	for _, n := range []int{1, 200, 201, 202, 401, 640, 700} {
		w := browse(t, browser, fmt.Sprintf("%s#L%d", file, n), 320, "light")
		if !said[bool](t, w, fmt.Sprintf(`%s("L%d")`, inView, n)) {
			t.Errorf("line %d is not in view when the page is opened there: %s", n,
				said[string](t, w, fmt.Sprintf(`JSON.stringify([document.getElementById("L%d").getBoundingClientRect(), document.getElementById("lines").getBoundingClientRect()])`, n)))
		}
	}
}

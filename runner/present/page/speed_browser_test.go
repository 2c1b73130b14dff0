//go:build browser

package page

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/chromedp"
)

// openings is how often each page is opened.
const openings = 7

// How long the page of 5,000 tests and 100,000 lines takes, by the browser's own clocks: when it was loaded and painted,
// and the time of the processor that the page's main thread needs until nothing is left to do. Beside it, in turns, are a
// page of a word, which is what the browser itself needs, and the pages of smaller runs. The figures are printed, not
// asserted: a busy machine is not a slow page.
func TestHowSoonThePageIsThere(t *testing.T) {
	browser := startBrowser(t)
	word := filepath.Join(t.TempDir(), "word.html")
	if err := os.WriteFile(word, []byte("<!doctype html><title>x</title><p>word</p>"), 0o644); err != nil {
		t.Fatal(err)
	}
	pages := []struct{ name, file string }{
		{"a page of a word", word}, {"5,000 tests and 100,000 lines", stored(t, big())}, {"27 tests", stored(t, jest(t))}, {"no test", stored(t, build())},
	}
	took := make([][]timings, len(pages))
	for range openings {
		for i, p := range pages {
			took[i] = append(took[i], open(t, browser, p.file))
		}
	}
	for i, p := range pages {
		info, err := os.Stat(p.file)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() >= 1_000_000 {
			t.Errorf("%s: the page has %d bytes", p.name, info.Size())
		}
		loaded, loadedLeast := middle(took[i], func(t timings) float64 { return t.Loaded })
		painted, paintedLeast := middle(took[i], func(t timings) float64 { return t.Painted })
		busy, busyLeast := middle(took[i], func(t timings) float64 { return t.busy })
		t.Logf("%s, %d KB: loaded after %.0f ms (at least %.0f), painted after %.0f ms (%.0f), %.0f ms of the processor (%.0f)",
			p.name, info.Size()/1000, loaded, loadedLeast, painted, paintedLeast, busy, busyLeast)
	}
}

// timings are of one opening, in milliseconds since the navigation began.
type timings struct {
	Loaded  float64 `json:"loaded"`
	Painted float64 `json:"painted"`
	busy    float64
}

// open opens a page in a window of its own.
func open(t *testing.T, browser context.Context, file string) timings {
	t.Helper()
	w := browse(t, browser, "/dev/null", 1400, "light")
	before := threadTime(t, w)
	if err := chromedp.Do(w, chromedp.Navigate("file://"+file)); err != nil {
		t.Fatal(err)
	}
	ask(t, w, chromedp.Evaluate[chromedp.Void](`new Promise((done) => {
		const look = () => (performance.getEntriesByName("first-contentful-paint").length ? done() : setTimeout(look, 20));
		look();
	})`, chromedp.EvalAwaitPromise))
	said[bool](t, w, `true`)
	it := ask(t, w, chromedp.Evaluate[timings](`({
		loaded: performance.getEntriesByType("navigation")[0].loadEventEnd,
		painted: performance.getEntriesByName("first-contentful-paint")[0].startTime,
	})`))
	it.busy = threadTime(t, w) - before
	if err := chromedp.Cancel(w); err != nil {
		t.Fatal(err)
	}
	return it
}

// middle returns the median of a clock, and its least.
func middle(all []timings, clock func(timings) float64) (median, least float64) {
	values := make([]float64, len(all))
	for i, t := range all {
		values[i] = clock(t)
	}
	slices.Sort(values)
	return values[len(values)/2], values[0]
}

// threadTime is how long the main thread of a page has worked, in milliseconds.
func threadTime(t *testing.T, w *window) float64 {
	t.Helper()
	total := 0.0
	ask(t, w, chromedp.Action[chromedp.Void](func(ctx context.Context, tab *chromedp.Target) (none chromedp.Void, err error) {
		if _, err = cdp.Call(ctx, tab, performance.Enable, performance.EnableParams{TimeDomain: "threadTicks"}); err != nil {
			return none, err
		}
		r, err := cdp.Call(ctx, tab, performance.GetMetrics, cdp.Empty{})
		for _, m := range r.Metrics {
			if m.Name == "TaskDuration" {
				total = 1000 * m.Value
			}
		}
		return none, err
	}))
	return total
}

//go:build browser

package report

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// The page as a browser shows it. Run by make test-report, which has Chromium and axe-core at hand.

// browse opens the page in a window of a width and a colour scheme.
func browse(t *testing.T, p Page, width int64, scheme string) context.Context {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			program = found
			break
		}
	}
	if program == "" {
		t.Fatal("no Chromium on PATH: install Debian's package chromium")
	}
	file := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(file, []byte(write(t, p)), 0o644); err != nil {
		t.Fatal(err)
	}
	options := slices.Concat(chromedp.DefaultExecAllocatorOptions[:], []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
	})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	preferring := func(ctx context.Context, tab *chromedp.Target) (none chromedp.Void, err error) {
		_, err = cdp.Call(ctx, tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		return none, err
	}
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, 900), preferring, chromedp.Navigate("file://"+file)); err != nil {
		t.Fatal(err)
	}
	return ctx
}

func TestInABrowser(t *testing.T) {
	axe, err := os.ReadFile(filepath.Join("..", "..", ".tools", "npm", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatalf("%v: make test-report installs it", err)
	}
	for _, width := range []int64{400, 1400} {
		for _, scheme := range []string{"light", "dark"} {
			t.Run(fmt.Sprintf("%s at %d px", scheme, width), func(t *testing.T) {
				ctx := browse(t, failing(), width, scheme)

				overflow := ask(t, ctx, chromedp.Evaluate[int](`document.querySelectorAll("details").forEach((d) => d.open = true); document.documentElement.scrollWidth - window.innerWidth`))
				ask(t, ctx, chromedp.Evaluate[chromedp.Void](string(axe)))
				violations := ask(t, ctx, chromedp.Evaluate[[]string](`axe.run().then((r) => r.violations.map((v) => v.id + ": " + v.nodes.map((n) => n.html + " " + n.failureSummary).join("; ")))`, chromedp.EvalAwaitPromise))
				asked := ask(t, ctx, chromedp.Evaluate[[]string](`performance.getEntriesByType("resource").map((e) => e.name)`))
				for _, v := range violations {
					t.Error(v)
				}
				if overflow > 0 {
					t.Errorf("the page is %d px wider than its window", overflow)
				}
				if len(asked) > 0 {
					t.Errorf("the page asks for %q", asked)
				}
				if dir := os.Getenv("RUNNER_REPORT_SHOTS"); dir != "" {
					picture := ask(t, ctx, chromedp.FullScreenshot(100))
					if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("report-%s-%d.png", scheme, width)), picture, 0o644); err != nil {
						t.Fatal(err)
					}
				}
			})
		}
	}
}

func TestSearchingByKeyboard(t *testing.T) {
	ctx := browse(t, failing(), 1400, "light")
	press := func(keys string, options ...chromedp.KeyOption) {
		t.Helper()
		ask(t, ctx, chromedp.KeyEvent(keys, options...))
	}
	expect := func(what string, hits int, found, here string) {
		t.Helper()
		gotHits := ask(t, ctx, chromedp.Evaluate[int](`document.querySelectorAll(".l.hit").length`))
		gotFound := ask(t, ctx, chromedp.Evaluate[string](`document.getElementById("found").textContent`))
		gotHere := ask(t, ctx, chromedp.Evaluate[string](`document.querySelector(".l.here")?.id ?? ""`))
		if gotHits != hits || gotFound != found || gotHere != here {
			t.Errorf("%s: %d hits, %q, at %q; want %d, %q, %q", what, gotHits, gotFound, gotHere, hits, found, here)
		}
	}
	press(kb.Tab)
	if first := ask(t, ctx, chromedp.Evaluate[string](`document.activeElement.textContent`)); !strings.Contains(first, "Skip to the content") {
		t.Errorf("the first Tab leads to %q", first)
	}
	ask(t, ctx, chromedp.Focus("#search"))
	press("STEP 1")
	press(kb.Enter)
	press(kb.Enter)
	expect("the second hit", 31, "2 of 31", "L23") // step 1, 10 to 19, 100 to 119
	press(kb.Enter, chromedp.KeyModifiers(chromedp.ModifierShift))
	expect("one back", 31, "1 of 31", "L14")
	ask(t, ctx, chromedp.Evaluate[chromedp.Void](`document.getElementById("search").select()`))
	press("nowhere")
	press(kb.Enter)
	expect("no hit", 0, "not found", "")
}

// ask does something in the browser and returns what comes of it.
func ask[T any](t *testing.T, ctx context.Context, a chromedp.Action[T]) T {
	t.Helper()
	answer, err := chromedp.Run(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

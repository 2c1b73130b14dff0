//go:build browser

package page

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/carlin-cicd/runner/runner/record"
)

// The page as a browser shows it. Run by make test-report, which has Chromium and axe-core at hand.

// startBrowser starts one whose windows browse opens.
func startBrowser(t *testing.T) context.Context {
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
	options := slices.Concat(chromedp.DefaultExecAllocatorOptions[:], []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag(
			"disable-quic", true,
		), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
	})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil { // now it runs, and the windows are its
		t.Fatal(err)
	}
	return ctx
}

// window is a page in a browser, and what came of loading it.
type window struct {
	context.Context
	file string

	mu       sync.Mutex
	requests []string
	problems []string // what the browser had to say: refused scripts and styles, errors, dialogs
}

// stored writes a page to a folder of its own.
func stored(t *testing.T, p sample) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(file, []byte(write(t, p)), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// browse opens a file in a window of a width and a colour scheme.
func browse(t *testing.T, browser context.Context, file string, width int64, scheme string) *window {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	t.Cleanup(cancel)
	w := &window{Context: ctx, file: file}
	err := chromedp.Listen(ctx, func(event any) {
		w.mu.Lock()
		defer w.mu.Unlock()
		switch e := event.(type) {
		case *network.EventRequestWillBeSent:
			w.requests = append(w.requests, e.Request.URL)
		case *cdplog.EventEntryAdded:
			w.problems = append(w.problems, e.Entry.Text)
		case *page.EventJavascriptDialogOpening:
			w.problems = append(w.problems, "a dialog: "+e.Message)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, 900), as("screen", scheme), chromedp.Navigate("file://"+file)); err != nil {
		t.Fatal(err)
	}
	return w
}

// as has a medium, and a colour scheme that is preferred.
func as(medium, scheme string) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, tab *chromedp.Target) (none chromedp.Void, err error) {
		_, err = cdp.Call(
			ctx, tab, emulation.SetEmulatedMedia,
			emulation.SetEmulatedMediaParams{
				Media: medium, Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
			},
		)
		return none, err
	}
}

// quiet fails the test if the page asked for anything, or the browser had anything to say.
func (w *window) quiet(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.requests {
		if r != "file://"+w.file && !strings.HasPrefix(r, "file://"+filepath.Dir(w.file)+"/attachments/") && !strings.HasPrefix(r, "data:image/svg+xml") { // the icon, and those of the browser's own controls
			t.Errorf("the page asks for %s", r)
		}
	}
	if len(w.requests) == 0 {
		t.Error("no request was seen, not even that for the page")
	}
	for _, p := range w.problems {
		t.Errorf("the browser says: %s", p)
	}
}

const unfold = `document.querySelectorAll("details").forEach((d) => d.open = true)`

func TestInABrowser(t *testing.T) {
	axe, err := os.ReadFile(filepath.Join("..", "..", "..", ".tools", "npm", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatalf("%v: make test-report installs it", err)
	}
	browser := startBrowser(t)
	for name, p := range samples(t) {
		file := storedWithPictures(t, p)
		for _, width := range []int64{320, 800, 1400} {
			for _, scheme := range []string{"light", "dark"} {
				whole := name == "jest" || name == "pictures" // the others have their parts at two sizes
				if !whole && (width != 320 || scheme != "light") && (width != 1400 || scheme != "dark") {
					continue
				}
				t.Run(fmt.Sprintf("%s, %s at %d px", name, scheme, width), func(t *testing.T) {
					w := browse(t, browser, file, width, scheme)
					w.shoot(t, fmt.Sprintf("%s-%s-%d", name, scheme, width))
					overflow := said[int](t, w, unfold+`; document.documentElement.scrollWidth - window.innerWidth`)
					if name == "big" { // a page of thousands of lines keeps axe busy for a minute
						if width == 320 {
							return
						}
						ask(t, w, chromedp.Evaluate[chromedp.Void](`document.querySelectorAll(".chunk").forEach((c) => c.remove())`))
					}
					ask(t, w, chromedp.Evaluate[chromedp.Void](string(axe)))
					violations := ask(
						t, w,
						chromedp.Evaluate[[]string](
							`axe.run().then((r) => r.violations.map((v) => v.id + ": " + v.nodes.map((n) => n.html + " " + n.failureSummary).join("; ")))`,
							chromedp.EvalAwaitPromise,
						),
					)
					for _, v := range violations {
						t.Error(v)
					}
					if overflow > 0 {
						t.Errorf("the page is %d px wider than its window", overflow)
					}
					if moving := ask(t, w, chromedp.Evaluate[int](`[...document.querySelectorAll("*")].filter((e) => { const s = getComputedStyle(e); return s.animationName !== "none" || parseFloat(s.transitionDuration) > 0; }).length`)); moving > 0 {
						t.Errorf("%d elements move", moving)
					}
					w.quiet(t)
				})
			}
		}
	}
}

// shoot keeps a picture for a person to look at.
func (w *window) shoot(t *testing.T, name string) {
	t.Helper()
	dir := os.Getenv("RUNNER_REPORT_SHOTS")
	if dir == "" {
		return
	}
	height := said[int](t, w, `document.querySelectorAll("main > section, .case").forEach((s) => { s.style.contentVisibility = "visible"; }), document.documentElement.scrollHeight`)
	for i := 0; i*900 < height && i < 9; i++ {
		ask(t, w, chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`scrollTo(0, %d)`, i*900)))
		time.Sleep(250 * time.Millisecond)
		shot := ask(t, w, chromedp.CaptureScreenshot())
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d.png", name, i)), shot, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ask(t, w, chromedp.Evaluate[chromedp.Void](`scrollTo(0, 0)`))
}

// Whatever a log, a test or a branch is called, nothing of it is run, loaded or shown but as text.
func TestNothingOfTheRunIsRun(t *testing.T) {
	browser := startBrowser(t)
	p := jest(t)
	const evil = `</script></style></title><script>window.owned=1;alert(1)</script><img src="https://evil.example/x.png" onerror="window.owned=2"><svg onload="window.owned=3"><style>body{display:none}</style><a href="javascript:window.owned=4">x</a>`
	p.setTexts(evil)
	p.Place = "s3://" + evil // whose artifacts link to the console
	p.Artifacts = append(
		p.Artifacts,
		record.Artifact{
			Name: "x", Location: "x", Console: "javascript:window.owned=5",
			Entry: "data:text/html," + url.PathEscape(evil),
		},
	)
	p.Log.Text = []byte(
		evil + "\n\x1b]8;;javascript:window.owned=6\x07click\x1b]8;;\x07\n\x1b]0;" + evil + "\x07title\n\x1b[31m" + evil + "\x1b[0m\n",
	)
	w := browse(t, browser, stored(t, p), 1400, "light")
	ask(t, w, chromedp.Evaluate[chromedp.Void]( // the list of all tests is drawn when it comes into view
		`new Promise((done) => { document.getElementById("tests").scrollIntoView(); const look = () => (document.querySelector(".rows tbody tr") ? done() : setTimeout(look, 10)); look(); setTimeout(done, 5000); })`,
		chromedp.EvalAwaitPromise))
	ask(
		t, w,
		chromedp.Evaluate[chromedp.Void](
			unfold+`; document.querySelectorAll("a").forEach((a) => { if (!a.href.startsWith("file:") && !a.href.startsWith("https://github.com/")) a.click(); })`,
		),
	)
	for what, script := range map[string]string{
		"scripts beside the page's own":   `document.querySelectorAll("script").length - 1`,
		"images":                          `document.images.length`,
		"styles beside the page's own":    `document.querySelectorAll("style").length - 1`,
		"elements with a handler":         `document.querySelectorAll("[onload],[onerror],[onclick]").length`,
		"links that run something":        `[...document.links].filter((a) => !/^(https?|file):$/.test(a.protocol)).length`,
		"things that were run":            `window.owned ?? 0`,
		"times that the page is not seen": `getComputedStyle(document.body).display === "none" ? 1 : 0`,
	} {
		if n := ask(t, w, chromedp.Evaluate[int](script)); n != 0 {
			t.Errorf("%d %s", n, what)
		}
	}
	// Even if some text did become markup, the policy keeps it from being run, styled or loaded.
	ask(t, w, chromedp.Evaluate[chromedp.Void](`{
		const d = document.createElement("div");
		d.innerHTML = '<b id="styled" style="color: rgb(1, 2, 3)">x</b><img src="https://evil.example/y.png" onerror="window.owned=7">';
		document.body.append(d);
		const s = document.createElement("script"); s.textContent = "window.owned=8"; document.body.append(s);
	}`))
	if n := ask(t, w, chromedp.Evaluate[int](`(window.owned ?? 0) + (getComputedStyle(document.getElementById("styled")).color === "rgb(1, 2, 3)" ? 100 : 0)`)); n != 0 {
		t.Errorf("the policy lets something happen: %d", n)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.requests) == 0 ||
		slices.ContainsFunc(w.problems, func(p string) bool { return strings.HasPrefix(p, "a dialog") }) {
		t.Errorf("requests %q, problems %q", w.requests, w.problems)
	}
}

// The links of a page that lies in the folder of its run lead to what is there.
func TestLinksInAFolder(t *testing.T) {
	browser := startBrowser(t)
	store := t.TempDir()
	put := func(key, text string) string {
		name := filepath.Join(store, filepath.FromSlash(key))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}
	p := jest(t)
	run := "runs/main/" + sha + "/test/01kav4"
	put("coverage/main/"+sha+"/lcov-report/index.html", "<title>lcov</title>")
	put("runs/index/main~/index.html", "<title>runs</title>")
	for _, name := range runFiles(p.Run) {
		put(run+"/"+name, "{}")
	}
	put("runs/main/"+p.Previous.SHA+"/test/"+p.Previous.RunID+"/report.html", "<title>previous</title>")
	put("runs/main/"+p.LastPassed.SHA+"/test/"+p.LastPassed.RunID+"/report.html", "<title>passed</title>")
	file := put(run+"/report.html", write(t, p))
	w := browse(t, browser, file, 1400, "light")
	links := ask(
		t, w,
		chromedp.Evaluate[[]string](
			`[...document.querySelectorAll("a")].map((a) => a.href).filter((h) => h.startsWith("file:") && !h.includes("#"))`,
		),
	)
	if len(links) < 5 {
		t.Errorf("the page leads only to %q", links)
	}
	for _, to := range links {
		at, err := url.Parse(to)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(at.Path); err != nil {
			t.Errorf("%s leads nowhere: %v", to, err)
		}
	}
	to := ask(
		t, w,
		chromedp.Evaluate[string](
			`[...document.querySelectorAll("a")].find((a) => a.textContent.startsWith("open ")).href`,
		),
	)
	if err := chromedp.Do(w, chromedp.Navigate(to)); err != nil {
		t.Fatal(err)
	}
	if title := ask(t, w, chromedp.Evaluate[string](`document.title`)); title != "lcov" {
		t.Errorf("the report of the coverage is %q", title)
	}
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

//go:build browser

package serve

import (
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/folder"
	"github.com/carlin-cicd/runner/runner/overview"
	"github.com/carlin-cicd/runner/runner/present/page"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/runs"
	"github.com/carlin-cicd/runner/steps/results"
)

// window returns a page in a browser that ends with the test. Run by make test-report.
func window(t *testing.T) context.Context {
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
	})
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	return ctx
}

func evaluate[T any](t *testing.T, ctx context.Context, script string, options ...chromedp.EvaluateOption) T {
	t.Helper()
	answer, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, options...))
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func navigate(t *testing.T, ctx context.Context, to string) {
	t.Helper()
	if err := chromedp.Do(ctx, chromedp.Navigate(to)); err != nil {
		t.Fatal(err)
	}
}

// From the page of the repository to that of a branch, to a report, its log, its coverage: each link leads there, the
// pages work in their sandbox, and a page of the store reads no other.
func TestLinksBetweenPages(t *testing.T) {
	s, err := folder.New(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	put := func(key, text string) {
		t.Helper()
		o := artifacts.Object{Key: key, Body: strings.NewReader(text), Size: int64(len(text))}
		if _, err := s.Put(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	run := record.Run{
		Identity: record.Identity{RunID: "01a", Step: "test", Branch: "feature/a", SHA: testSHA}, Passed: true, Reason: record.Success,
		StartedAt: time.Now().Add(-time.Minute), EndedAt: time.Now(), Seconds: 60, Published: map[string]bool{"log.jsonl.gz": true},
		Artifacts: []record.Artifact{{Name: "coverage", Location: "x", Files: 1, Entry: "index.html"}},
	}
	run.Recorded, run.CommandStarted, run.Key = true, true, runs.Key(run.Entry())
	run.Root = strings.Repeat("../", 1+strings.Count(run.Key, "/"))
	for _, name := range []string{runs.Folders(run.Branch)[0], runs.Folders("")[1]} {
		if _, err := runs.Add(t.Context(), s, name, run.Entry(), nil); err != nil {
			t.Fatal(err)
		}
	}
	run.Tests = &record.Tests{Flaky: []results.Case{{ID: "x", Name: "flickers"}}}
	run.Attached = []record.Attachment{{Test: "x", Source: "x.gif", File: "attachments/001-x.gif", Kind: record.ImageFile, Width: 1, Height: 1}}
	put(run.Key+"/attachments/001-x.gif", "GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;")
	var report strings.Builder
	if err := page.Write(&report, run, page.Log{Text: []byte("one\ntwo\n")}); err != nil {
		t.Fatal(err)
	}
	put(run.Key+"/report.html", report.String())
	put(run.Key+"/finished.json", "{}")
	put("coverage/feature/a/"+testSHA+"/index.html", `<title>lcov</title><script src="sorter.js"></script><script>document.title += " inline"</script>`)
	put("coverage/feature/a/"+testSHA+"/sorter.js", `document.title += " sorted"`)
	server, err := Listen(s, overview.Repository{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { _ = server.Run(ctx) }()

	w := window(t)
	follow := func(selector string) {
		t.Helper()
		to := evaluate[string](t, w, `document.querySelector(`+"`"+selector+"`"+`)?.href ?? ""`)
		if to == "" {
			t.Fatalf("there is no %s on %s", selector, evaluate[string](t, w, "location.href"))
		}
		navigate(t, w, to)
	}
	navigate(t, w, server.URL(""))
	follow(".branches th a")
	if title := evaluate[string](t, w, "document.title"); title != "feature/a · runs" {
		t.Errorf("the page of the branch is %q", title)
	}
	follow("a.cell")
	if title := evaluate[string](t, w, "document.title"); !strings.HasPrefix(title, "test passed · feature/a") {
		t.Errorf("the report is %q", title)
	}
	found := evaluate[string](t, w, `{ const i = document.getElementById("search"); i.value = "two"; i.dispatchEvent(new KeyboardEvent("keydown", {key: "Enter"})); i.dispatchEvent(new Event("input")); document.getElementById("next").click(); document.getElementById("found").textContent }`)
	if found != "1 of 1" {
		t.Errorf("the search of the report says %q", found)
	}
	follow(`a[href$="feature/a~/index.html"]`) // and back
	follow("a.cell")
	shown := evaluate[int](t, w, `{ const i = document.images[0]; i.loading = "eager"; document.querySelectorAll("details").forEach((d) => d.open = true); i.decode().then(() => i.naturalWidth, () => -1) }`, chromedp.EvalAwaitPromise)
	if shown != 1 {
		t.Errorf("the picture of a test is not shown: %d", shown)
	}
	if text := evaluate[string](t, w, `document.getElementById("newer").textContent`); text != "next run →" {
		t.Errorf("the report leads to %q", text)
	}
	follow(`#newer`) // there is none: the list of runs
	if to := evaluate[string](t, w, `location.pathname + location.hash`); to != "/runs/index/feature/a~/index.html#r-01a" {
		t.Errorf("the next run is at %s", to)
	}
	follow("a.cell")
	follow(`a[href*="#c-"]`)
	if !evaluate[bool](t, w, `document.querySelector("tr:target th").textContent.includes("`+testSHA[:7]+`")`) {
		t.Error("the report does not lead to its commit on the page of the branch")
	}
	follow("a.cell")
	follow(`a[href*="/coverage/"]`)
	if title := evaluate[string](t, w, "document.title"); title != "lcov sorted inline" {
		t.Errorf("the report of the coverage is %q", title)
	}
	read := evaluate[string](t, w, `fetch("/runs/index/index.html").then((r) => r.text()).then((t) => "read " + t.length, (e) => "refused")`, chromedp.EvalAwaitPromise)
	if read != "refused" || evaluate[string](t, w, "window.origin") != "null" {
		t.Errorf("a page of the store has read another: %s", read)
	}
}

//go:build browser

package page

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/carlin-cicd/runner/runner/present"
)

// maxScreenshot bounds a picture of README.md, in bytes.
const maxScreenshot = 150 << 10

// The pictures of README.md: of the report, the page of all runs and the summary on a terminal. They are made of sample
// runs at a fixed time. make screenshots writes them to the folder that RUNNER_SCREENSHOTS names.
func TestScreenshots(t *testing.T) {
	dir := cmp.Or(os.Getenv("RUNNER_SCREENSHOTS"), t.TempDir())
	browser := startBrowser(t)
	report := pictured(t)
	report.Place = "s3://acme-ci"
	index := filepath.Join(t.TempDir(), "index.html")
	if err := os.WriteFile(index, []byte(writeIndex(t, indexed(600, ""))), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, shot := range []struct {
		name, file, scheme string
		height             int
	}{
		{"report", storedWithPictures(t, report), "light", 1500},
		{"runs", index, "dark", 1300},
		{"terminal", storedTerminal(t), "dark", 0},
	} {
		picture := quantize(t, screenshot(t, browser, shot.file, shot.scheme, shot.height))
		if len(picture) > maxScreenshot {
			t.Errorf("%s.png has %d bytes", shot.name, len(picture))
		}
		if err := os.WriteFile(filepath.Join(dir, shot.name+".png"), picture, 0o644); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s.png: %d KB", shot.name, len(picture)/1000)
	}
}

// screenshot opens a file at the time of the samples and takes a picture of its beginning, or of all of it.
func screenshot(t *testing.T, browser context.Context, file, scheme string, height int) []byte {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	t.Cleanup(cancel)
	w := &window{Context: ctx, file: file}
	clock := fmt.Sprintf(`Date.now = () => %d;`, indexTime.UnixMilli())
	fixed := chromedp.Action[chromedp.Void](func(ctx context.Context, tab *chromedp.Target) (none chromedp.Void, err error) {
		_, err = cdp.Call(ctx, tab, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: clock})
		return none, err
	})
	const width = 1200
	if err := chromedp.Do(ctx, fixed, chromedp.EmulateViewport(width, int64(cmp.Or(height, 600))), as("screen", scheme), chromedp.Navigate("file://"+file)); err != nil {
		t.Fatal(err)
	}
	said[bool](t, w, `[...document.images].forEach((i) => { i.loading = "eager"; }), true`)
	if height == 0 {
		height = said[int](t, w, `Math.ceil(document.body.getBoundingClientRect().height)`)
		if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, int64(height))); err != nil {
			t.Fatal(err)
		}
	}
	said[bool](t, w, `true`)
	return ask(t, w, chromedp.CaptureScreenshot())
}

// storedTerminal writes a page that shows what runner test prints.
func storedTerminal(t *testing.T) (file string) {
	t.Helper()
	p := jest(t)
	p.Place = ".runner/artifacts"
	p.Tests.Failures = p.Tests.Failures[:2]
	p.Tests.Failed, p.Run.Cause.More = 2, 1
	lines := strings.SplitAfter(string(p.Log.Text), "\n")
	text := "\x1b[32m$\x1b[0m runner test\n" + strings.Join(lines[1:18], "") + "  \x1b[2m…\x1b[0m\n\n" + present.Terminal{Color: true}.Summary(p.Run)
	var b bytes.Buffer
	w := newWriter(&b)
	w.raw("<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><style>")
	w.raw(css)
	w.raw("body { padding: 1.5rem; } pre { font-size: .95rem; padding: 1.25rem 1.5rem; margin: 0; white-space: pre-wrap; }</style><body><pre>")
	var s style
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		s = w.line([]byte(strings.TrimSuffix(line, "\n")), s)
		w.raw("\n")
	}
	w.raw("</pre></body></html>")
	if err := w.flush(); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "terminal.html")
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// quantize makes a PNG of 256 colors, which is enough for pages: the most frequent ones, and of the rest those that are
// not like any of them.
func quantize(t *testing.T, text []byte) []byte {
	t.Helper()
	from, err := png.Decode(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	bounds := from.Bounds()
	shades := map[color.RGBA]int{}
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			shades[color.RGBAModel.Convert(from.At(x, y)).(color.RGBA)]++
		}
	}
	order := slices.SortedFunc(maps.Keys(shades), func(a, b color.RGBA) int {
		return cmp.Or(cmp.Compare(shades[b], shades[a]), cmp.Compare(packed(a), packed(b)))
	})
	const frequent, distinct = 96, 40
	var palette color.Palette
	for i, c := range order {
		if i < frequent || len(palette) < 256 && distance(palette[palette.Index(c)].(color.RGBA), c) > distinct {
			palette = append(palette, c)
		}
	}
	nearest := map[color.RGBA]uint8{}
	for c := range shades {
		nearest[c] = uint8(palette.Index(c))
	}
	to := image.NewPaletted(bounds, palette)
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			to.SetColorIndex(x, y, nearest[color.RGBAModel.Convert(from.At(x, y)).(color.RGBA)])
		}
	}
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, to); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func packed(c color.RGBA) int { return int(c.R)<<16 | int(c.G)<<8 | int(c.B) }

func distance(a, b color.RGBA) int {
	part := func(a, b uint8) int { return max(int(a)-int(b), int(b)-int(a)) }
	return part(a.R, b.R) + part(a.G, b.G) + part(a.B, b.B)
}

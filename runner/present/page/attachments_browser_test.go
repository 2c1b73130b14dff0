//go:build browser

package page

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

var (
	green = color.RGBA{0x2e, 0x8b, 0x57, 0xff}
	red   = color.RGBA{0xc4, 0x45, 0x36, 0xff}
	grey  = color.RGBA{0x77, 0x7f, 0x88, 0xff}
)

// picture is a PNG of a window with a button of a color.
func picture(width, height int, button color.Color) []byte {
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	fill := func(r image.Rectangle, c color.Color) { draw.Draw(m, r, image.NewUniform(c), image.Point{}, draw.Src) }
	fill(m.Bounds(), color.White)
	fill(image.Rect(0, 0, width, height/8), color.RGBA{0xe5, 0xe9, 0xee, 0xff})
	for i := range 3 {
		fill(image.Rect(width/10, height/4+i*height/10, width*(8-i)/10, height/4+i*height/10+height/24), color.RGBA{0xc3, 0xca, 0xd2, 0xff})
	}
	fill(image.Rect(width/10, height*2/3, width*4/10, height*5/6), button)
	var b bytes.Buffer
	if png.Encode(&b, m) != nil {
		panic("a buffer fails")
	}
	return b.Bytes()
}

// storedWithPictures writes a page, and the pictures that it shows beside it.
func storedWithPictures(t *testing.T, p sample) (file string) {
	t.Helper()
	file = stored(t, p)
	for i, a := range p.Attached {
		if a.File == "" || !strings.HasSuffix(a.File, ".png") {
			continue
		}
		at := filepath.Join(filepath.Dir(file), filepath.FromSlash(a.File))
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, picture(a.Width, a.Height, []color.Color{green, red, grey}[i%3]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return file
}

// Pictures are shown beside their test, and compared by a slider, under the policy of the page.
func TestAttachmentsInABrowser(t *testing.T) {
	browser := startBrowser(t)
	p := pictured(t)
	file := storedWithPictures(t, p)
	for _, width := range []int64{320, 1400} {
		w := browse(t, browser, file, width, "dark")
		w.shoot(t, "pictures-dark")
		// One that comes into view is loaded.
		ask(t, w, chromedp.Evaluate[chromedp.Void](unfold+`; Promise.race([new Promise((done) => setTimeout(done, 5000)), Promise.all([...document.images].map((i) => { i.loading = "eager"; return i.decode().catch(() => 0); }))]).then(() => undefined)`, chromedp.EvalAwaitPromise))
		if seen := said[[]string](t, w, `[...document.images].filter((i) => !i.naturalWidth).map((i) => i.getAttribute("src"))`); len(seen) > 0 {
			t.Errorf("not loaded: %q", seen)
		}
		if n := said[int](t, w, `document.images.length`); n != 2+3+1 {
			t.Errorf("%d pictures", n)
		}
		const shown = `[...document.querySelectorAll("#t1 .pair .view")].filter((v) => v.checkVisibility()).map((v) => v.dataset.view).join(" ")`
		if s := said[string](t, w, shown); s != "expected actual" {
			t.Errorf("the slider shows %q", s)
		}
		const clip = `document.querySelector("#t1 .view.over").style.clipPath`
		before := said[string](t, w, clip)
		ask(t, w, chromedp.Focus("#t1 .pair input"))
		ask(t, w, chromedp.KeyEvent(kb.ArrowRight))
		if after := said[string](t, w, clip); before != "inset(0px 0px 0px 50%)" || after != "inset(0px 0px 0px 51%)" {
			t.Errorf("the slider moves from %s to %s", before, after)
		}
		over := said[bool](t, w, `(() => { const [a, b] = [...document.querySelectorAll("#t1 .pair img")].map((i) => i.getBoundingClientRect()); return a.width > 0 && Math.abs(a.left - b.left) < 1 && Math.abs(a.top - b.top) < 1 && Math.abs(a.width - b.width) < 1; })()`)
		if !over {
			t.Error("the pictures do not lie over each other")
		}
		said[bool](t, w, `document.querySelector("#t1 .pair button[value=actual]").click(), true`)
		if s := said[string](t, w, shown+` + " " + document.querySelector("#t1 .pair button[value=actual]").ariaPressed`); s != "actual true" {
			t.Errorf("the button for the actual picture shows %q", s)
		}
		// Of a picture that has all three, each view shows its third.
		parts := said[[]int](t, w, `[...document.querySelectorAll("#t2 .pair .view")].map((v) => { v.classList.remove("off"); const box = v.querySelector("div").getBoundingClientRect(), i = v.querySelector("img").getBoundingClientRect(); return Math.round(3 * (box.left - i.left) / i.width); })`)
		if len(parts) != 3 || parts[0] != 0 || parts[1] != 2 || parts[2] != 1 {
			t.Errorf("the views show the thirds %v", parts)
		}
		stacked := said[[]int](t, w, `[...document.querySelectorAll("#t3 .pair .view")].map((v) => { v.classList.remove("off"); const box = v.querySelector("svg").getBoundingClientRect(), i = v.querySelector("image").getBoundingClientRect(); return Math.round(3 * (box.top - i.top) / i.height); })`)
		if len(stacked) != 3 || stacked[0] != 0 || stacked[1] != 2 || stacked[2] != 1 {
			t.Errorf("the views show the thirds %v from the top", stacked)
		}
		if s := said[string](t, w, `[...document.querySelectorAll("video")].map((v) => v.preload + v.autoplay).join()`); s != "nonefalse" {
			t.Errorf("the video: %s", s)
		}
		if overflow := said[int](t, w, `document.documentElement.scrollWidth - innerWidth`); overflow > 0 {
			t.Errorf("the page is %d px too wide", overflow)
		}
		w.mu.Lock()
		for _, problem := range w.problems {
			t.Errorf("the browser says: %s", problem)
		}
		for _, r := range w.requests {
			if !strings.HasPrefix(r, "file://"+filepath.Dir(file)+"/") && !strings.HasPrefix(r, "data:") {
				t.Errorf("the page asks for %s", r)
			}
		}
		w.mu.Unlock()
	}
}

package page

import (
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/runner/record"
)

func TestTheOutputOfAServiceIsFoldedAndEscaped(t *testing.T) {
	run := record.Run{Services: []record.Service{
		{Name: "db", Ready: 1, Lines: []string{"<b>up</b>", "listening"}, Dropped: 3},
		{Name: "web", Error: "service web ended: it exited with 3", Lines: []string{"no route"}},
		{Name: "quiet", Ready: 1},
	}}
	var out strings.Builder
	w := newWriter(&out)
	w.services(run)
	if err := w.flush(); err != nil {
		t.Fatal(err)
	}
	page := out.String()
	for _, want := range []string{
		"<details><summary>db: ready in 1s</summary>", "3 lines before these are in the log, with the source service/db.",
		"<pre>&lt;b&gt;up&lt;/b&gt;\nlistening</pre></details>",
		"<details open><summary>web: not ready; service web ended: it exited with 3</summary>", "<p>quiet: ready in 1s</p>",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s:\n%s", want, page)
		}
	}
}

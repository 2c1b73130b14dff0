package overview

import (
	"context"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/folder"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/runs"
)

const testSHA = "0123456789abcdef0123456789abcdef01234567"

func entry(id, branch string) record.Entry {
	now := time.Now().UTC()
	return record.Entry{
		RunID: id, Step: "test", Branch: branch, SHA: testSHA, State: record.Passed, Started: now.Add(-time.Minute), Ended: now,
	}
}

func store(t *testing.T) *folder.Store {
	t.Helper()
	s, err := folder.New(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func add(t *testing.T, s runs.Store, e record.Entry) {
	t.Helper()
	for _, folders := range [][]string{runs.Folders(e.Branch), runs.Folders("")[1:]} {
		if _, err := runs.Add(t.Context(), s, folders[0], e, nil); err != nil {
			t.Fatal(err)
		}
	}
}

func read(t *testing.T, s artifacts.Store, key string) string {
	t.Helper()
	r, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestLinksOfThePages(t *testing.T) {
	s := store(t)
	add(t, s, entry("01a", "feature/a"))
	for _, branch := range []string{"", "feature/a"} {
		if err := Write(t.Context(), s, Repository{"shop/web", "https://github.com/shop/web"}, branch); err != nil {
			t.Fatal(err)
		}
	}
	for key, links := range map[string][]string{
		"runs/index/index.html": {
			"../../runs/feature/a/" + testSHA + "/test/01a/report.html", "../../runs/index/feature/a~/index.html",
			"https://github.com/shop/web/commit/" + testSHA,
		},
		"runs/index/feature/a~/index.html": {
			"../../../../runs/feature/a/" + testSHA + "/test/01a/report.html", "../../../../runs/index/index.html",
		},
	} {
		text := read(t, s, key)
		for _, link := range links {
			if !strings.Contains(text, `href="`+link+`"`) {
				t.Errorf("%s has no link to %s", key, link)
			}
		}
		if branch, ok := ParseKey(key); !ok || Key(branch) != key {
			t.Errorf("%s reads as the page of %q", key, branch)
		}
	}
}

// slow is a store in which another run ends while a page is stored.
type slow struct {
	Store
	meanwhile func()
}

func (s *slow) Put(ctx context.Context, o artifacts.Object) (string, error) {
	version, err := s.Store.Put(ctx, o)
	if do := s.meanwhile; do != nil {
		s.meanwhile = nil
		do()
	}
	return version, err
}

func TestALatePageShowsWhatAnotherRunWroteMeanwhile(t *testing.T) {
	s := store(t)
	add(t, s, entry("01a", "main"))
	late := &slow{s, func() { add(t, s, entry("01b", "main")) }}
	if err := Write(t.Context(), late, Repository{}, "main"); err != nil {
		t.Fatal(err)
	}
	if text := read(t, s, Key("main")); !strings.Contains(text, "/01b/report.html") {
		t.Error("the page does not show the run that ended while it was stored")
	}
}

package overview

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/artifacts/folder"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/runs"
)

// writer is what a run does at its end: it adds itself to a head, and stores the page beside it, or else by Write.
type writer struct {
	t      *testing.T
	s      *folder.Store
	branch string
	folder string
	draft  *Draft
}

func (w *writer) read() {
	w.t.Helper()
	var err error
	if w.draft, err = Read(w.t.Context(), w.s, w.branch, w.folder); err != nil {
		w.t.Fatal(err)
	}
}

// add reports whether the page was stored beside the head.
func (w *writer) add(e record.Entry) bool {
	w.t.Helper()
	pageErr := errors.New("not asked")
	_, asRead, err := runs.AddTo(w.t.Context(), w.s, w.folder, &w.draft.Head, e, nil, func(h runs.Head) {
		pageErr = w.draft.Store(w.t.Context(), w.s, Repository{}, h)
	})
	if err != nil || pageErr != nil && !errors.Is(pageErr, fs.ErrExist) {
		w.t.Fatal(err, pageErr)
	}
	if beside := asRead && pageErr == nil; beside {
		return true
	}
	if err := Write(context.WithoutCancel(w.t.Context()), w.s, Repository{}, w.branch); err != nil {
		w.t.Fatal(err)
	}
	return false
}

func TestThePageShowsWhatEveryWriterAdded(t *testing.T) {
	type step struct {
		who    int
		read   bool // or add
		beside bool
	}
	look := func(who int) step { return step{who: who, read: true} }
	for what, c := range map[string]struct {
		folders [2]string // of the repository; "" for those of a branch
		steps   []step
	}{
		"one after the other":          {steps: []step{look(0), {0, false, true}, look(1), {1, false, true}}},
		"both have read the same head": {steps: []step{look(0), look(1), {0, false, true}, {1, false, false}}},
		"both of the repository, in one folder": {
			[2]string{keys.RunIndexProtected, keys.RunIndexProtected},
			[]step{look(0), look(1), {1, false, true}, {0, false, false}},
		},
		"in both folders": {
			[2]string{keys.RunIndexProtected, keys.RunIndexOthers},
			[]step{look(0), {0, false, true}, look(1), {1, false, true}},
		},
		"in both folders, side by side": {
			[2]string{keys.RunIndexProtected, keys.RunIndexOthers},
			[]step{look(0), look(1), {1, false, true}, {0, false, false}},
		},
	} {
		t.Run(what, func(t *testing.T) {
			s := store(t)
			var writers []*writer
			for _, folder := range c.folders {
				w := &writer{t: t, s: s, branch: "main", folder: keys.RunIndex("main")}
				if folder != "" {
					w.branch, w.folder = "", folder
				}
				writers = append(writers, w)
			}
			ids := []string{"01aaa", "01bbb"}
			for i, step := range c.steps {
				if w := writers[step.who]; step.read {
					w.read()
				} else if beside := w.add(entry(ids[step.who], "main")); beside != step.beside {
					t.Errorf("step %d: beside the head: %v", i, beside)
				}
			}
			for _, id := range ids {
				if text := read(t, s, Key(writers[0].branch)); !strings.Contains(text, id) {
					t.Errorf("the page has no %s", id)
				}
			}
		})
	}
}

// A head may change between the two reads of a page and of the other head.
func TestADraftOfOtherHeadsThanThePageIsNoGood(t *testing.T) {
	s := store(t)
	w := &writer{t: t, s: s, folder: keys.RunIndexProtected}
	w.read()
	w.add(entry("01aaa", "main"))
	if _, err := runs.Add(t.Context(), s, keys.RunIndexOthers, entry("01bbb", "x"), nil); err != nil { // and no page
		t.Fatal(err)
	}
	w.read()
	if w.add(entry("01ccc", "main")) {
		t.Error("the page was stored beside the head")
	}
	w.read()
	if !w.add(entry("01ddd", "main")) {
		t.Error("after Write the page was not stored beside the head")
	}
}

package overview

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/runs"
)

// Draft is a page that is stored side by side with the head of the index that it shows, without being looked at again:
// only if it is still as it was when the heads were read. Of two writers who do so at once, one is refused, and goes on by
// Write.
//
// A page of the repository shows two heads, of which a writer changes one. The heads are read side by side with the page,
// so the other one may be older than the page. Hence a page says of which heads it is made, and a draft that has not
// read the same is no good.
type Draft struct {
	Head runs.Head // of the folder that is written

	branch, folder string
	heads          []runs.Head
	tag            string
	good           bool
}

// Read reads what a draft is made of: the page of a branch, or of the repository for "", and the heads. An error is that
// of a head; without the page the draft is no good.
func Read(ctx context.Context, s runs.Store, branch, folder string) (*Draft, error) {
	folders := runs.Folders(branch)
	d := &Draft{branch: branch, folder: folder, heads: make([]runs.Head, len(folders))}
	problems := make([]error, len(folders))
	var text []byte
	var pageErr error
	var beside sync.WaitGroup
	for i, f := range folders {
		beside.Go(func() { d.heads[i], problems[i] = runs.Load(ctx, s, f) })
	}
	beside.Go(func() { text, d.tag, pageErr = s.Load(ctx, Key(branch)) })
	beside.Wait()
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	d.good = errors.Is(pageErr, fs.ErrNotExist) || pageErr == nil
	for i, f := range folders {
		if f == folder {
			d.Head = d.heads[i]
		} else if pageErr == nil && !strings.Contains(string(text), mark(f, d.heads[i])) {
			d.good = false
		}
	}
	return d, nil
}

// Store stores the page with the head that is about to be stored. The error is fs.ErrExist if it has to be stored by
// Write instead.
func (d *Draft) Store(ctx context.Context, s runs.Store, repository Repository, head runs.Head) error {
	if !d.good {
		return fs.ErrExist
	}
	d.good = false // for the next time
	folders := runs.Folders(d.branch)
	heads := slices.Clone(d.heads)
	heads[slices.Index(folders, d.folder)] = head
	list, err := runs.NewestOf(ctx, s, folders, heads, headsOnly, nil)
	if err != nil {
		return err
	}
	text, err := render(list, repository, d.branch, time.Now())
	if err != nil {
		return err
	}
	text = append(text, marks(folders, heads)...)
	_, err = s.Swap(ctx, artifacts.Object{
		Key: Key(d.branch), Body: bytes.NewReader(text), Size: int64(len(text)), Type: "text/html; charset=utf-8",
		CacheControl: "no-cache",
	}, d.tag)
	return err
}

func marks(folders []string, heads []runs.Head) (text string) {
	for i, f := range folders {
		text += mark(f, heads[i])
	}
	return text
}

// mark says of which state of a head a page is made.
func mark(folder string, head runs.Head) string {
	h := sha256.New()
	fmt.Fprintln(h, folder)
	for _, e := range head.Runs {
		fmt.Fprintln(h, e.RunID, e.State, e.Ended.UnixMicro())
	}
	for _, l := range head.Live {
		fmt.Fprintln(h, l.RunID, l.FoundBy)
	}
	return "<!-- made of " + hex.EncodeToString(h.Sum(nil)) + " -->\n"
}

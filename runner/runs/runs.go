// Package runs reads and writes the index of runs: which ran, how they ended and which are running, newest first,
// without a listing of the store.
//
// An index is a folder of the store: see artifacts/keys. Its head has the newest runs, and the pages that older ones
// were moved to. All writes are conditional, so that of several writers none loses what another wrote:
//
//  1. read the head; add the run, or replace its entry if the new one says more;
//  2. if the head is full, move its oldest runs to the next page. A page that is there already was written by a
//     runner that died, or lost a race, before step 3: what it holds is merged, and nothing is removed from it;
//  3. store the head if it is still what was read, else begin again.
//
// A run may be in the head and in a page, or in two pages. Readers take the entry that says most. A reader needs the
// head only for the newest runs, one more request for each page of older ones.
package runs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/artifacts/retry"
	"github.com/carlin-cicd/runner/runner/record"
)

// The bounds of an index.
const (
	PageSize    = 200  // runs in a page; the head has one to two pages
	maxPages    = 1000 // that the head knows; older ones are forgotten
	maxBranches = 300
	maxLive     = 100
	maxDecoded  = 8 << 20 // bytes of a head or a page, decompressed
	version     = 1
)

// Store is what an index is kept in. See artifacts.Swapper for the semantics.
type Store interface {
	Load(ctx context.Context, key string) (body []byte, tag string, err error)
	Swap(ctx context.Context, o artifacts.Object, tag string) (newTag string, err error)
}

// Head is the newest part of an index.
type Head struct {
	Version  int                   `json:"version"`
	Runs     []record.Entry        `json:"runs"`              // the newest first
	Live     []record.LiveRevision `json:"live,omitempty"`    // what the runs of this index deployed
	Branches []Branch              `json:"branches"`          // the one with the newest run first
	Pages    []Page                `json:"pages,omitempty"`   // the oldest first
	Dropped  int                   `json:"dropped,omitempty"` // pages before the first of Pages

	tag string
}

// Branch is a branch with runs.
type Branch struct {
	Name   string    `json:"name"`
	Newest string    `json:"newest"` // id of its newest run
	At     time.Time `json:"at"`     // when that began
}

// Page says which runs a page has: those from one id to another, and maybe others between them.
type Page struct {
	First string `json:"first"`
	Last  string `json:"last"`
}

// page is a page as it is stored.
type page struct {
	Version int            `json:"version"`
	Runs    []record.Entry `json:"runs"`
}

// CorruptError is a head or a page that cannot be read.
type CorruptError struct {
	Key    string
	Reason string
	Newer  bool // a newer runner wrote it: it must not be replaced
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("the index of runs in %s cannot be read: %s", e.Key, e.Reason)
}

// Hint says what to do next.
func (e *CorruptError) Hint() string {
	if e.Newer {
		return "update this runner"
	}
	return "nothing: the next run begins it anew; the records of the runs are not affected"
}

// Add adds a run to an index, with what is live now as far as the run knows, and returns the head with it. It repeats
// what loses a race until ctx ends.
func Add(ctx context.Context, s Store, folder string, e record.Entry, live []record.LiveRevision) (Head, error) {
	head, _, err := AddTo(ctx, s, folder, nil, e, live, nil)
	return head, err
}

// AddTo is Add to a head that was read before, which saves a request if it is still the same; nil for none. Beside is
// called with the head while it is being stored, for the first time it is; it may be nil. AsRead reports whether that was
// the only time, so that what beside was given is what is stored.
func AddTo(
	ctx context.Context, s Store, folder string, read *Head, e record.Entry, live []record.LiveRevision, beside func(Head),
) (head Head, asRead bool, err error) {
	policy := retry.Policy{First: 25 * time.Millisecond, Longest: 800 * time.Millisecond, Retryable: isRetryable}
	attempts := 0
	err = retry.Do(ctx, policy, func() error {
		var err error
		if attempts++; attempts == 1 && read != nil {
			head = read.clone()
		} else if head, err = Load(ctx, s, folder); err != nil {
			return err
		}
		changed := head.add(e)
		if changed = head.setLive(live) || changed; !changed {
			return nil // an earlier attempt did it, and its response was lost
		}
		if err := head.roll(ctx, s, folder); err != nil {
			return err
		}
		var both sync.WaitGroup
		if stored := head.clone(); beside != nil && attempts == 1 {
			both.Go(func() { beside(stored) })
		}
		head.tag, err = put(ctx, s, keys.RunIndexHead(folder), head, head.tag)
		both.Wait()
		return err
	})
	return head, attempts == 1, err
}

func (h *Head) clone() Head {
	c := *h
	c.Runs, c.Live = slices.Clone(h.Runs), slices.Clone(h.Live)
	c.Branches, c.Pages = slices.Clone(h.Branches), slices.Clone(h.Pages)
	return c
}

// Load reads the head of an index; without one it is empty. A head that cannot be read counts as empty, too, unless a
// newer runner wrote it.
func Load(ctx context.Context, s Store, folder string) (Head, error) {
	key := keys.RunIndexHead(folder)
	head := Head{Version: version}
	body, tag, err := s.Load(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		return head, nil
	}
	if err != nil {
		return head, err
	}
	err = decode(key, body, &head)
	if err == nil && head.Version != version {
		err = &CorruptError{key, fmt.Sprintf("its version is %d", head.Version), head.Version > version}
	}
	var corrupt *CorruptError
	if errors.As(err, &corrupt) && !corrupt.Newer {
		head, err = Head{Version: version}, nil
	}
	head.tag = tag
	return head, err
}

// add reports whether the head changed.
func (h *Head) add(e record.Entry) bool {
	h.note(e)
	i, found := slices.BinarySearchFunc(h.Runs, e, record.Newer)
	switch {
	case !found:
		h.Runs = slices.Insert(h.Runs, i, e)
	case e.Supersedes(h.Runs[i]):
		h.Runs[i] = e
	default:
		return false
	}
	return true
}

// note keeps the branch of a run.
func (h *Head) note(e record.Entry) {
	b := Branch{e.Branch, e.RunID, e.Started}
	if i := slices.IndexFunc(h.Branches, func(b Branch) bool { return b.Name == e.Branch }); i >= 0 {
		if h.Branches[i].Newest >= e.RunID {
			return
		}
		h.Branches = slices.Delete(h.Branches, i, i+1)
	}
	i, _ := slices.BinarySearchFunc(h.Branches, b, func(a, b Branch) int { return strings.Compare(b.Newest, a.Newest) })
	h.Branches = slices.Insert(h.Branches, i, b)
	h.Branches = h.Branches[:min(len(h.Branches), maxBranches)]
}

// setLive reports whether the head changed. What a later run found wins. A revision that is known as live is so since it
// was first found.
func (h *Head) setLive(live []record.LiveRevision) bool {
	changed := false
	for _, l := range live {
		i := slices.IndexFunc(h.Live, l.SamePlace)
		switch {
		case i < 0:
			l.Since = l.At
			h.Live = append(h.Live, l)
		case h.Live[i].FoundBy > l.FoundBy, h.Live[i].FoundBy == l.FoundBy && h.Live[i].RunID == l.RunID:
			continue
		case h.Live[i].RunID == l.RunID:
			h.Live[i].FoundBy = l.FoundBy
		default:
			h.Live[i] = l
		}
		changed = true
	}
	h.Live = h.Live[max(len(h.Live)-maxLive, 0):]
	return changed
}

// roll moves the oldest runs of a full head to a page.
func (h *Head) roll(ctx context.Context, s Store, folder string) error {
	for len(h.Runs) > 2*PageSize {
		kept := len(h.Runs) - PageSize
		n := h.Dropped + len(h.Pages) + 1
		moved, whole, err := addToPage(ctx, s, keys.RunIndexPage(folder, n), h.Runs[kept:])
		if err != nil {
			return err
		}
		h.Pages = append(h.Pages, moved)
		if whole {
			h.Runs = h.Runs[:kept]
		}
		if extra := len(h.Pages) - maxPages; extra > 0 {
			h.Pages, h.Dropped = h.Pages[extra:], h.Dropped+extra
		}
	}
	return nil
}

// addToPage stores runs in a page, with those that are there. Added is false for a page that has enough of others: it
// is left as it is.
func addToPage(ctx context.Context, s Store, key string, runs []record.Entry) (is Page, added bool, err error) {
	there, tag, err := loadPage(ctx, s, key)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Page{}, false, err
	}
	all := Merge(runs, there)
	if added = len(all) <= 2*PageSize || len(there) == 0; !added {
		return Page{there[len(there)-1].RunID, there[0].RunID}, false, nil
	}
	if len(all) > len(there) || !slices.EqualFunc(all, there, sameEntry) {
		_, err = put(ctx, s, key, page{version, all}, tag)
	}
	return Page{all[len(all)-1].RunID, all[0].RunID}, true, err
}

func sameEntry(a, b record.Entry) bool { return a.RunID == b.RunID && !a.Supersedes(b) }

// loadPage reads a page. One that cannot be read counts as empty.
func loadPage(ctx context.Context, s Store, key string) ([]record.Entry, string, error) {
	body, tag, err := s.Load(ctx, key)
	if err != nil {
		return nil, "", err
	}
	var p page
	switch err := decode(key, body, &p); {
	case err != nil || p.Version < version:
		return nil, tag, nil
	case p.Version > version:
		return nil, "", &CorruptError{key, fmt.Sprintf("its version is %d", p.Version), true}
	}
	return p.Runs, tag, nil
}

// Merge returns the runs of several lists, the newest first, each once.
func Merge(lists ...[]record.Entry) []record.Entry {
	all := slices.Concat(lists...)
	sort.SliceStable(all, func(i, j int) bool {
		a, b := all[i], all[j]
		if by := record.Newer(a, b); by != 0 {
			return by < 0
		}
		return a.Supersedes(b)
	})
	return slices.CompactFunc(all, func(a, b record.Entry) bool { return a.RunID == b.RunID })
}

// put stores a head or a page if the object still has the tag.
func put(ctx context.Context, s Store, key string, v any, tag string) (string, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed) // each run does it twice
	if err != nil {
		return "", err
	}
	if err := json.NewEncoder(z).Encode(v); err != nil {
		return "", err
	}
	if err := z.Close(); err != nil {
		return "", err
	}
	return s.Swap(ctx, artifacts.Object{
		Key: key, Body: bytes.NewReader(b.Bytes()), Size: int64(b.Len()), Type: "application/gzip", CacheControl: "no-cache",
	}, tag)
}

func decode(key string, body []byte, v any) error {
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return &CorruptError{Key: key, Reason: err.Error()}
	}
	text, err := io.ReadAll(io.LimitReader(z, maxDecoded+1))
	if err == nil && len(text) > maxDecoded {
		err = fmt.Errorf("it is larger than %d bytes", maxDecoded)
	}
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil {
		return &CorruptError{Key: key, Reason: err.Error()}
	}
	return nil
}

// isRetryable reports whether a write may succeed later. One that lost a race against another writer may.
func isRetryable(err error) bool {
	var r interface{ Retryable() bool }
	return errors.Is(err, fs.ErrExist) || errors.As(err, &r) && r.Retryable()
}

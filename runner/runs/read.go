package runs

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"golang.org/x/sync/errgroup"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/record"
)

// maxRead is how many pages a query reads at most, after the heads: 5,000 runs and more.
const maxRead = 25

// Folders returns the indexes of a branch, or of the whole repository for "".
func Folders(branch string) []string {
	if branch == "" {
		return []string{keys.RunIndexProtected, keys.RunIndexOthers}
	}
	return []string{keys.RunIndex(branch)}
}

// Key returns the folder of a run's records.
func Key(e record.Entry) string {
	return keys.Run(artifacts.Ref{Branch: e.Branch, SHA: e.SHA}, e.Step, e.Environment, e.RunID)
}

// List is what a query found.
type List struct {
	Runs     []record.Entry // the newest first
	Live     []record.LiveRevision
	Branches []Branch // the one with the newest run first
	Searched int      // runs that were read
	Older    bool     // there are runs that were not read

	tags []string // of the heads
}

// Same reports whether two queries of the same indexes saw the same heads.
func (l List) Same(other List) bool { return slices.Equal(l.tags, other.tags) }

// Newest returns the newest runs of indexes, limit at most, of those that keep accepts; nil accepts all. It reads the
// heads, and pages only as far as they are needed.
func Newest(
	ctx context.Context, s Store, folders []string, limit int, keep func(record.Entry) bool,
) (List, error) {
	heads, err := Heads(ctx, s, folders)
	if err != nil {
		return List{}, err
	}
	return NewestOf(ctx, s, folders, heads, limit, keep)
}

// NewestOf is Newest of heads that were read before.
func NewestOf(
	ctx context.Context, s Store, folders []string, heads []Head, limit int, keep func(record.Entry) bool,
) (List, error) {
	var all []record.Entry
	var list List
	for _, h := range heads {
		list.tags = append(list.tags, h.tag)
		all = Merge(all, h.Runs)
		list.Branches = append(list.Branches, h.Branches...)
		list.Live = mergeLive(list.Live, h.Live)
	}
	sort.SliceStable(list.Branches, func(i, j int) bool { return list.Branches[i].Newest > list.Branches[j].Newest })
	list.Branches = slices.CompactFunc(list.Branches, func(a, b Branch) bool { return a.Newest == b.Newest })
	pages := pagesOf(folders, heads)
	read := 0
	for list.Runs = selected(all, keep); read < min(len(pages), maxRead); read++ {
		if len(list.Runs) >= limit && list.Runs[limit-1].RunID > pages[read].Last {
			break
		}
		more, _, err := loadPage(ctx, s, pages[read].key)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // an old page expires
			return List{}, err
		}
		all = Merge(all, more)
		list.Runs = selected(all, keep)
	}
	list.Searched, list.Older = len(all), read < len(pages) || len(list.Runs) > limit
	list.Runs = list.Runs[:min(limit, len(list.Runs))]
	return list, nil
}

// Since returns the runs of indexes that began at a time or later, the newest first. It reads the heads, and the pages
// that have such runs, as far as a query reads them.
func Since(ctx context.Context, s Store, folders []string, from time.Time) (List, error) {
	heads, err := Heads(ctx, s, folders)
	if err != nil {
		return List{}, err
	}
	began := func(e record.Entry) bool { return !e.Started.Before(from) }
	var all []record.Entry
	for _, h := range heads {
		all = Merge(all, h.Runs)
	}
	list := List{Searched: len(all), Runs: selected(all, began)}
	oldest := firstID(from)
	read := 0
	for _, p := range pagesOf(folders, heads) {
		if p.Last < oldest {
			continue
		}
		if read++; read > maxRead {
			list.Older = true
			break
		}
		more, _, err := loadPage(ctx, s, p.key)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return List{}, err
		}
		list.Searched += len(more)
		list.Runs = Merge(list.Runs, selected(more, began))
	}
	return list, nil
}

// firstID returns the id that no run begins before that begins at a time.
func firstID(at time.Time) string {
	var id ulid.ULID
	if err := id.SetTime(ulid.Timestamp(at)); err != nil {
		return ""
	}
	return strings.ToLower(id.String())
}

// Find returns the runs whose ids begin with a prefix, the newest first.
func Find(ctx context.Context, s Store, folders []string, prefix string) ([]record.Entry, error) {
	heads, err := Heads(ctx, s, folders)
	if err != nil {
		return nil, err
	}
	has := func(e record.Entry) bool { return strings.HasPrefix(e.RunID, prefix) }
	var found []record.Entry
	for _, h := range heads {
		found = Merge(found, selected(h.Runs, has))
	}
	read := 0
	for _, p := range pagesOf(folders, heads) {
		if p.Last < prefix || p.First > prefix && !strings.HasPrefix(p.First, prefix) || read == maxRead {
			continue
		}
		read++
		more, _, err := loadPage(ctx, s, p.key)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		found = Merge(found, selected(more, has))
	}
	return found, nil
}

// Heads reads the heads of indexes.
func Heads(ctx context.Context, s Store, folders []string) ([]Head, error) {
	heads := make([]Head, len(folders))
	g, ctx := errgroup.WithContext(ctx)
	for i, folder := range folders {
		g.Go(func() (err error) {
			heads[i], err = Load(ctx, s, folder)
			return err
		})
	}
	return heads, g.Wait()
}

type storedPage struct {
	Page
	key string
}

// pagesOf returns the pages of several indexes, the newest first.
func pagesOf(folders []string, heads []Head) []storedPage {
	var all []storedPage
	for i, h := range heads {
		for n, p := range h.Pages {
			all = append(all, storedPage{p, keys.RunIndexPage(folders[i], h.Dropped+n+1)})
		}
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].Last > all[j].Last })
	return all
}

func selected(all []record.Entry, keep func(record.Entry) bool) []record.Entry {
	if keep == nil {
		return all
	}
	var some []record.Entry
	for _, e := range all {
		if keep(e) {
			some = append(some, e)
		}
	}
	return some
}

// mergeLive keeps what the later run found, of each place.
func mergeLive(a, b []record.LiveRevision) []record.LiveRevision {
	all := slices.Clone(a)
	for _, l := range b {
		i := slices.IndexFunc(all, l.SamePlace)
		switch {
		case i < 0:
			all = append(all, l)
		case all[i].FoundBy < l.FoundBy:
			all[i] = l
		}
	}
	sort.Slice(all, func(i, j int) bool {
		a, b := all[i], all[j]
		return cmp.Or(cmp.Compare(a.Environment, b.Environment), cmp.Compare(a.Scope, b.Scope)) < 0
	})
	return all
}

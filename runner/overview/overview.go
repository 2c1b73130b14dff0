// Package overview makes the pages of the index of runs: of a branch, and of the repository.
//
// Each run writes them beside the index while it runs and when it ends. They are made of the heads of the index alone,
// which are bounded. Of several writers the last one has seen what the others wrote: a page is stored if it is still as
// it was (Draft); or else, after it is stored, the head is read again, and if it changed, the page is made again (Write).
package overview

import (
	"bytes"
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/present/page"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/runs"
)

// Repository is what the pages say of the repository.
type Repository struct {
	Name string // owner/name, or ""
	URL  string // for a browser, or ""
}

// Store is what the pages are made of, and stored in.
type Store interface {
	runs.Store
	Put(ctx context.Context, o artifacts.Object) (version string, err error)
}

// Key returns the key of the page of a branch, or of the repository for "".
func Key(branch string) string {
	if branch == "" {
		return keys.RunIndexRepository
	}
	return keys.RunIndexHTML(keys.RunIndex(branch))
}

// ParseKey is the inverse of Key.
func ParseKey(key string) (branch string, ok bool) {
	if key == keys.RunIndexRepository {
		return "", true
	}
	return keys.ParseRunIndexHTML(key)
}

// Page returns the page of a branch, or of the repository for "", with up to limit runs.
func Page(ctx context.Context, s runs.Store, repository Repository, branch string, limit int) ([]byte, error) {
	list, err := runs.Newest(ctx, s, runs.Folders(branch), limit, nil)
	if err != nil {
		return nil, err
	}
	return render(list, repository, branch, time.Now())
}

func render(list runs.List, repository Repository, branch string, now time.Time) ([]byte, error) {
	root := strings.Repeat("../", strings.Count(Key(branch), "/"))
	x := page.Index{
		Branch: branch, Repository: repository.Name, RepositoryURL: repository.URL,
		Runs: list.Runs, Live: list.Live, Older: list.Older, At: now,
		Report: func(e record.Entry) string { return root + path(runs.Key(e)+"/report.html") },
		Page:   func(branch string) string { return root + path(Key(branch)) },
	}
	if branch == "" {
		for _, b := range list.Branches {
			x.Branches = append(x.Branches, b.Name)
		}
	}
	var text bytes.Buffer
	if err := page.WriteIndex(&text, x); err != nil {
		return nil, err
	}
	return text.Bytes(), nil
}

// path is a key as the path of a URL.
func path(key string) string {
	parts := strings.Split(key, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.Join(parts, "/")
}

const (
	// headsOnly keeps a page to what the heads have: no page of the index is read for it.
	headsOnly = runs.PageSize
	rounds    = 3 // that one writer makes a page at most
)

// Write stores the page of a branch, or of the repository for "".
func Write(ctx context.Context, s Store, repository Repository, branch string) error {
	folders := runs.Folders(branch)
	heads, list, err := readHeads(ctx, s, folders)
	for range rounds {
		if err != nil {
			return err
		}
		text, err := render(list, repository, branch, time.Now())
		if err != nil {
			return err
		}
		text = append(text, marks(folders, heads)...)
		_, err = s.Put(ctx, artifacts.Object{
			Key: Key(branch), Body: bytes.NewReader(text), Size: int64(len(text)), Type: "text/html; charset=utf-8",
			CacheControl: "no-cache",
		})
		if err != nil {
			return err
		}
		newHeads, again, err := readHeads(ctx, s, folders)
		if err != nil || list.Same(again) {
			return err
		}
		heads, list = newHeads, again
	}
	return nil // another writer, which was later, is at it
}

func readHeads(ctx context.Context, s Store, folders []string) ([]runs.Head, runs.List, error) {
	heads, err := runs.Heads(ctx, s, folders)
	if err != nil {
		return nil, runs.List{}, err
	}
	list, err := runs.NewestOf(ctx, s, folders, heads, headsOnly, nil)
	return heads, list, err
}

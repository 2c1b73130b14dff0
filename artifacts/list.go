package artifacts

import (
	"cmp"
	"context"
	"iter"
	"sort"
	"time"

	"github.com/carlin-cicd/runner/artifacts/keys"
)

// Entry is an object in a listing.
type Entry struct {
	Key      string
	Size     int64 // bytes
	Modified time.Time
}

// Lister is a store that can list its objects.
type Lister interface {
	// List yields the objects whose keys begin with prefix, sorted by key as bytes, and ends at its first error.
	List(ctx context.Context, prefix string) iter.Seq2[Entry, error]
}

// SetInfo is a set in a listing. Its manifest says what is in it.
type SetInfo struct {
	Kind string
	Ref
	Modified time.Time // of its manifest
}

// ListSets returns the sets of a kind, a branch, or both, the newest first. An empty kind or branch means all.
func ListSets(ctx context.Context, l Lister, kind, branch string) ([]SetInfo, error) {
	if kind != "" {
		if err := keys.CheckKind(kind); err != nil {
			return nil, err
		}
	}
	if branch != "" {
		if err := keys.CheckBranch(branch); err != nil {
			return nil, err
		}
	}
	prefix := keys.Manifests(kind, branch)
	var sets []SetInfo
	for e, err := range l.List(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		// Branches below this one, as "a/b" is below "a", share the prefix.
		if kind, ref, ok := keys.ParseManifest(e.Key); ok && (branch == "" || ref.Branch == branch) {
			sets = append(sets, SetInfo{kind, ref, e.Modified})
		}
	}
	sort.SliceStable(sets, func(i, j int) bool {
		a, b := sets[i], sets[j]
		return cmp.Or(b.Modified.Compare(a.Modified), cmp.Compare(a.Kind, b.Kind)) < 0
	})
	return sets, nil
}

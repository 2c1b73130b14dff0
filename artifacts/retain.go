package artifacts

import (
	"context"
	"errors"
	"io/fs"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/carlin-cicd/runner/artifacts/keys"
)

// Retention is the tag that a bucket's lifecycle rules select by. Objects are stored with a value that a rule expires,
// by Options.Tags of package s3; no rule expires Deployed.
const (
	Retention = "retention"
	Deployed  = "deployed"
)

// Tagger is a store with tags on its objects.
type Tagger interface {
	// SetTags sets some tags of an object and keeps its others. Without a version it is the newest one's.
	SetTags(ctx context.Context, key, version string, tags map[string]string) error
}

// Retain tags a set and its manifest so that they do not expire: retention=deployed, deployed=ENVIRONMENT. It returns
// the number of objects, which is 0 for a store without tags. The error is fs.ErrNotExist if there is no such set.
func Retain(ctx context.Context, s Store, kind string, ref Ref, environment string) (int, error) {
	t, ok := s.(Tagger)
	if !ok {
		return 0, nil
	}
	m, err := ReadManifest(ctx, s, kind, ref)
	if err != nil {
		return 0, err
	}
	tags := map[string]string{Retention: Deployed, Deployed: environment}
	var done atomic.Int64
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for _, f := range m.Files {
		g.Go(func() error {
			done.Add(1)
			return t.SetTags(within, keys.Set(kind, ref)+"/"+f.Path, f.VersionID, tags)
		})
	}
	if err := g.Wait(); err != nil {
		return 0, err
	}
	err = t.SetTags(ctx, keys.Provenance(kind, ref), "", tags)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	// The manifest last: as long as it can expire, so can the set.
	return int(done.Load()) + 1, t.SetTags(ctx, keys.Manifest(kind, ref), "", tags)
}

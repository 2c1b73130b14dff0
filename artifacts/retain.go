package artifacts

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/carlin-cicd/runner/artifacts/keys"
)

// Retention is the tag by which a bucket's lifecycle knows what may go. Objects are put with a value that a rule has, by
// the tags of S3Options; what is Deployed no rule has.
const (
	Retention = "retention"
	Deployed  = "deployed"
)

// Tagger is a store whose objects have tags.
type Tagger interface {
	// Retag sets some tags of an object, and leaves it the others. Without a version it is the newest's.
	SetTags(ctx context.Context, key, version string, tags map[string]string) error
}

// Keep tags a set, its manifest included, so that it does not expire: retention=deployed, deployed=ENVIRONMENT. It returns
// the number of objects; a store without tags has none, and keeps everything. The error is fs.ErrNotExist when there is no
// such set.
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
	// The manifest last: as long as it can expire, so can the set.
	return int(done.Load()) + 1, t.SetTags(ctx, keys.Manifest(kind, ref), "", tags)
}

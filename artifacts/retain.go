package artifacts

import (
	"context"
	"errors"
	"io/fs"
	"maps"

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
	// Tags returns the tags of an object. The error is fs.ErrNotExist if there is none.
	Tags(ctx context.Context, key string) (map[string]string, error)
	// SetTags replaces the tags of an object. Without a version it is the newest one's.
	SetTags(ctx context.Context, key, version string, tags map[string]string) error
}

// Retain tags a set and its manifest so that they do not expire: retention=deployed, deployed=ENVIRONMENT. It returns
// the number of objects, which is 0 for a store without tags. The error is fs.ErrNotExist if there is no such set.
//
// A rule of a lifecycle looks at each object by itself, so the files of a set have to be tagged when it is deployed for
// the first time, one request each: they were put with the tags of the manifest. So do it beside something that takes
// longer. The manifest comes last. Where it is tagged, all of them are, and the next deployments of the set take two
// requests.
func Retain(ctx context.Context, s Store, m Manifest, environment string) (int, error) {
	t, ok := s.(Tagger)
	if !ok {
		return 0, nil
	}
	manifest := keys.Manifest(m.Kind, m.Ref())
	tags, err := t.Tags(ctx, manifest)
	if err != nil {
		return 0, err
	}
	before := maps.Clone(tags)
	tags[Retention], tags[Deployed] = Deployed, environment
	if maps.Equal(before, tags) {
		return 1, nil
	}
	n := 1
	if before[Retention] != Deployed {
		if err := tagFiles(ctx, s, t, m, tags); err != nil {
			return 0, err
		}
		n += len(m.Files)
	}
	return n, t.SetTags(ctx, manifest, "", tags)
}

// tagFiles tags the files of a set, and the statement of who built it.
func tagFiles(ctx context.Context, s Store, t Tagger, m Manifest, tags map[string]string) error {
	parallel, _, _ := concurrency(s)
	return forEach(ctx, parallel, len(m.Files)+1, func(ctx context.Context, i int) error {
		if i < len(m.Files) {
			f := m.Files[i]
			return t.SetTags(ctx, keys.Set(m.Kind, m.Ref())+"/"+f.Path, f.VersionID, tags)
		}
		err := t.SetTags(ctx, keys.Provenance(m.Kind, m.Ref()), "", tags)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}

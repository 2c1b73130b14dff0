package artifacts

import (
	"context"
	"slices"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"
)

// Expires is the tag by which a bucket's lifecycle knows what may go; objects get it by the tags of S3Options.
const Expires = "expires"

// Tagger is a store whose objects have tags.
type Tagger interface {
	// Retag sets one tag of an object, and takes others off it. Without a version it is that of the newest.
	Retag(ctx context.Context, key, version, tag, value string, without ...string) error
}

// Keep tags a set, its manifest included, and takes the tag off by which it would expire. It returns the number of objects;
// a store without tags has none, and keeps everything. The error is fs.ErrNotExist when there is no such set.
func Keep(ctx context.Context, s Store, kind string, ref Ref, tag, value string) (int, error) {
	t, ok := s.(Tagger)
	if !ok {
		return 0, nil
	}
	m, err := ReadManifest(ctx, s, kind, ref)
	if err != nil {
		return 0, err
	}
	var done atomic.Int64
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for _, f := range m.Files {
		g.Go(func() error {
			done.Add(1)
			return t.Retag(within, SetKey(kind, ref)+"/"+f.Path, f.VersionID, tag, value, Expires)
		})
	}
	if err := g.Wait(); err != nil {
		return 0, err
	}
	// The manifest last: as long as it can expire, so can the set.
	return int(done.Load()) + 1, t.Retag(ctx, ManifestKey(kind, ref), "", tag, value, Expires)
}

// Retag implements Tagger.
func (s *S3) Retag(ctx context.Context, key, version, tag, value string, without ...string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	optional := func(v string) *string {
		if v == "" {
			return nil
		}
		return &v
	}
	now, err := s.client.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{
		Bucket: &s.bucket, Key: aws.String(s.key(key)), VersionId: optional(version), ExpectedBucketOwner: optional(s.options.Owner),
	})
	if err != nil {
		return s.stoppedOr(ctx, "read the tags of", key, err)
	}
	tags := slices.DeleteFunc(now.TagSet, func(t types.Tag) bool {
		return aws.ToString(t.Key) == tag || slices.Contains(without, aws.ToString(t.Key))
	})
	tags = append(tags, types.Tag{Key: &tag, Value: &value})
	_, err = s.client.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{
		Bucket: &s.bucket, Key: aws.String(s.key(key)), VersionId: optional(version), ExpectedBucketOwner: optional(s.options.Owner),
		Tagging: &types.Tagging{TagSet: tags},
	})
	if err != nil {
		return s.stoppedOr(ctx, "tag", key, err)
	}
	return nil
}

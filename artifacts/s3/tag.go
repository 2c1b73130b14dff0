package s3

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/carlin-cicd/runner/artifacts/keys"
)

// SetTags implements artifacts.Tagger.
func (s *Store) SetTags(ctx context.Context, key, version string, set map[string]string) error {
	if err := keys.Check(key); err != nil {
		return err
	}
	var now *s3.GetObjectTaggingOutput
	err := s.withSDK(ctx, func(c *s3.Client) (err error) {
		now, err = c.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{
			Bucket: &s.bucket, Key: aws.String(s.key(key)), VersionId: optional(version), ExpectedBucketOwner: s.owner(),
		})
		return err
	})
	if err != nil {
		return s.contextOrError(ctx, "read the tags of", key, err)
	}
	tags := slices.DeleteFunc(now.TagSet, func(t types.Tag) bool {
		_, anew := set[aws.ToString(t.Key)]
		return anew
	})
	for tag, value := range set {
		tags = append(tags, types.Tag{Key: &tag, Value: &value})
	}
	err = s.withSDK(ctx, func(c *s3.Client) error {
		_, err := c.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{
			Bucket: &s.bucket, Key: aws.String(s.key(key)), VersionId: optional(version), ExpectedBucketOwner: s.owner(),
			Tagging: &types.Tagging{TagSet: tags},
		})
		return err
	})
	if err != nil {
		return s.contextOrError(ctx, "tag", key, err)
	}
	return nil
}

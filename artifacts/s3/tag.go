package s3

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // see addChecksum
	"crypto/sha256"
	"encoding/xml"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/carlin-cicd/runner/artifacts/keys"
)

// Tags implements artifacts.Tagger.
func (s *Store) Tags(ctx context.Context, key string) (map[string]string, error) {
	if err := keys.Check(key); err != nil {
		return nil, err
	}
	var now *s3.GetObjectTaggingOutput
	err := s.withSDK(ctx, func(c *s3.Client) (err error) {
		now, err = c.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{
			Bucket: &s.bucket, Key: aws.String(s.key(key)), ExpectedBucketOwner: s.owner(),
		})
		return err
	})
	if isMissing(err) {
		return nil, s.storeError(ctx, "read the tags of", key, fs.ErrNotExist)
	}
	if err != nil {
		return nil, s.contextOrError(ctx, "read the tags of", key, err)
	}
	tags := map[string]string{}
	for _, t := range now.TagSet {
		tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return tags, nil
}

// SetTags implements artifacts.Tagger. It goes by the REST client, as there are many of them.
func (s *Store) SetTags(ctx context.Context, key, version string, tags map[string]string) error {
	if err := keys.Check(key); err != nil {
		return err
	}
	var body bytes.Buffer
	body.WriteString(`<Tagging xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><TagSet>`)
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		body.WriteString("<Tag><Key>")
		_ = xml.EscapeText(&body, []byte(name))
		body.WriteString("</Key><Value>")
		_ = xml.EscapeText(&body, []byte(tags[name]))
		body.WriteString("</Value></Tag>")
	}
	body.WriteString("</TagSet></Tagging>")
	request := apiRequest{
		method: http.MethodPut, key: s.key(key), query: url.Values{"tagging": {""}}, header: s.ownerHeader(),
		body: body.Bytes(), sum: sha256.Sum256(body.Bytes()),
	}
	if version != "" {
		request.query.Set("versionId", version)
	}
	request.header["Content-Type"] = []string{"application/xml"}
	s.addChecksum(request.header, request.sum, func() [md5.Size]byte { return md5.Sum(request.body) })
	_, err := s.rest.do(ctx, request)
	switch {
	case isMissing(err):
		return s.storeError(ctx, "tag", key, fs.ErrNotExist)
	case err != nil:
		return s.contextOrError(ctx, "tag", key, err)
	}
	return nil
}

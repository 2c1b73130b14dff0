package s3

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/carlin-cicd/runner/artifacts/keys"
)

// MaxPresign is the longest validity of a signed URL:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html
const MaxPresign = 7 * 24 * time.Hour

// Presign returns a URL that gives access to an object without credentials, and when it expires: after validFor,
// MaxPresign at most, or earlier with the temporary credentials that sign it. The URL is a secret. No request is sent,
// except for credentials; the object need not exist.
func (s *Store) Presign(
	ctx context.Context, key string, validFor time.Duration,
) (link string, until time.Time, err error) {
	if err := keys.Check(key); err != nil {
		return "", time.Time{}, err
	}
	l, address := s.rest, s.rest.address.Load()
	credentials, err := l.credentials.Retrieve(ctx)
	if err != nil {
		return "", time.Time{}, s.contextOrError(ctx, "presign", key, err)
	}
	now := l.now().Truncate(time.Second) // the precision of the signature
	until = now.Add(min(validFor, MaxPresign))
	if credentials.CanExpire && credentials.Expires.Before(until) {
		until = credentials.Expires
	}
	seconds := max(int64(until.Sub(now)/time.Second), 1)
	query := url.Values{"X-Amz-Expires": {strconv.FormatInt(seconds, 10)}}
	request, err := l.newRequest(ctx, address, apiRequest{method: http.MethodGet, key: s.key(key), query: query})
	if err != nil {
		return "", time.Time{}, s.storeError(ctx, "presign", key, err)
	}
	link, _, err = l.signer.PresignHTTP(
		ctx, credentials, request, "UNSIGNED-PAYLOAD", address.service, address.region, now,
	)
	if err != nil {
		return "", time.Time{}, s.storeError(ctx, "presign", key, err)
	}
	return link, until, nil
}

package s3

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/carlin-cicd/runner/artifacts/keys"
)

// MaxLink is how long S3 lets a signed URL live:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html
const MaxPresign = 7 * 24 * time.Hour

// Link returns a URL under which whoever has it reads an object without credentials, and when that ends: after validFor,
// MaxLink at most, or earlier with the credentials that sign it, if those are temporary. The URL is a secret. Nobody is
// asked whether there is such an object, but for credentials.
func (s *Store) Presign(ctx context.Context, key string, validFor time.Duration) (link string, until time.Time, err error) {
	if err := keys.Check(key); err != nil {
		return "", time.Time{}, err
	}
	l := s.rest
	credentials, err := l.credentials.Retrieve(ctx)
	if err != nil {
		return "", time.Time{}, s.contextOrError(ctx, "link to", key, &APIError{Code: "NoCredentials", Message: err.Error(), err: err})
	}
	now := l.now().Truncate(time.Second) // as it is signed
	until = now.Add(min(validFor, MaxPresign))
	if credentials.CanExpire && credentials.Expires.Before(until) {
		until = credentials.Expires
	}
	seconds := max(int64(until.Sub(now)/time.Second), 1)
	query := url.Values{"X-Amz-Expires": {strconv.FormatInt(seconds, 10)}}
	request, err := l.newRequest(ctx, apiRequest{method: http.MethodGet, key: s.key(key), query: query})
	if err != nil {
		return "", time.Time{}, s.storeError("link to", key, err)
	}
	link, _, err = l.signer.PresignHTTP(ctx, credentials, request, "UNSIGNED-PAYLOAD", l.service, l.region, now)
	if err != nil {
		return "", time.Time{}, s.storeError("link to", key, err)
	}
	return link, until, nil
}

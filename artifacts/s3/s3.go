// Package s3 keeps objects in a bucket of S3, or of a service that speaks its protocol.
package s3

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/credentials"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/artifacts/lease"
)

// Options are settings for requests to a bucket. All are optional.
type Options struct {
	Encryption   string // "AES256" or "aws:kms"; "" for the bucket's default
	KMSKey       string // id, alias or ARN; for aws:kms
	StorageClass string // e.g. "STANDARD_IA"
	Tags         string // as in a query: "team=web&keep=30d"
	BucketOwner  string // account id that must own the bucket
	// LockOwner describes this process to those who wait for its locks. OnLockWait is called with the holder of a lock
	// while we wait. A lock expires LockTTL after its last heartbeat; 0 means 20s.
	LockOwner    lease.Owner
	OnLockWait   func(lease.Holder)
	LockTTL      time.Duration
	StallTimeout time.Duration // without a byte transferred, after which a request is retried; 0 means 30s
}

// Store is a bucket. Small objects go through restClient, which signs with the SDK's signer and has its own
// connections; large ones are sent in parts by the SDK's manager. Credentials, regions, endpoints and the
// classification of retryable errors are the SDK's for both.
type Store struct {
	bucket, prefix string
	options        Options
	config         aws.Config
	rest           *restClient
	parts          *bufferPool // memory of parts in progress
	checksums      bool        // whether objects are sent with the checksums of AWS: see README.md
	streaming      bool        // whether objects of medium size are sent while they are read

	sdk    atomic.Pointer[sdkClient]
	moving sync.Mutex // held while the store moves to another region
}

// New opens a bucket as a store. Keys are stored under the prefix, which may be empty. No request is sent.
func New(ctx context.Context, config aws.Config, bucket, prefix string, o Options) (*Store, error) {
	if o.StallTimeout == 0 {
		o.StallTimeout = 30 * time.Second
	}
	o.LockTTL = cmp.Or(o.LockTTL, publishTTL)
	client := &http.Client{
		Transport:     newTransport(config.HTTPClient, o.StallTimeout),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	config.HTTPClient = client
	cache, _ := config.Credentials.(*aws.CredentialsCache)
	config.Credentials = credentials.Explain(config.Credentials)
	s := &Store{
		bucket: bucket, prefix: strings.Trim(prefix, "/"), options: o, config: config, parts: newBufferPool(partMemory),
	}
	sdk := s.newSDKClient(config.Region)
	address, err := resolveAddress(ctx, sdk.Options(), bucket)
	if err != nil {
		return nil, err
	}
	s.checksums = sdk.Options().RequestChecksumCalculation != aws.RequestChecksumCalculationWhenRequired
	s.sdk.Store(&sdkClient{sdk, config.Region})
	s.rest = newRESTClient(sdk.Options(), client, address)
	s.rest.credentials, s.rest.cache, s.rest.follow = config.Credentials, cache, s.follow
	s.streaming = address.endpoint.Scheme == "https"
	return s, nil
}

// Locate returns the object's URL in the form of the AWS CLI.
func (s *Store) Locate(key string) string { return "s3://" + path.Join(s.bucket, s.prefix, key) }

func (s *Store) key(key string) string {
	if s.prefix == "" {
		return key
	}
	return s.prefix + "/" + key
}

// Get implements artifacts.Store.
func (s *Store) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	return s.GetVersion(ctx, key, "", 0)
}

// GetVersion implements artifacts.Versioned.
func (s *Store) GetVersion(ctx context.Context, key, version string, offset int64) (io.ReadCloser, error) {
	if err := keys.Check(key); err != nil {
		return nil, err
	}
	d := &download{store: s, ctx: ctx, key: key, version: version, offset: offset}
	if err := d.open(); err != nil {
		return nil, d.storeError(err)
	}
	return d, nil
}

// owner is the expected owner of the bucket for a request of the SDK.
func (s *Store) owner() *string { return optional(s.options.BucketOwner) }

// ownerHeader is the same for a request of the REST client.
func (s *Store) ownerHeader() http.Header {
	h := http.Header{}
	if s.options.BucketOwner != "" {
		h.Set("X-Amz-Expected-Bucket-Owner", s.options.BucketOwner)
	}
	return h
}

// Concurrency implements artifacts.Parallel: small objects are bound by round trips, large ones by bandwidth.
func (s *Store) Concurrency() (small, large int, size int64) { return maxRequests, 4, maxSmall }

// Sweep implements artifacts.Sweeper: parts of unfinished uploads are charged until they are deleted.
func (s *Store) Sweep(ctx context.Context, prefix string) error {
	in := &s3.ListMultipartUploadsInput{
		Bucket: &s.bucket, Prefix: aws.String(s.key(prefix)), ExpectedBucketOwner: s.owner(),
		EncodingType: types.EncodingTypeUrl,
	}
	for {
		var page *s3.ListMultipartUploadsOutput
		err := s.withSDK(ctx, func(c *s3.Client) (err error) {
			page, err = c.ListMultipartUploads(ctx, in)
			return err
		})
		if err != nil {
			return s.contextOrError(ctx, "list unfinished uploads of", prefix, err)
		}
		for _, u := range page.Uploads {
			key := decodeKey(aws.ToString(u.Key), page.EncodingType)
			if err := s.abort(ctx, key, aws.ToString(u.UploadId)); err != nil && !isCode(err, "NoSuchUpload") {
				return s.contextOrError(ctx, "abort the unfinished upload of", key, err)
			}
		}
		if !aws.ToBool(page.IsTruncated) {
			return nil
		}
		in.KeyMarker = aws.String(decodeKey(aws.ToString(page.NextKeyMarker), page.EncodingType))
		in.UploadIdMarker = page.NextUploadIdMarker
	}
}

// abort deletes the parts of an unfinished upload. The key includes the prefix.
func (s *Store) abort(ctx context.Context, key, upload string) error {
	return s.withSDK(ctx, func(c *s3.Client) error {
		_, err := c.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
			Bucket: &s.bucket, Key: &key, UploadId: &upload, ExpectedBucketOwner: s.owner(),
		})
		return err
	})
}

func (s *Store) contextOrError(ctx context.Context, op, key string, err error) error {
	if err := artifacts.ContextError(ctx); err != nil {
		return err
	}
	return s.storeError(ctx, op, key, err)
}

// storeError wraps err in a *artifacts.StoreError.
func (s *Store) storeError(ctx context.Context, op, key string, err error) error {
	return &artifacts.StoreError{
		Op: op, Key: key, Place: s.Locate(""), Err: s.explain(ctx, op, err),
		Transient: isTransient(err), Denied: isDenied(err),
	}
}

// optional is nil for an empty text.
func optional(v string) *string {
	if v == "" {
		return nil
	}
	return &v
}

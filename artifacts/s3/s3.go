// Package s3 keeps objects in a bucket of S3, or of a service that speaks its protocol.
package s3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/carlin-cicd/runner/artifacts"
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
	rest           *restClient
	client         *s3.Client
	multipart      *multipartUploader
	streaming      bool // objects of medium size are sent while they are read
}

// maxSmall is the size in bytes up to which an object is sent from memory.
const maxSmall = 4 << 20

// New opens a bucket as a store. Keys are stored under the prefix, which may be empty. No request is sent.
func New(ctx context.Context, config aws.Config, bucket, prefix string, o Options) (*Store, error) {
	if o.StallTimeout == 0 {
		o.StallTimeout = 30 * time.Second
	}
	o.LockTTL = cmp.Or(o.LockTTL, publishTTL)
	s := &Store{bucket: bucket, prefix: strings.Trim(prefix, "/"), options: o}
	client := &http.Client{
		Transport:     newTransport(config.HTTPClient, o.StallTimeout),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	config.HTTPClient = client
	s.client = s3.NewFromConfig(config, func(c *s3.Options) {
		c.UsePathStyle = c.BaseEndpoint != nil // services other than AWS seldom have host names per bucket
		c.ContinueHeaderThresholdBytes = -1    // 100-continue would cost a round trip per part
		c.DisableLogOutputChecksumValidationSkipped = true
	})
	var err error
	if s.rest, err = newRESTClient(ctx, s.client.Options(), bucket, client); err != nil {
		return nil, err
	}
	s.multipart = newMultipartUploader(s.client)
	s.streaming = s.rest.endpoint.Scheme == "https"
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

// Put implements artifacts.Store.
func (s *Store) Put(ctx context.Context, o artifacts.Object) (string, error) {
	if err := keys.Check(o.Key); err != nil {
		return "", err
	}
	version, _, err := s.put(ctx, o, precondition{absent: o.IfAbsent})
	return version, err
}

// precondition must hold for the present object to be replaced.
type precondition struct {
	absent bool
	etag   string
}

func (s *Store) put(ctx context.Context, o artifacts.Object, only precondition) (version, etag string, err error) {
	body := &sizedReader{r: o.Body, left: o.Size}
	switch {
	case o.Size > maxSmall && o.Size <= maxStreamed && s.streaming:
		version, etag, err = s.putStream(ctx, o, body, only)
	case o.Size > maxSmall:
		version, etag, err = s.multipart.put(ctx, s.putInput(o, only), body)
	default:
		version, etag, err = s.putSmall(ctx, o, body, only)
	}
	switch {
	case err == nil:
		return version, etag, nil
	case body.err != nil:
		return "", "", body.err
	case artifacts.ContextError(ctx) != nil:
		return "", "", artifacts.ContextError(ctx)
	case isCode(err, "PreconditionFailed", "ConditionalRequestConflict"), only.etag != "" && isMissing(err):
		return "", "", s.storeError("put", o.Key, fs.ErrExist)
	}
	return "", "", s.storeError("put", o.Key, err)
}

func (s *Store) putInput(o artifacts.Object, only precondition) *s3.PutObjectInput {
	text := func(v string) *string {
		if v == "" {
			return nil
		}
		return &v
	}
	in := &s3.PutObjectInput{
		Bucket: &s.bucket, Key: aws.String(s.key(o.Key)), ContentType: text(o.Type), CacheControl: text(o.CacheControl),
		ServerSideEncryption: types.ServerSideEncryption(s.options.Encryption), SSEKMSKeyId: text(s.options.KMSKey),
		StorageClass: types.StorageClass(s.options.StorageClass), Tagging: text(s.options.Tags),
		ExpectedBucketOwner: text(s.options.BucketOwner), IfMatch: text(only.etag), ContentLength: &o.Size,
	}
	if only.absent {
		in.IfNoneMatch = aws.String("*")
	}
	return in
}

func (s *Store) putHeader(o artifacts.Object, only precondition) http.Header {
	h := http.Header{}
	set := func(name, value string) {
		if value != "" {
			h[name] = []string{value}
		}
	}
	set("Content-Type", o.Type)
	set("Cache-Control", o.CacheControl)
	set("X-Amz-Server-Side-Encryption", s.options.Encryption)
	set("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", s.options.KMSKey)
	set("X-Amz-Storage-Class", s.options.StorageClass)
	set("X-Amz-Tagging", s.options.Tags)
	set("X-Amz-Expected-Bucket-Owner", s.options.BucketOwner)
	set("If-Match", only.etag)
	if only.absent {
		set("If-None-Match", "*")
	}
	return h
}

// putSmall reads the object into memory, so that its checksum is known before it is sent, and a retry does not read it
// again.
func (s *Store) putSmall(ctx context.Context, o artifacts.Object, body *sizedReader, only precondition) (version, etag string, err error) {
	buffer, err := s.rest.memory.acquire(ctx, int(o.Size))
	if err != nil {
		return "", "", err
	}
	defer s.rest.memory.release(buffer)
	if _, err := io.ReadFull(body, buffer.bytes); err != nil {
		return "", "", err
	}
	if err := body.expectEOF(); err != nil {
		return "", "", err
	}
	return s.sendPut(ctx, apiRequest{key: s.key(o.Key), header: s.putHeader(o, only), body: buffer.bytes, sum: digest(o.Body, buffer.bytes)})
}

// sendPut stores an object and returns its version, in a versioned bucket, and its ETag.
func (s *Store) sendPut(ctx context.Context, c apiRequest) (version, etag string, err error) {
	c.method = http.MethodPut
	answer, err := s.rest.do(ctx, c)
	if err != nil {
		return "", "", err
	}
	return without(answer.Header.Get("X-Amz-Version-Id"), "null"), answer.Header.Get("Etag"), nil
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

// deleteBatchSize is S3's limit of keys per request.
const deleteBatchSize = 1000

// Delete implements artifacts.Store.
func (s *Store) Delete(ctx context.Context, names ...string) error {
	for _, key := range names {
		if err := keys.Check(key); err != nil {
			return err
		}
	}
	if len(names) == 1 {
		answer, err := s.rest.do(ctx, apiRequest{method: http.MethodDelete, key: s.key(names[0]), header: s.ownerHeader()})
		if err != nil {
			return s.contextOrError(ctx, "delete", names[0], err)
		}
		return answer.Body.Close()
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for len(names) > 0 {
		batch := names[:min(len(names), deleteBatchSize)]
		names = names[len(batch):]
		g.Go(func() error { return s.deleteBatch(ctx, batch) })
	}
	return g.Wait()
}

func (s *Store) deleteBatch(ctx context.Context, names []string) error {
	objects := make([]types.ObjectIdentifier, len(names))
	for i, key := range names {
		objects[i].Key = aws.String(s.key(key))
	}
	in := &s3.DeleteObjectsInput{Bucket: &s.bucket, Delete: &types.Delete{Objects: objects, Quiet: aws.Bool(true)}}
	if s.options.BucketOwner != "" {
		in.ExpectedBucketOwner = &s.options.BucketOwner
	}
	out, err := s.client.DeleteObjects(ctx, in)
	if err != nil {
		return s.contextOrError(ctx, "delete", names[0], err)
	}
	if len(out.Errors) > 0 {
		e := out.Errors[0]
		return s.storeError("delete", strings.TrimPrefix(aws.ToString(e.Key), s.prefix+"/"), &APIError{Code: aws.ToString(e.Code), Message: aws.ToString(e.Message)})
	}
	return nil
}

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
	in := &s3.ListMultipartUploadsInput{Bucket: &s.bucket, Prefix: aws.String(s.key(prefix))}
	for {
		page, err := s.client.ListMultipartUploads(ctx, in)
		if err != nil {
			return s.contextOrError(ctx, "list unfinished uploads of", prefix, err)
		}
		for _, u := range page.Uploads {
			_, err := s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &s.bucket, Key: u.Key, UploadId: u.UploadId})
			if err != nil && !isCode(err, "NoSuchUpload") {
				return s.contextOrError(ctx, "abort the unfinished upload of", aws.ToString(u.Key), err)
			}
		}
		if !aws.ToBool(page.IsTruncated) {
			return nil
		}
		in.KeyMarker, in.UploadIdMarker = page.NextKeyMarker, page.NextUploadIdMarker
	}
}

func (s *Store) contextOrError(ctx context.Context, op, key string, err error) error {
	if err := artifacts.ContextError(ctx); err != nil {
		return err
	}
	return s.storeError(op, key, err)
}

// storeError wraps err in a *artifacts.StoreError.
func (s *Store) storeError(op, key string, err error) error {
	return &artifacts.StoreError{Op: op, Key: key, Place: s.Locate(""), Err: s.explain(op, err), Transient: isTransient(err), Denied: isDenied(err)}
}

// sizedReader reads a body of a known size, and keeps its errors apart from the store's.
type sizedReader struct {
	r    io.Reader
	left int64
	err  error
}

func (e *sizedReader) Read(p []byte) (int, error) {
	if int64(len(p)) > e.left {
		p = p[:e.left]
	}
	if len(p) == 0 {
		return 0, io.EOF
	}
	n, err := e.r.Read(p)
	e.left -= int64(n)
	switch {
	case err == io.EOF && e.left > 0:
		e.err = fmt.Errorf("the body ends %d bytes early: %w", e.left, io.ErrUnexpectedEOF)
		return n, e.err
	case err != nil && err != io.EOF:
		e.err = err
	}
	return n, err
}

// expectEOF verifies that the body ends here. It lets a file report that it has changed.
func (e *sizedReader) expectEOF() error {
	var one [1]byte
	for {
		n, err := e.r.Read(one[:])
		switch {
		case n > 0:
			e.err = errors.New("the body is longer than its size")
			return e.err
		case err == io.EOF:
			return nil
		case err != nil:
			e.err = err
			return err
		}
	}
}

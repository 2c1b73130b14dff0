package s3

import (
	"context"
	"crypto/md5" //nolint:gosec // S3's own checksum for services that support no other
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
)

// maxSmall is the size in bytes up to which an object is sent from memory.
const maxSmall = 4 << 20

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
		version, etag, err = s.putParts(ctx, o, body, only)
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
		return "", "", s.storeError(ctx, "put", o.Key, fs.ErrExist)
	}
	return "", "", s.storeError(ctx, "put", o.Key, err)
}

func (s *Store) putInput(o artifacts.Object, only precondition) *s3.PutObjectInput {
	in := &s3.PutObjectInput{
		Bucket: &s.bucket, Key: aws.String(s.key(o.Key)),
		ContentType: optional(o.Type), CacheControl: optional(o.CacheControl),
		ServerSideEncryption: types.ServerSideEncryption(s.options.Encryption), SSEKMSKeyId: optional(s.options.KMSKey),
		StorageClass: types.StorageClass(s.options.StorageClass), Tagging: optional(s.options.Tags),
		ExpectedBucketOwner: s.owner(), IfMatch: optional(only.etag), ContentLength: &o.Size,
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
func (s *Store) putSmall(
	ctx context.Context, o artifacts.Object, body *sizedReader, only precondition,
) (version, etag string, failure error) {
	var content []byte
	tries := 0
	if r, ok := o.Body.(resident); ok && int64(len(r.Content())) == o.Size {
		content = r.Content()
	} else {
		buffer, err := s.rest.memory.acquire(ctx, int(o.Size))
		if err != nil {
			return "", "", err
		}
		defer func() {
			if tries > 1 || failure != nil {
				s.rest.memory.drop(buffer) // the transport may still send it
				return
			}
			s.rest.memory.release(buffer)
		}()
		content = buffer.bytes
		if _, err := io.ReadFull(body, content); err != nil {
			return "", "", err
		}
		if err := body.expectEOF(); err != nil {
			return "", "", err
		}
	}
	request := apiRequest{
		key: s.key(o.Key), header: s.putHeader(o, only), body: content, sum: digest(o.Body, content), tries: &tries,
	}
	s.addChecksum(request.header, request.sum, func() [md5.Size]byte { return md5.Sum(content) })
	return s.sendPut(ctx, request)
}

// resident is a body that is in memory already, whole. It is sent from there, and never changed: the transport may still
// send it when Put has failed.
type resident interface {
	Content() []byte
}

// addChecksum adds a checksum for the service to verify: SHA-256, which it stores with the object, or MD5 for a service
// that supports no other.
func (s *Store) addChecksum(h http.Header, sum [sha256.Size]byte, md5Sum func() [md5.Size]byte) {
	if s.checksums {
		h["X-Amz-Checksum-Sha256"] = []string{base64.StdEncoding.EncodeToString(sum[:])}
		return
	}
	md5 := md5Sum()
	h["Content-Md5"] = []string{base64.StdEncoding.EncodeToString(md5[:])}
}

// sendPut stores an object and returns its version, in a versioned bucket, and its ETag.
func (s *Store) sendPut(ctx context.Context, request apiRequest) (version, etag string, err error) {
	request.method = http.MethodPut
	response, err := s.rest.do(ctx, request)
	if err != nil {
		return "", "", err
	}
	return without(response.Header.Get("X-Amz-Version-Id"), "null"), response.Header.Get("Etag"), nil
}

// digester is a body that computes its own SHA-256 while it is read. The digest is known once it has been read whole.
type digester interface {
	SHA256() (sum [sha256.Size]byte, ok bool)
}

// digest returns the SHA-256 of a body that was read into b.
func digest(body io.Reader, b []byte) [sha256.Size]byte {
	if d, ok := body.(digester); ok {
		if sum, ok := d.SHA256(); ok {
			return sum
		}
	}
	return sha256.Sum256(b)
}

// sizedReader reads a body of a known size, and keeps its errors apart from the store's.
type sizedReader struct {
	r    io.Reader
	left int64
	err  error
}

func (b *sizedReader) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	if len(p) == 0 {
		return 0, io.EOF
	}
	n, err := b.r.Read(p)
	b.left -= int64(n)
	switch {
	case err == io.EOF && b.left > 0:
		b.err = fmt.Errorf("the body ends %d bytes early: %w", b.left, io.ErrUnexpectedEOF)
		return n, b.err
	case err != nil && err != io.EOF:
		b.err = err
	}
	return n, err
}

// expectEOF verifies that the body ends here. It lets a file report that it has changed.
func (b *sizedReader) expectEOF() error {
	var one [1]byte
	for {
		n, err := b.r.Read(one[:])
		switch {
		case n > 0:
			b.err = errors.New("the body is longer than its size")
			return b.err
		case err == io.EOF:
			return nil
		case err != nil:
			b.err = err
			return err
		}
	}
}

// rewind returns to the beginning of the body, to send it again.
func (b *sizedReader) rewind(size int64) error {
	if b.err != nil { // the file has changed, and sending it again would not help
		return b.err
	}
	seeker, ok := b.r.(io.Seeker)
	if !ok {
		b.err = errors.New("the body cannot be sent again")
		return b.err
	}
	if _, b.err = seeker.Seek(0, io.SeekStart); b.err != nil {
		return b.err
	}
	b.left = size
	return nil
}

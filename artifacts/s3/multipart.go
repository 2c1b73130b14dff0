//lint:file-ignore SA1019 feature/s3/manager is a deliberate choice, and used in this file only

package s3

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
)

// multipartUploader sends large objects in parts. Nothing else uses the SDK's manager, which is deprecated.
type multipartUploader struct {
	client   *s3.Client
	uploader *manager.Uploader
	memory   *bufferPool
}

const (
	partSize   = 5 << 20
	partMemory = 3 * partSize // parts in progress, of all objects together
)

func newMultipartUploader(client *s3.Client) *multipartUploader {
	l := &multipartUploader{client: client, memory: newBufferPool(partMemory)}
	l.uploader = manager.NewUploader(client, func(u *manager.Uploader) {
		u.PartSize = partSize
		u.Concurrency = partMemory / partSize
		u.ClientOptions = append(u.ClientOptions, func(o *s3.Options) {
			o.RetryMaxAttempts = max(o.RetryMaxAttempts, maxAttempts)
			o.APIOptions = append(o.APIOptions, v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware, addChecksum)
		})
	})
	return l
}

// put uploads a body that is at its beginning. It leaves no unfinished upload.
func (l *multipartUploader) put(ctx context.Context, in *s3.PutObjectInput, body *sizedReader) (version, etag string, err error) {
	size := *in.ContentLength
	in.ContentLength = nil
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	parts := &partReader{ctx: ctx, body: body, size: size, memory: l.memory}
	in.Body = parts
	out, err := l.uploader.Upload(ctx, in, func(u *manager.Uploader) { u.BufferProvider = parts })
	if err == nil {
		return without(aws.ToString(out.VersionID), "null"), aws.ToString(out.ETag), nil
	}
	var unfinished manager.MultiUploadFailure
	if errors.As(err, &unfinished) && unfinished.UploadID() != "" {
		// The manager aborts too, but with a context that may have ended.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		id := unfinished.UploadID()
		l.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: in.Bucket, Key: in.Key, UploadId: &id})
	}
	if parts.err != nil {
		return "", "", parts.err
	}
	return "", "", err
}

func without(v, none string) string {
	if v == none {
		return ""
	}
	return v
}

// partReader gives a body to the manager part by part. The manager requests them in order, from one goroutine, so the
// body is read once from beginning to end, into memory that all uploads share.
type partReader struct {
	ctx    context.Context
	body   *sizedReader
	size   int64
	offset int64 // for Seek only
	memory *bufferPool
	err    error
}

// Seek lets the manager determine the size.
func (p *partReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += p.offset
	case io.SeekEnd:
		offset += p.size
	}
	p.offset = offset
	return offset, nil
}

var errManager = errors.New("unexpected read by the upload manager")

// Read only makes partReader an io.Reader: the manager reads parts by GetWriteTo.
func (p *partReader) Read([]byte) (int, error) { return 0, errManager }

// ReadAt is never called, see Read.
func (p *partReader) ReadAt([]byte, int64) (int, error) { return 0, errManager }

// GetWriteTo reads the next part into memory. An error is returned when the part is read.
func (p *partReader) GetWriteTo(section io.ReadSeeker) (manager.ReadSeekerWriteTo, func()) {
	fail := func(err error) (manager.ReadSeekerWriteTo, func()) {
		if p.err == nil {
			p.err = err
		}
		return failedPart{err}, func() {}
	}
	n, err := section.Seek(0, io.SeekEnd)
	if err != nil {
		return fail(err)
	}
	b, err := p.memory.acquire(p.ctx, int(n))
	if err != nil {
		return fail(err)
	}
	sum := uint32(0)
	for piece := range slices.Chunk(b.bytes, checksumBlock) {
		if _, err = io.ReadFull(p.body, piece); err != nil {
			break
		}
		sum = crc32.Update(sum, crc32.IEEETable, piece)
	}
	if err == nil && p.body.left == 0 {
		err = p.body.expectEOF()
	}
	if err != nil {
		p.memory.release(b)
		return fail(err)
	}
	return partBody{bytes.NewReader(b.bytes), sum}, func() { p.memory.release(b) }
}

// checksumBlock is the number of bytes that are read and checksummed at a time, small enough for the CPU's cache.
const checksumBlock = 128 << 10

// partBody is a part that is ready to be sent.
type partBody struct {
	*bytes.Reader
	sum uint32
}

// addChecksum gives a part's checksum to the SDK, which otherwise computes it while sending and copies the part once
// more.
func addChecksum(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("PartChecksum", func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		if upload, ok := in.Parameters.(*s3.UploadPartInput); ok {
			if part, ok := upload.Body.(partBody); ok {
				sum := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, part.sum))
				upload.ChecksumCRC32 = &sum
			}
		}
		return next.HandleInitialize(ctx, in)
	}), middleware.Before)
}

// failedPart is a part that could not be read.
type failedPart struct{ err error }

func (f failedPart) Read([]byte) (int, error) { return 0, f.err }

func (f failedPart) Seek(int64, int) (int64, error) { return 0, f.err }

func (f failedPart) WriteTo(io.Writer) (int64, error) { return 0, f.err }

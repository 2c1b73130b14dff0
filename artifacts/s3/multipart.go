//lint:file-ignore SA1019 feature/s3/manager is a deliberate choice, and used in this file only

package s3

import (
	"bytes"
	"cmp"
	"context"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"hash"
	"hash/crc32"
	"io"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"

	"github.com/carlin-cicd/runner/artifacts"
)

const (
	partSize   = 5 << 20
	partMemory = 3 * partSize // parts in progress, of all objects together
)

// putParts sends a large object in parts, by the SDK's manager, which is deprecated and used nowhere else. It leaves no
// unfinished upload.
func (s *Store) putParts(
	ctx context.Context, o artifacts.Object, body *sizedReader, only precondition,
) (version, etag string, err error) {
	first := true
	err = s.withSDK(ctx, func(client *s3.Client) error {
		if !first {
			if err := body.rewind(o.Size); err != nil {
				return err
			}
		}
		first = false
		version, etag, err = s.upload(ctx, client, s.putInput(o, only), body)
		return err
	})
	return version, etag, err
}

func (s *Store) newUploader(client *s3.Client) *manager.Uploader {
	return manager.NewUploader(client, func(u *manager.Uploader) {
		u.PartSize = partSize
		u.Concurrency = partMemory / partSize
		u.RequestChecksumCalculation = client.Options().RequestChecksumCalculation
		u.LeavePartsOnError = true // upload deletes them, with a context that has not ended
		u.ClientOptions = append(u.ClientOptions, func(o *s3.Options) {
			o.RetryMaxAttempts = cmp.Or(o.RetryMaxAttempts, maxAttempts)
			o.APIOptions = append(
				o.APIOptions,
				v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware,
				s.addPartChecksum,
			)
		})
	})
}

// upload sends a body that is at its beginning.
func (s *Store) upload(
	ctx context.Context, client *s3.Client, in *s3.PutObjectInput, body *sizedReader,
) (version, etag string, err error) {
	size := *in.ContentLength
	in.ContentLength = nil
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	parts := &partReader{ctx: inner, body: body, size: size, memory: s.parts, md5: !s.checksums}
	in.Body = parts
	out, err := s.newUploader(client).Upload(inner, in, func(u *manager.Uploader) { u.BufferProvider = parts })
	if err == nil {
		return without(aws.ToString(out.VersionID), "null"), aws.ToString(out.ETag), nil
	}
	var unfinished manager.MultiUploadFailure
	if errors.As(err, &unfinished) && unfinished.UploadID() != "" {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_ = s.abort(ctx, *in.Key, unfinished.UploadID())
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
	md5    bool // whether parts have an MD5 instead of a CRC-32
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
	var sum hash.Hash = crc32.NewIEEE()
	if p.md5 {
		sum = md5.New()
	}
	for piece := range slices.Chunk(b.bytes, checksumBlock) {
		if _, err = io.ReadFull(p.body, piece); err != nil {
			break
		}
		sum.Write(piece)
	}
	if err == nil && p.body.left == 0 {
		err = p.body.expectEOF()
	}
	if err != nil {
		p.memory.release(b)
		return fail(err)
	}
	text := base64.StdEncoding.EncodeToString(sum.Sum(nil))
	return partBody{bytes.NewReader(b.bytes), text}, func() { p.memory.release(b) }
}

// checksumBlock is the number of bytes that are read and checksummed at a time, small enough for the CPU's cache.
const checksumBlock = 128 << 10

// partBody is a part that is ready to be sent.
type partBody struct {
	*bytes.Reader
	sum string // in base64
}

// addPartChecksum gives a part's checksum to the SDK, which otherwise computes it while sending and copies the part
// once more.
func (s *Store) addPartChecksum(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("PartChecksum", func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		switch in := in.Parameters.(type) {
		case *s3.UploadPartInput:
			s.setChecksum(in.Body, &in.ChecksumCRC32, &in.ContentMD5)
		case *s3.PutObjectInput: // of an object that is one part
			s.setChecksum(in.Body, &in.ChecksumCRC32, &in.ContentMD5)
		}
		return next.HandleInitialize(ctx, in)
	}), middleware.Before)
}

func (s *Store) setChecksum(body io.Reader, crc32, md5 **string) {
	part, ok := body.(partBody)
	switch {
	case ok && s.checksums:
		*crc32 = &part.sum
	case ok:
		*md5 = &part.sum
	}
}

// failedPart is a part that could not be read.
type failedPart struct{ err error }

func (f failedPart) Read([]byte) (int, error) { return 0, f.err }

func (f failedPart) Seek(int64, int) (int64, error) { return 0, f.err }

func (f failedPart) WriteTo(io.Writer) (int64, error) { return 0, f.err }

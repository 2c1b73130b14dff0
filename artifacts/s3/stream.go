package s3

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // see addChecksum
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"strconv"

	"github.com/carlin-cicd/runner/artifacts"
)

// maxStreamed is the size in bytes up to which an object is sent in one request while it is read. It takes no memory,
// and saves the round trips of a multipart upload. A retry sends it again whole.
const maxStreamed = 32 << 20

// unsignedTrailer is the payload hash of a body whose checksum follows it, as it is not known before. TLS protects it.
const unsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"

// putStream sends an object while it is read. Its checksum follows it, or, for a service that supports no trailers, is
// computed by reading it once more before.
func (s *Store) putStream(
	ctx context.Context, o artifacts.Object, body *sizedReader, only precondition,
) (version, etag string, err error) {
	request := apiRequest{key: s.key(o.Key), header: s.putHeader(o, only)}
	send := func() (io.Reader, int64) {
		b := newTrailerBody(body, o.Size)
		return b, b.length
	}
	first := true
	if s.checksums {
		request.payload = unsignedTrailer
		request.header["Content-Encoding"] = []string{"aws-chunked"}
		request.header["X-Amz-Trailer"] = []string{"x-amz-checksum-sha256"}
		request.header["X-Amz-Decoded-Content-Length"] = []string{strconv.FormatInt(o.Size, 10)}
	} else {
		sum, md5Sum, err := hashBody(body)
		if err != nil {
			return "", "", err
		}
		first = false
		request.payload = hex.EncodeToString(sum[:])
		s.addChecksum(request.header, sum, func() [md5.Size]byte { return md5Sum })
		send = func() (io.Reader, int64) { return &plainBody{body}, o.Size }
	}
	request.stream = func() (io.Reader, int64, error) {
		if !first {
			if err := body.rewind(o.Size); err != nil {
				return nil, 0, err
			}
		}
		first = false
		r, length := send()
		return r, length, nil
	}
	return s.sendPut(ctx, request)
}

// hashBody reads a whole body.
func hashBody(body *sizedReader) (sum [sha256.Size]byte, md5Sum [md5.Size]byte, err error) {
	strong, weak := sha256.New(), md5.New()
	if _, err = io.Copy(io.MultiWriter(strong, weak), body); err == nil {
		err = body.expectEOF()
	}
	return [sha256.Size]byte(strong.Sum(nil)), [md5.Size]byte(weak.Sum(nil)), err
}

// plainBody withholds the last bytes of a body that does not end where it should, so that a file that has changed is
// never complete.
type plainBody struct{ *sizedReader }

func (b *plainBody) Read(p []byte) (int, error) {
	n, err := b.sizedReader.Read(p)
	if b.left == 0 && n > 0 {
		if err := b.expectEOF(); err != nil {
			return 0, err
		}
	}
	return n, err
}

// trailerBody is a body followed by its checksum, in S3's aws-chunked encoding: one chunk with everything, an empty
// chunk, the trailer.
type trailerBody struct {
	body   *sizedReader
	head   *bytes.Reader
	tail   *bytes.Reader // set when the body has ended
	sum    hash.Hash
	length int64 // in bytes
}

const trailerName = "x-amz-checksum-sha256:"

func newTrailerBody(body *sizedReader, size int64) *trailerBody {
	head := strconv.FormatInt(size, 16) + "\r\n"
	tail := len("\r\n0\r\n"+trailerName+"\r\n\r\n") + base64.StdEncoding.EncodedLen(sha256.Size)
	return &trailerBody{
		body: body, head: bytes.NewReader([]byte(head)), sum: sha256.New(), length: int64(len(head)) + size + int64(tail),
	}
}

// Read returns the body's own error, so that a file that has changed is never completed.
func (b *trailerBody) Read(p []byte) (int, error) {
	if b.head.Len() > 0 {
		return b.head.Read(p)
	}
	if b.tail != nil {
		return b.tail.Read(p)
	}
	n, err := b.body.Read(p)
	file, hashed := b.body.r.(digester)
	if !hashed {
		b.sum.Write(p[:n])
	}
	if err != nil && err != io.EOF {
		return n, err
	}
	if b.body.left > 0 {
		return n, nil
	}
	if err := b.body.expectEOF(); err != nil {
		return n, err
	}
	sum := [sha256.Size]byte(b.sum.Sum(nil))
	if hashed {
		var ok bool
		if sum, ok = file.SHA256(); !ok {
			return n, errors.New("the body was not read from its beginning")
		}
	}
	text := base64.StdEncoding.EncodeToString(sum[:])
	b.tail = bytes.NewReader([]byte("\r\n0\r\n" + trailerName + text + "\r\n\r\n"))
	return n, nil
}

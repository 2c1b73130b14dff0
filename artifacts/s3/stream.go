package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
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

// putStream sends an object while it reads and hashes it.
func (s *Store) putStream(ctx context.Context, o artifacts.Object, body *sizedReader, only precondition) (version, etag string, err error) {
	header := s.putHeader(o, only)
	header["Content-Encoding"] = []string{"aws-chunked"}
	header["X-Amz-Trailer"] = []string{"x-amz-checksum-sha256"}
	header["X-Amz-Decoded-Content-Length"] = []string{strconv.FormatInt(o.Size, 10)}
	first := true
	return s.sendPut(ctx, apiRequest{
		key: s.key(o.Key), header: header,
		stream: func() (io.Reader, int64, error) {
			if body.err != nil { // the file has changed, and sending it again would not help
				return nil, 0, body.err
			}
			if !first {
				if _, err := o.Body.Seek(0, io.SeekStart); err != nil {
					body.err = err
					return nil, 0, err
				}
				body.left = o.Size
			}
			first = false
			c := newTrailerBody(body, o.Size)
			return c, c.total, nil
		},
	})
}

// trailerBody is a body followed by its checksum, in S3's aws-chunked encoding: one chunk with everything, an empty
// chunk, the trailer.
type trailerBody struct {
	body  *sizedReader
	head  *bytes.Reader
	tail  *bytes.Reader // set when the body has ended
	sum   hash.Hash
	total int64 // length in bytes
}

const trailerName = "x-amz-checksum-sha256:"

func newTrailerBody(body *sizedReader, size int64) *trailerBody {
	head := strconv.FormatInt(size, 16) + "\r\n"
	tail := len("\r\n0\r\n"+trailerName+"\r\n\r\n") + base64.StdEncoding.EncodedLen(sha256.Size)
	return &trailerBody{body: body, head: bytes.NewReader([]byte(head)), sum: sha256.New(), total: int64(len(head)) + size + int64(tail)}
}

// Read returns the body's own error, so that a file that has changed is never completed.
func (c *trailerBody) Read(p []byte) (int, error) {
	if c.head.Len() > 0 {
		return c.head.Read(p)
	}
	if c.tail != nil {
		return c.tail.Read(p)
	}
	n, err := c.body.Read(p)
	file, hashed := c.body.r.(digester)
	if !hashed {
		c.sum.Write(p[:n])
	}
	if err != nil && err != io.EOF {
		return n, err
	}
	if c.body.left > 0 {
		return n, nil
	}
	if err := c.body.expectEOF(); err != nil {
		return n, err
	}
	sum := [sha256.Size]byte(c.sum.Sum(nil))
	if hashed {
		var ok bool
		if sum, ok = file.SHA256(); !ok {
			return n, errors.New("the body was not read from its beginning")
		}
	}
	c.tail = bytes.NewReader([]byte("\r\n0\r\n" + trailerName + base64.StdEncoding.EncodeToString(sum[:]) + "\r\n\r\n"))
	return n, nil
}

package s3test

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
)

// maxETagged is the size up to which a body gets the ETag of S3 even if the client sent no MD5.
const maxETagged = 1 << 20

// body is the body of a request as it was received.
type body struct {
	size    int64  // of the content, without the encoding of aws-chunked
	md5     string // hex; "" for a large body without an MD5 of the client
	content []byte // nil if it is discarded
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 256<<10); return &b }}

// readBody reads the whole body and checks its length.
func (c *call) readBody() (body, error) {
	r := c.r
	if r.Method != "PUT" && r.Method != "POST" {
		return body{}, nil
	}
	c.find()
	var (
		from io.Reader = r.Body
		size           = r.ContentLength
		// Not every client sends Content-Encoding as well.
		chunked = strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-")
	)
	if chunked {
		n, err := strconv.ParseInt(r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64)
		if err != nil {
			return body{}, &Error{411, "MissingContentLength", "x-amz-decoded-content-length is not a number"}
		}
		size = n
	}
	if size < 0 {
		return body{}, &Error{411, "MissingContentLength", "You must provide the Content-Length HTTP header."}
	}
	b := body{size: size}
	if sum, err := base64.StdEncoding.DecodeString(r.Header.Get("Content-MD5")); err == nil && len(sum) == md5.Size {
		b.md5 = hex.EncodeToString(sum)
	}
	keep := r.Method == "POST" || c.n.keepsContent(c.key, size)
	if chunked && (keep || size <= maxETagged) {
		from = newChunkReader(r.Body)
	} else if chunked {
		size = r.ContentLength // -1 if HTTP's own chunks are around those of S3, as the AWS CLI sends them
	}
	read, err := c.consume(&b, from, keep)
	if err != nil {
		return body{}, err
	}
	if read != size && size >= 0 {
		return body{}, &Error{400, "IncompleteBody", fmt.Sprintf("%d bytes of %d", read, size)}
	}
	return b, nil
}

// consume reads to the end, and hashes and keeps what is needed.
func (c *call) consume(b *body, from io.Reader, keep bool) (read int64, err error) {
	hash := md5.New()
	hashing := b.md5 == "" && (keep || b.size <= maxETagged)
	p := buffers.Get().(*[]byte)
	defer buffers.Put(p)
	for {
		n, err := from.Read(*p)
		read += int64(n)
		c.n.received.Add(int64(n))
		if hashing {
			hash.Write((*p)[:n])
		}
		if keep {
			b.content = append(b.content, (*p)[:n]...)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return read, &Error{400, "IncompleteBody", err.Error()}
		}
	}
	if hashing {
		b.md5 = hex.EncodeToString(hash.Sum(nil))
	}
	return read, nil
}

// chunkReader decodes aws-chunked: "<hex size>[;chunk-signature=…]\r\n<bytes>\r\n", ended by an empty chunk and
// trailers. Signatures and trailing checksums are not verified.
type chunkReader struct {
	from *bufio.Reader
	left int64 // in the chunk
	done bool
}

func newChunkReader(r io.Reader) *chunkReader { return &chunkReader{from: bufio.NewReader(r)} }

func (c *chunkReader) Read(p []byte) (int, error) {
	if c.done {
		return 0, io.EOF
	}
	if c.left == 0 {
		if err := c.next(); err != nil {
			return 0, err
		}
		if c.done {
			return 0, io.EOF
		}
	}
	n, err := c.from.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	if c.left == 0 && err == nil {
		err = c.endOfLine()
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (c *chunkReader) next() error {
	line, err := c.from.ReadSlice('\n')
	if err != nil {
		return io.ErrUnexpectedEOF
	}
	digits, _, _ := bytes.Cut(bytes.TrimRight(line, "\r\n"), []byte(";"))
	n, err := strconv.ParseInt(string(digits), 16, 64)
	if err != nil || n < 0 {
		return fmt.Errorf("%q is not the size of a chunk", digits)
	}
	if n == 0 {
		c.done = true
		_, err := io.Copy(io.Discard, c.from)
		return err
	}
	c.left = n
	return nil
}

func (c *chunkReader) endOfLine() error {
	line, err := c.from.ReadSlice('\n')
	if err != nil {
		return io.ErrUnexpectedEOF
	}
	if string(line) != "\r\n" {
		return errors.New("a chunk is longer than its size")
	}
	return nil
}

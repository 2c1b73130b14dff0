package s3test

import (
	"bytes"
	"io"
	"testing"
)

func FuzzChunks(f *testing.F) {
	f.Add([]byte("5;chunk-signature=00\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAA\r\n\r\n"))
	f.Add([]byte("ffffffffffffffff\r\n"))
	f.Add([]byte("3\r\nab"))
	f.Fuzz(func(t *testing.T, in []byte) {
		whole, err := io.ReadAll(newChunkReader(bytes.NewReader(in)))
		slow, slowErr := io.ReadAll(newChunkReader(&oneByOne{in}))
		if !bytes.Equal(whole, slow) || (err == nil) != (slowErr == nil) {
			t.Errorf("%q, %v at once; %q, %v byte by byte", whole, err, slow, slowErr)
		}
		if len(whole) > len(in) {
			t.Errorf("%d bytes out of %d", len(whole), len(in))
		}
	})
}

type oneByOne struct{ rest []byte }

func (o *oneByOne) Read(p []byte) (int, error) {
	if len(o.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:1], o.rest)
	o.rest = o.rest[n:]
	return n, nil
}

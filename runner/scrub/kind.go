package scrub

import (
	"bytes"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// kind is what a file is by its first bytes; names are not to be trusted.
type kind int

const (
	text kind = iota
	binaryData
	utf16Text
	gzipArchive
	zstdArchive
	tarArchive
	zipArchive
)

func (k kind) String() string {
	switch k {
	case text:
		return "text"
	case binaryData:
		return "binary data"
	case utf16Text:
		return "UTF-16 text"
	}
	return "archive"
}

// sniffLength is how much of a file is looked at to know its kind, in bytes. The mark of a tar file is at 257.
const sniffLength = 4 << 10

func kindOf(head []byte) kind {
	const tarMark = 257
	switch {
	case bytes.HasPrefix(head, []byte("\x1f\x8b\x08")):
		return gzipArchive
	case bytes.HasPrefix(head, []byte("\x28\xb5\x2f\xfd")):
		return zstdArchive
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("PK\x05\x06")):
		return zipArchive
	case len(head) > tarMark+5 && string(head[tarMark:tarMark+5]) == "ustar":
		return tarArchive
	case isUTF16(head):
		return utf16Text
	case bytes.IndexByte(head, 0) >= 0:
		return binaryData
	}
	return text
}

// isUTF16 reports whether text begins with a mark of UTF-16, or has it mostly of characters below U+0100.
func isUTF16(head []byte) bool {
	if bytes.HasPrefix(head, []byte{0xff, 0xfe}) || bytes.HasPrefix(head, []byte{0xfe, 0xff}) {
		return true
	}
	const enough = 16 // bytes
	if len(head) < enough {
		return false
	}
	var zeros [2]int // at even places, at odd ones
	for i, c := range head {
		if c == 0 {
			zeros[i%2]++
		}
	}
	half := len(head) / 2
	return zeros[0] == 0 && zeros[1] > half*3/4 || zeros[1] == 0 && zeros[0] > half*3/4
}

// utf16Reader returns text in UTF-16 as UTF-8.
type utf16Reader struct {
	from   io.Reader
	big    bool
	raw    []byte // not decoded yet
	text   []byte // not returned yet
	buffer []byte
	err    error
	began  bool
}

func newUTF16Reader(from io.Reader) *utf16Reader {
	return &utf16Reader{from: from, buffer: make([]byte, 16<<10)}
}

func (u *utf16Reader) Read(p []byte) (int, error) {
	for len(u.text) == 0 && u.err == nil {
		var n int
		n, u.err = u.from.Read(u.buffer)
		u.raw = append(u.raw, u.buffer[:n]...)
		u.decode()
	}
	n := copy(p, u.text)
	u.text = u.text[n:]
	if n == 0 && len(p) > 0 {
		return 0, u.err
	}
	return n, nil
}

// decode decodes the whole characters of raw.
func (u *utf16Reader) decode() {
	if !u.began && len(u.raw) >= 2 {
		u.began = true
		u.big = u.raw[0] == 0xfe && u.raw[1] == 0xff || u.raw[0] == 0
	}
	u.text = u.text[:0]
	for len(u.raw) >= 2 {
		r, size := rune(u.unit(0)), 2
		if utf16.IsSurrogate(r) {
			if len(u.raw) < 4 && u.err == nil {
				return // its other half is to come
			}
			if len(u.raw) >= 4 {
				if pair := utf16.DecodeRune(r, rune(u.unit(2))); pair != utf8.RuneError {
					r, size = pair, 4
				}
			}
		}
		u.text = utf8.AppendRune(u.text, r)
		u.raw = u.raw[size:]
	}
}

func (u *utf16Reader) unit(i int) uint16 {
	if u.big {
		return uint16(u.raw[i])<<8 | uint16(u.raw[i+1])
	}
	return uint16(u.raw[i+1])<<8 | uint16(u.raw[i])
}

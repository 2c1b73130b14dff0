package redact

import (
	"bytes"
	"strings"
)

const (
	keyBegin = "-----BEGIN "
	keyEnd   = "-----END "
	dashes   = "-----"
	maxLabel = 64       // bytes, with the dashes
	maxKey   = 32 << 10 // bytes; RSA's keys of 16,384 bits have 13,000
	between  = " \t\r\n\\\"'`,"
)

// keyHeaders are what may come between the first line and the key.
var keyHeaders = []string{"Proc-Type:", "DEK-Info:", "Version:", "Comment:", "Hash:", "Charset:"}

// privateKey finds a private key in PEM, from its first line to its last or as far as the lines look like a key's:
// logs show the beginning of one, too. The line breaks may be those of a JSON string or a program's (\n).
func privateKey(text []byte, i int) (start, end int, open bool) {
	if len(text) < i+maxKey {
		return keyWithin(text, i)
	}
	start, end, _ = keyWithin(text[:i+maxKey], i)
	return start, end, false
}

func keyWithin(text []byte, i int) (start, end int, open bool) {
	label, open := label(text[i+len(keyBegin):])
	name := strings.TrimSuffix(strings.TrimSuffix(label, " BLOCK"+dashes), dashes)
	if open || !strings.HasSuffix(name, "PRIVATE KEY") {
		return i, i, open
	}
	for end = i + len(keyBegin) + len(label); ; {
		rest := bytes.TrimLeft(text[end:], between)
		next := len(text) - len(rest)
		line := runLength(rest, isKeyByte, len(rest))
		if line == len(rest) { // the text ends in the key
			return i, len(text), true
		}
		header, open := keyHeader(rest)
		switch {
		case open:
			return i, len(text), true
		case header > 0:
			end = next + header
		case line == 0:
			return closed(text, i, end, rest)
		case line >= wrapped || strings.IndexByte(between[2:], rest[line]) >= 0 || rest[line] == '-':
			// A line of the key ends with the line; the first word of another sentence does not.
			end = next + line
		default:
			return i, end, false
		}
	}
}

// closed returns the key up to its last line, if rest is that; else up to where it was known to go.
func closed(text []byte, i, end int, rest []byte) (start, _ int, open bool) {
	if len(rest) < len(keyEnd) {
		return i, end, bytes.HasPrefix([]byte(keyEnd), rest)
	}
	if !bytes.HasPrefix(rest, []byte(keyEnd)) {
		return i, end, false
	}
	label, open := label(rest[len(keyEnd):])
	if label == "" {
		return i, end, open
	}
	return i, len(text) - len(rest) + len(keyEnd) + len(label), false
}

// label returns what text begins with up to and with five dashes: nothing if that is too long or has other
// characters than labels have. It is open if text ends too early to tell.
func label(text []byte) (string, bool) {
	n := runLength(
		text,
		func(c byte) bool { return c == ' ' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' },
		maxLabel,
	)
	if len(text) < n+len(dashes) {
		return "", n < maxLabel && strings.HasPrefix(dashes, string(text[n:]))
	}
	if string(text[n:n+len(dashes)]) != dashes {
		return "", false
	}
	return string(text[:n+len(dashes)]), false
}

// keyHeader returns the length of the header that text begins with, without its line break.
func keyHeader(text []byte) (length int, open bool) {
	for _, h := range keyHeaders {
		if len(text) < len(h) && h[:len(text)] == string(text) {
			return 0, true
		}
		if bytes.HasPrefix(text, []byte(h)) {
			n := bytes.IndexAny(text, "\n\\")
			return max(n, 0), n < 0
		}
	}
	return 0, false
}

func isKeyByte(c byte) bool { return isBase64(c) || c == '=' }

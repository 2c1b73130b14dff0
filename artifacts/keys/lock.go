package keys

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Lock returns the key of a lock's record: "locks/<environment>/<name>.json". Bytes other than letters, digits, dots,
// dashes and underscores are written as "~" and two hexadecimal digits, so that no two locks share a key. The error is
// a *Error.
func Lock(environment, name string) (string, error) {
	e, err := lockSegment("environment", environment)
	if err != nil {
		return "", err
	}
	n, err := lockSegment("lock", name)
	if err != nil {
		return "", err
	}
	return locks + "/" + e + "/" + n + ".json", nil
}

// PublishLock returns the key of the lock that publishers of a set or of a mirror take:
// "locks/artifacts/<3 hex digits>.json".
// The record of a lock is never deleted. So that there are fewer of them than sets, some sets share one.
func PublishLock(prefix string) string {
	sum := sha256.Sum256([]byte(prefix))
	return locks + "/artifacts/" + hex.EncodeToString(sum[:])[:3] + ".json"
}

// maxSegment leaves room for ".json" in the 255 bytes of a file's name.
const maxSegment = 250

func lockSegment(part, name string) (string, error) {
	if name == "" {
		return "", &Error{part, name, "is empty: a lock needs a name"}
	}
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		plain := c == '-' || c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if plain || c == '.' && i > 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, Mark+"%02x", c)
		}
	}
	if b.Len() > maxSegment {
		return "", &Error{part, name, fmt.Sprintf("is longer than %d bytes: shorten it", maxSegment)}
	}
	return b.String(), nil
}

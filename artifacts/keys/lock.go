package keys

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
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

// PublishLock returns the key of the lock that publishers of a set or of a mirror take, from the prefix that Set or
// Mirror returns: "locks/artifacts/<branch>/<2 hex digits>.json". The branch is in the key, so that the policies of a
// store can keep the locks of protected branches from the others. The record of a lock is never deleted. So that there
// are fewer of them than sets, some sets of a branch share one.
func PublishLock(prefix string) string {
	sum := sha256.Sum256([]byte(prefix))
	_, rest, _ := strings.Cut(prefix, "/")
	return path.Join(locks, "artifacts", path.Dir(rest), hex.EncodeToString(sum[:1])+".json")
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

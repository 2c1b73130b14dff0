package image

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A build may mount folders of its machine into the home, as make test-image mounts the compiler's cache. What the script
// removes is therefore named one by one, and is never a home or a whole cache.
func TestTheBaseRemovesOnlyWhatItNames(t *testing.T) {
	text, err := os.ReadFile("base/install")
	if err != nil {
		t.Fatal(err)
	}
	allowed := []string{"/var/lib/apt/lists/*", "/var/cache/apt/*", "/var/log/apt", "/var/log/dpkg.log", `"$HOME/.npm"`, "/tmp/node-compile-cache"}
	for _, line := range regexp.MustCompile(`\brm\s+-\S+ (.*)`).FindAllStringSubmatch(string(text), -1) {
		for word := range strings.FieldsSeq(line[1]) {
			if !slices.Contains(allowed, word) {
				t.Errorf("it removes %s", word)
			}
		}
	}
}

package keys

import (
	"strings"
	"testing"
)

func TestCacheKeysKeepBranchesApart(t *testing.T) {
	sum := [32]byte{1}
	seen := map[string]string{}
	for _, branch := range []string{"main", "main/x", "a", "a/b", "a/b/entries", "a/entries", "entries", "v1.2.3"} {
		for _, name := range []string{"b", "deps", "entries", "blocks"} {
			for _, key := range []string{CacheEntry(branch, name, "linux-arm64", "00"), CacheBlock(branch, name, sum)} {
				if other, twice := seen[key]; twice {
					t.Errorf("%s and %s share %s", branch+" "+name, other, key)
				}
				seen[key] = branch + " " + name
				if err := Check(key); err != nil {
					t.Error(err)
				}
				if !strings.HasPrefix(key, "cache/"+branch+"/") {
					t.Errorf("%s is not where the roles of the cluster let %s write", key, branch)
				}
			}
		}
	}
}

func TestParseCacheEntryIsTheInverseOfCacheEntry(t *testing.T) {
	for _, branch := range []string{"main", "a/b", "entries"} {
		key := CacheEntry(branch, "deps", "linux-arm64", "0123")
		b, name, platform, digest, ok := ParseCacheEntry(key)
		if !ok || b != branch || name != "deps" || platform != "linux-arm64" || digest != "0123" {
			t.Errorf("%s: %q, %q, %q, %q, %v", key, b, name, platform, digest, ok)
		}
	}
	for _, other := range []string{"", "cache/", CacheBlock("main", "deps", [32]byte{}), "cache/deps~/entries/x/y", "builds/main/x~/entries/x/y", "cache/main/x~/entries/y", "cache/a~b/x~/entries/x/y"} {
		if b, _, _, _, ok := ParseCacheEntry(other); ok {
			t.Errorf("%s is an entry of %s", other, b)
		}
	}
}

package keys

import (
	"encoding/hex"
	"strings"
)

// The caches of a branch are below "cache/<branch>/". The mark ends the name of a cache, so that it is no part of a
// branch's name: what the roles of a cluster allow for "cache/main/*" is what the main branch keeps, and nothing else.

// CacheBranch returns the prefix of all caches of a branch: "cache/<branch>/". Branches below it share the prefix.
func CacheBranch(branch string) string { return cache + "/" + branch + "/" }

// Caches is the prefix of the caches of all branches.
const Caches = cache + "/"

func cacheFolder(branch, name string) string { return CacheBranch(branch) + segment(name) + Mark + "/" }

// CacheEntries returns the prefix of the entries of a cache for a platform, or without one of those for all:
// "cache/<branch>/<name>~/entries/<platform>/".
func CacheEntries(branch, name, platform string) string {
	prefix := cacheFolder(branch, name) + "entries/"
	if platform != "" {
		prefix += segment(platform) + "/"
	}
	return prefix
}

// CacheEntry returns the key of an entry: "cache/<branch>/<name>~/entries/<platform>/<digest>".
func CacheEntry(branch, name, platform, digest string) string {
	return CacheEntries(branch, name, platform) + segment(digest)
}

// ParseCacheEntry is the inverse of CacheEntry. It reports false for other objects below cache/.
func ParseCacheEntry(key string) (branch, name, platform, digest string, ok bool) {
	head, tail, found := strings.Cut(strings.TrimPrefix(key, Caches), Mark+"/entries/")
	slash := strings.LastIndexByte(head, '/')
	parts := strings.Split(tail, "/")
	if !found || slash < 0 || len(parts) != 2 {
		return "", "", "", "", false
	}
	branch, name, platform, digest = head[:slash], head[slash+1:], parts[0], parts[1]
	ok = CheckBranch(branch) == nil && CacheEntry(branch, name, platform, digest) == key
	return branch, name, platform, digest, ok
}

// CacheBlocks returns the prefix of the blocks of a cache: "cache/<branch>/<name>~/blocks/".
func CacheBlocks(branch, name string) string { return cacheFolder(branch, name) + "blocks/" }

// CacheBlock returns the key of a block by its SHA-256: "cache/<branch>/<name>~/blocks/<64 hex digits>".
func CacheBlock(branch, name string, sum [32]byte) string {
	return CacheBlocks(branch, name) + hex.EncodeToString(sum[:])
}

// CacheObjects returns the prefix of the objects that a tool keeps by its own protocol, such as turbo:
// "cache/<branch>/<tool>~/objects/".
func CacheObjects(branch, tool string) string { return cacheFolder(branch, tool) + "objects/" }

// CacheObject returns the key of one of them, by the SHA-256 of its name.
func CacheObject(branch, tool string, sum [32]byte) string {
	return CacheObjects(branch, tool) + hex.EncodeToString(sum[:])
}

// ParseCacheObject returns the branch and the tool of the key of an object. It reports false for other keys.
func ParseCacheObject(key string) (branch, tool string, ok bool) {
	head, sum, found := strings.Cut(strings.TrimPrefix(key, Caches), Mark+"/objects/")
	slash := strings.LastIndexByte(head, '/')
	if !found || slash < 0 {
		return "", "", false
	}
	branch, tool = head[:slash], head[slash+1:]
	return branch, tool, CheckBranch(branch) == nil && CacheObjects(branch, tool)+sum == key
}

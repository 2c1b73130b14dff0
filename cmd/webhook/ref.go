package main

import (
	"strings"
	"unicode/utf8"
)

// maxRef is GitHub's own limit, in bytes.
const maxRef = 255

// isRef says whether the pipeline can work with a ref: a branch or a tag, whose name is one that the artifacts can be
// kept under. The rule for names is that of artifacts.Ref, which is not linked since it brings all of S3 along; a test
// holds one against the other.
func isRef(ref string) bool {
	name, ok := strings.CutPrefix(ref, "refs/heads/")
	if !ok {
		name, ok = strings.CutPrefix(ref, "refs/tags/")
	}
	return ok && len(ref) <= maxRef && isRefName(name)
}

func isRefName(name string) bool {
	if name == "" || name == "@" || name == "HEAD" || name[0] == '-' || !utf8.ValidString(name) ||
		strings.HasSuffix(name, ".") || strings.Contains(name, "..") || strings.Contains(name, "@{") ||
		strings.ContainsFunc(name, func(c rune) bool { return c <= ' ' || c == 0x7f || strings.ContainsRune(`~^:?*[\`, c) }) {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part[0] == '.' || strings.HasSuffix(part, ".lock") {
			return false
		}
	}
	return true
}

// isSHA takes whole commit ids only, of SHA-1 or SHA-256.
func isSHA(s string) bool {
	return (len(s) == 40 || len(s) == 64) && strings.Trim(s, "0123456789abcdef") == ""
}

// isZero is how GitHub writes that there is no commit.
func isZero(sha string) bool { return sha != "" && strings.Trim(sha, "0") == "" }

package main

import (
	"strings"

	"github.com/carlin-cicd/runner/artifacts/keys"
)

// maxRef is GitHub's limit, in bytes.
const maxRef = 255

// isRef reports whether the pipeline can work with a ref: a branch or a tag whose name can be part of an artifact's
// key.
func isRef(ref string) bool {
	name, ok := strings.CutPrefix(ref, "refs/heads/")
	if !ok {
		name, ok = strings.CutPrefix(ref, "refs/tags/")
	}
	return ok && len(ref) <= maxRef && keys.CheckBranch(name) == nil
}

// isSHA accepts complete commit ids only, of SHA-1 or SHA-256.
func isSHA(s string) bool {
	return (len(s) == 40 || len(s) == 64) && strings.Trim(s, "0123456789abcdef") == ""
}

// isZero reports whether sha is how GitHub writes that there is no commit.
func isZero(sha string) bool { return sha != "" && strings.Trim(sha, "0") == "" }

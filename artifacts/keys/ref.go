package keys

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// Error reports a key, kind, branch, SHA or run id that cannot name anything in a store.
type Error struct {
	Part   string // "key", "kind", "branch", "sha", "environment" or "lock"
	Value  string
	Reason string
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s %q %s", e.Part, e.Value, e.Reason)
}

// Ref is the commit a set belongs to, and the branch it was made for.
type Ref struct {
	Branch string // a git branch name, slashes and all
	SHA    string // 7 to 64 lower-case hexadecimal digits
}

// Validate refuses what git would not take for a branch, and what is not a SHA. The error is a *Error.
func (r Ref) Validate() error {
	if err := CheckBranch(r.Branch); err != nil {
		return err
	}
	if !IsSHA(r.SHA) {
		return &Error{"sha", r.SHA, "is not 7 to 64 hexadecimal digits in lower case: pass the commit's full SHA"}
	}
	return nil
}

// CheckBranch applies the rules of git check-ref-format --branch, and two more: names are UTF-8, since keys are,
// and "@" is refused, since git takes it for HEAD.
func CheckBranch(b string) error {
	bad := func(reason string) error { return &Error{"branch", b, reason + ": git would not take it either"} }
	switch {
	case b == "":
		return &Error{"branch", b, "is empty: set BRANCH"}
	case !utf8.ValidString(b):
		return &Error{"branch", b, "is not UTF-8"}
	case b == "@" || b == "HEAD":
		return &Error{"branch", b, "is not a branch: pass the name of one"}
	case b[0] == '-':
		return bad("begins with a dash")
	case strings.HasSuffix(b, "."):
		return bad("ends with a dot")
	case strings.Contains(b, ".."):
		return bad("contains two dots in a row")
	case strings.Contains(b, "@{"):
		return bad(`contains "@{"`)
	}
	forbidden := func(c rune) bool { return c <= ' ' || c == 0x7f || strings.ContainsRune(`~^:?*[\`, c) }
	if i := strings.IndexFunc(b, forbidden); i >= 0 {
		return bad(fmt.Sprintf("contains %q", b[i]))
	}
	for segment := range strings.SplitSeq(b, "/") {
		switch {
		case segment == "":
			return bad("contains an empty segment")
		case segment[0] == '.':
			return bad("contains a segment that begins with a dot")
		case strings.HasSuffix(segment, ".lock"):
			return bad(`contains a segment that ends with ".lock"`)
		}
	}
	return nil
}

// IsSHA also takes abbreviations.
func IsSHA(s string) bool {
	return len(s) >= 7 && len(s) <= 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// Mark ends a segment that would otherwise read as something else. Git allows it in no branch name, so no two
// names meet.
const Mark = "~"

// branchKey is the branch as it stands in keys: itself, except that a segment after the first which would read as
// a SHA's or as the mirror's, there for the set of a branch above, carries a mark. So branch "a/latest" stays
// clear of what branch "a" keeps under "a/latest/".
func branchKey(branch string) string {
	segments := strings.Split(branch, "/")
	for i, s := range segments {
		if stem := strings.TrimSuffix(s, ".json"); i > 0 && (stem == "latest" || IsSHA(stem) && !isNumber(stem)) {
			segments[i] = s + Mark
		}
	}
	return strings.Join(segments, "/")
}

// shaKey is the SHA as it stands in keys: itself, except that an abbreviation of nothing but digits carries the mark,
// since "release/20261123" is more likely to be met, and should look like itself.
func shaKey(sha string) string {
	if isNumber(sha) {
		return sha + Mark
	}
	return sha
}

// isNumber tells a number, such as a date, from a full SHA that happens to have no letter.
func isNumber(s string) bool {
	return len(s) != 40 && len(s) != 64 && strings.Trim(s, "0123456789") == ""
}

// key is "<branch>/<sha>".
func (r Ref) key() string { return branchKey(r.Branch) + "/" + shaKey(r.SHA) }

// Partial is the folder, at the top of a store or of a fetched set, for files that do not have their final name yet.
const Partial = ".runner-partial"

// MaxKey is S3's limit, kept by every store so that a set that fits one fits all.
const MaxKey = 1024

// Check refuses keys that could mean another object, or leave the store.
func Check(key string) error {
	bad := func(reason string) error { return &Error{"key", key, reason} }
	switch {
	case key == "":
		return bad("is empty")
	case len(key) > MaxKey:
		return bad(fmt.Sprintf("is longer than %d bytes: shorten the file's path or the branch's name", MaxKey))
	case !utf8.ValidString(key):
		return bad("is not UTF-8")
	case strings.ContainsRune(key, 0):
		return bad("contains a zero byte")
	case key[0] == '/':
		return bad("is absolute")
	case path.Clean(key) != key || key == "." || key == ".." || strings.HasPrefix(key, "../"):
		return bad(`contains an empty, "." or ".." segment`)
	case key == Partial || strings.HasPrefix(key, Partial+"/"):
		return bad("is reserved for files in the making")
	}
	return nil
}

// CheckKind keeps kinds to one plain segment, and out of the folders that are no sets.
func CheckKind(kind string) error {
	switch {
	case slices.Contains(reserved, kind):
		return &Error{"kind", kind, "is reserved: choose another name"}
	case kind == "", kind[0] == '.', kind[0] == '-',
		strings.ContainsFunc(kind, func(c rune) bool {
			return !(c == '.' || c == '-' || c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z')
		}):
		return &Error{"kind", kind, "is not a plain name: use letters, digits, dots, dashes and underscores"}
	}
	return nil
}

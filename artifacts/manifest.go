package artifacts

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/artifacts/keys"
)

// File is one file of a set.
type File struct {
	Path   string `json:"path"` // slash-separated, relative to the set
	Size   int64  `json:"size"` // bytes
	SHA256 string `json:"sha256"`
	Type   string `json:"type"` // media type
	Mode   string `json:"mode"` // permission bits in octal, e.g. "0644"
	// VersionID identifies the object in a versioned bucket: later objects under the same key do not change the set.
	VersionID string `json:"version_id,omitempty"`
}

// sameAs compares two files regardless of where they are stored.
func (f File) sameAs(g File) bool {
	f.VersionID, g.VersionID = "", ""
	return f == g
}

// Manifest lists the files of a set. The set exists as long as its manifest does.
type Manifest struct {
	Version int       `json:"version"` // 1
	Kind    string    `json:"kind"`
	Branch  string    `json:"branch"`
	SHA     string    `json:"sha"`
	RunID   string    `json:"run_id"`
	Dirty   bool      `json:"dirty,omitempty"` // published from a workspace with changes that are not in the commit
	Created time.Time `json:"created"`
	Files   []File    `json:"files"` // sorted by path
	// Update is set while a publisher replaces the set, or after that was interrupted. The set itself is whole.
	Update *pending `json:"update,omitempty"`
}

// isVersioned reports whether the set survives the overwriting and deletion of its files.
func (m Manifest) isVersioned() bool {
	return len(m.Files) > 0 && !slices.ContainsFunc(m.Files, func(f File) bool { return f.VersionID == "" })
}

// Bytes returns the size of all files together.
func (m Manifest) Bytes() int64 {
	var n int64
	for _, f := range m.Files {
		n += f.Size
	}
	return n
}

// Digest returns the SHA-256 of the files' paths, contents and modes, in hexadecimal. It is the same for two sets with
// the same files, wherever and whenever they were stored.
func (m Manifest) Digest() string {
	h := sha256.New()
	for _, f := range m.Files {
		fmt.Fprintf(h, "%s\x00%s\x00%s\n", f.Path, f.SHA256, f.Mode)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Ref returns the branch and commit of the set.
func (m Manifest) Ref() Ref { return Ref{Branch: m.Branch, SHA: m.SHA} }

// file finds a file by its path.
func (m Manifest) file(p string) (File, bool) {
	i, ok := slices.BinarySearchFunc(m.Files, p, func(f File, p string) int { return cmp.Compare(f.Path, p) })
	if !ok {
		return File{}, false
	}
	return m.Files[i], true
}

// ReadManifest returns the manifest of a set. The error is fs.ErrNotExist if there is no such set, and a *CorruptError
// if the object is not a manifest of it.
func ReadManifest(ctx context.Context, s Store, kind string, ref Ref) (Manifest, error) {
	if err := keys.CheckKind(kind); err != nil {
		return Manifest{}, err
	}
	if err := ref.Validate(); err != nil {
		return Manifest{}, err
	}
	key := keys.Manifest(kind, ref)
	m, err := readManifest(ctx, s, key)
	if err == nil && (m.Kind != kind || m.Ref() != ref) {
		err = &CorruptError{key, "the manifest of " + keys.Set(kind, ref), "that of " + keys.Set(m.Kind, m.Ref())}
	}
	if err != nil {
		return Manifest{}, err
	}
	return m, nil
}

// latest is the record of the newest complete set. It points to the set's manifest instead of repeating it, so that
// the two cannot contradict each other.
type latest struct {
	Version  int       `json:"version"`
	Kind     string    `json:"kind"`
	Branch   string    `json:"branch"`
	SHA      string    `json:"sha"`
	RunID    string    `json:"run_id"`
	Created  time.Time `json:"created"`
	Manifest string    `json:"manifest"` // key
}

// Latest returns the manifest of the newest complete set of a branch. The error is fs.ErrNotExist if there is none.
func Latest(ctx context.Context, s Store, kind, branch string) (Manifest, error) {
	if err := keys.CheckKind(kind); err != nil {
		return Manifest{}, err
	}
	if err := keys.CheckBranch(branch); err != nil {
		return Manifest{}, err
	}
	var l latest
	key := keys.LatestManifest(kind, branch)
	if err := GetJSON(ctx, s, key, &l); err != nil {
		return Manifest{}, err
	}
	if !keys.IsSHA(l.SHA) || l.Branch != branch || l.Kind != kind {
		return Manifest{}, &CorruptError{key, "the newest set of " + keys.Mirror(kind, branch), "something else"}
	}
	return ReadManifest(ctx, s, kind, Ref{Branch: branch, SHA: l.SHA})
}

// readManifest refuses a manifest that could make a file or a deletion land outside its set.
func readManifest(ctx context.Context, s Store, key string) (Manifest, error) {
	var m Manifest
	if err := GetJSON(ctx, s, key, &m); err != nil {
		return Manifest{}, err
	}
	if err := m.check(); err != nil {
		return Manifest{}, &CorruptError{key, "a manifest", err.Error()}
	}
	return m, nil
}

func (m Manifest) check() error {
	if m.Version != 1 {
		return fmt.Errorf("version %d, which another release of this program may read", m.Version)
	}
	last := ""
	for _, f := range m.Files {
		switch {
		case keys.Check(f.Path) != nil:
			return fmt.Errorf("the path %q", f.Path)
		case f.Path <= last:
			return fmt.Errorf("%q out of order", f.Path)
		case f.Size < 0, len(f.SHA256) != 64, strings.Trim(f.SHA256, "0123456789abcdef") != "":
			return fmt.Errorf("no size and checksum of %q", f.Path)
		}
		if _, err := parseMode(f.Mode); err != nil {
			return fmt.Errorf("the mode %q of %q", f.Mode, f.Path)
		}
		last = f.Path
	}
	return nil
}

func formatMode(m fs.FileMode) string { return fmt.Sprintf("%04o", m.Perm()) }

func parseMode(s string) (fs.FileMode, error) {
	n, err := strconv.ParseUint(s, 8, 9)
	return fs.FileMode(n), err
}

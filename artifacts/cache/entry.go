package cache

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sort"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
)

// Entry is the record of what one run saved.
type Entry struct {
	Version  int       `json:"version"`
	Name     string    `json:"name"`
	Branch   string    `json:"branch"`
	Platform string    `json:"platform"`
	Key      string    `json:"key"` // 64 hexadecimal digits, see Key
	Created  time.Time `json:"created"`
	RunID    string    `json:"run_id"`
	Step     string    `json:"step"`
	SHA      string    `json:"sha"`
	Paths    []string  `json:"paths"` // as they are declared
	Files    int       `json:"files"`
	Bytes    int64     `json:"bytes"`  // of the files
	Stored   int64     `json:"stored"` // bytes of its objects, those that it shares with other entries too
	Added    int64     `json:"added"`  // bytes of the objects that were stored for it
	// Seconds is how long the step that saved it took without an entry; 0 if unknown.
	Seconds float64  `json:"seconds,omitempty"`
	Tree    TreeRef  `json:"tree"`
	Blocks  []string `json:"blocks"` // SHA-256 of the branch's own that it needs, the tree's too
}

// TreeRef is the object with the tree of an entry.
type TreeRef struct {
	SHA256 string `json:"sha256"` // of the object
	Stored int64  `json:"stored"` // its size in bytes
	Raw    int64  `json:"raw"`    // bytes that it unpacks to
}

const (
	entryVersion = 1
	entryMagic   = "carlin-cache-entry 1 "
	maxEntry     = 64 << 20 // bytes
)

// encode returns the record behind a line with its own checksum.
func (e Entry) encode() ([]byte, error) {
	text, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	return slices.Concat([]byte(entryMagic+hex.EncodeToString(sum[:])+"\n"), text, []byte("\n")), nil
}

// parseEntry is the inverse of encode.
func parseEntry(text []byte) (e Entry, err error) {
	line, body, _ := bytes.Cut(text, []byte("\n"))
	body = bytes.TrimSuffix(body, []byte("\n"))
	sum := sha256.Sum256(body)
	if string(line) != entryMagic+hex.EncodeToString(sum[:]) {
		return e, errors.New("its checksum is not that of its content")
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return e, err
	}
	if e.Version != entryVersion {
		return e, fmt.Errorf("version %d is not known here", e.Version)
	}
	if e.Tree.Raw < 0 || e.Tree.Raw > maxTree || e.Tree.Stored < 0 || e.Tree.Stored > maxTree {
		return e, errors.New("the size of its tree is out of range")
	}
	return e, nil
}

// readEntry reads the record under a key. The error is fs.ErrNotExist, a *DamagedError or the store's.
func readEntry(ctx context.Context, s artifacts.Store, key string) (Entry, error) {
	text, err := readObject(ctx, s, key, maxEntry)
	if err != nil {
		return Entry{}, err
	}
	e, err := parseEntry(text)
	if err != nil {
		return e, &DamagedError{key, err.Error()}
	}
	return e, nil
}

// Listed is an entry in a listing.
type Listed struct {
	Branch, Name, Platform, Digest string

	Key      string // of its record
	Size     int64  // of its record, in bytes
	Modified time.Time
}

// Tool is what a tool keeps on a branch: see Objects.
type Tool struct {
	Branch, Name string
	Objects      int
	Stored       int64 // bytes
	Newest       time.Time
}

// List returns the entries of all caches below a prefix of keys, the newest first, and what tools keep there.
func List(ctx context.Context, s artifacts.Lister, prefix string) (entries []Listed, tools []Tool, err error) {
	for o, err := range s.List(ctx, prefix) {
		if err != nil {
			return nil, nil, err
		}
		if branch, name, platform, digest, ok := keys.ParseCacheEntry(o.Key); ok {
			entries = append(entries, Listed{branch, name, platform, digest, o.Key, o.Size, o.Modified})
		} else if branch, name, ok := keys.ParseCacheObject(o.Key); ok {
			if n := len(tools); n == 0 || tools[n-1].Branch != branch || tools[n-1].Name != name { // they are sorted by key
				tools = append(tools, Tool{Branch: branch, Name: name})
			}
			t := &tools[len(tools)-1]
			t.Objects, t.Stored = t.Objects+1, t.Stored+o.Size
			if o.Modified.After(t.Newest) {
				t.Newest = o.Modified
			}
		}
	}
	sort.SliceStable(entries, func(i, j int) bool {
		a, b := entries[i], entries[j]
		return cmp.Or(b.Modified.Compare(a.Modified), cmp.Compare(a.Key, b.Key)) < 0
	})
	return entries, tools, nil
}

// Read returns the record of a listed entry.
func Read(ctx context.Context, s artifacts.Store, l Listed) (Entry, error) {
	return readEntry(ctx, s, l.Key)
}

// candidates returns the keys of the records to try, in order: for each branch the one with the key, then for each
// branch the newest ones.
func (c *Cache) candidates(ctx context.Context, key Key, each func(branch, key string, exact bool) bool) error {
	for _, b := range c.branches() {
		if !each(b, keys.CacheEntry(b, c.Name, c.Platform, key.String()), true) {
			return nil
		}
	}
	const tries = 3 // of each branch: an entry is rarely damaged
	for _, b := range c.branches() {
		listed, _, err := List(ctx, c.Store, keys.CacheEntries(b, c.Name, c.Platform))
		if err != nil {
			return err
		}
		for _, l := range listed[:min(len(listed), tries)] {
			if l.Digest != key.String() && !each(b, l.Key, false) {
				return nil
			}
		}
	}
	return nil
}

// loadTree reads and checks the tree of an entry.
func (c *Cache) loadTree(ctx context.Context, e Entry, branch string) (*tree, error) {
	damaged := func(reason string) error {
		return &DamagedError{keys.CacheEntry(branch, c.Name, c.Platform, e.Key), reason}
	}
	id, err := hex.DecodeString(e.Tree.SHA256)
	if err != nil || len(id) != sha256.Size {
		return nil, damaged("it names no tree")
	}
	stored, err := readObject(ctx, c.Store, keys.CacheBlock(branch, c.Name, [sha256.Size]byte(id)), e.Tree.Stored)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, damaged("its tree is gone")
	case err != nil:
		return nil, err
	case sha256.Sum256(stored) != [sha256.Size]byte(id):
		return nil, damaged("its tree is not the one that was stored")
	}
	decoder, err := newDecoder(1, uint64(e.Tree.Raw))
	if err != nil {
		return nil, err
	}
	defer decoder.Close()
	raw, err := decoder.DecodeAll(stored, make([]byte, 0, e.Tree.Raw))
	if err != nil {
		return nil, damaged("its tree cannot be unpacked: " + err.Error())
	}
	t, err := parseTree(raw)
	if err != nil {
		return nil, damaged("its tree is invalid: " + err.Error())
	}
	return t, nil
}

// Package cache keeps folders between runs: dependencies, and what compilers remember.
//
// An entry is a small record, its tree and its blocks. A block is up to 2 MiB of the contents of files, compressed,
// under its own SHA-256; the tree lists the files and where in which block their contents are. Entries share blocks, so
// that one that differs little from an earlier one adds little. The record is written last and holds the checksums of
// the rest: an entry that is damaged or half-written is a miss.
//
// A branch reads its own entries and those of the main branch, and writes its own only. See README.md.
package cache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
)

// Store is where caches are kept.
type Store interface {
	artifacts.Store
	artifacts.Lister
}

// Cache is one cache of a branch.
type Cache struct {
	Store Store
	Name  string
	// Branch is the one that entries are written for, Main the one whose entries may be read beside them. Either may be
	// empty: a pull request from a fork has no branch of its own.
	Branch, Main string
	Platform     string // see Platform; entries of another one are not seen
}

// Platform is the platform of this machine, such as "linux-arm64".
func Platform() string { return runtime.GOOS + "-" + runtime.GOARCH }

// branches returns those that are read, in order.
func (c *Cache) branches() []string {
	var all []string
	for _, b := range []string{c.Branch, c.Main} {
		if b != "" && (len(all) == 0 || all[0] != b) {
			all = append(all, b)
		}
	}
	return all
}

// Path is a folder or a file that a cache keeps.
type Path struct {
	Base string // an absolute folder that is trusted, such as the workspace
	Rel  string // below it, slash-separated and clean
}

// String returns the path as it is on this machine.
func (p Path) String() string { return p.Base + string(os.PathSeparator) + p.Rel }

// Key identifies the content that an entry was made for. Entries with the same key are interchangeable.
type Key [sha256.Size]byte

func (k Key) String() string { return hex.EncodeToString(k[:]) }

// NewKey returns the key of texts, each of which counts with its length.
func NewKey(texts ...string) Key {
	sum := sha256.New()
	for _, t := range texts {
		fmt.Fprintf(sum, "%d %s\n", len(t), t)
	}
	return Key(sum.Sum(nil))
}

// DamagedError reports an entry that cannot be restored. It counts as a miss.
type DamagedError struct {
	Key    string // of the object
	Reason string
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("the cache entry %s is damaged: %s", e.Key, e.Reason)
}

// Hint says what happens next.
func (e *DamagedError) Hint() string {
	return "it is not used, and the next run that passes saves another"
}

// SecretError reports a file with a secret, for which an entry is withheld.
type SecretError struct {
	Path  string // the file, as the cache has it: it may hold the secret itself
	Where string // what holds it: "text", "name", "archive" …
}

func (e *SecretError) Error() string {
	return fmt.Sprintf("%s holds a secret (%s), so the cache is not saved", e.Path, e.Where)
}

// Hint says what to do next.
func (e *SecretError) Hint() string {
	return "have the command keep the secret out of the folder, or leave the file out of the cache's paths"
}

// readObject reads a small object whole, and fails if it is larger than limit.
func readObject(ctx context.Context, s artifacts.Store, key string, limit int64) ([]byte, error) {
	r, err := s.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = &DamagedError{key, fmt.Sprintf("it is larger than %d bytes", limit)}
	}
	return text, err
}

// ErrReadOnly is the error of a save where entries are only read.
var ErrReadOnly = errors.New("caches are only read here")

// blockAge is how old a block may be to be part of a new entry. An older one is stored again, since a lifecycle rule
// that expires it would damage the entry.
const blockAge = 7 * 24 * time.Hour

package artifacts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/carlin-cicd/runner/artifacts/keys"
)

// Set is a folder of files to publish.
type Set struct {
	Kind string // e.g. "builds", "coverage"
	Ref
	RunID string
	Dirty bool   // the workspace has changes that are not in the commit
	Dir   string // holds the files of the set
	// Mirror is "latest" to keep a copy of the newest set's files under "<kind>/<branch>/latest/", or "".
	Mirror string
	// Within, if it is set, is a folder that Dir is in. Links between the two must not lead out of it. Dir itself must
	// not be a link.
	Within string
	// Include are globs of files to publish although a segment of their path begins with a dot, e.g. ".env" or
	// ".cache/**". Without it, they are left out, except for ".well-known", ".nojekyll" and ".vite".
	Include []string
	// FirstWins, if it is set, is asked before other files replace a stored set of the commit, while the lock is held:
	// true refuses it with an *ExistsError.
	FirstWins func(ctx context.Context, stored Manifest) bool
	// Prepared is what Prepare has read for this set, or nil. Its owner calls Close after Publish.
	Prepared *Preparation
	// Attester makes the statement that is stored beside the manifest, see keys.Provenance; nil for none.
	Attester Attester
	// Exclude reports files, or whole folders, to leave out, by their slash-separated path in Dir. It may be nil.
	Exclude func(path string) bool
}

// Attester makes statements of who built a set, such as package provenance has.
type Attester interface {
	// Attest returns the statement of a set that is about to exist. An error keeps it from existing.
	Attest(ctx context.Context, m Manifest) ([]byte, error)
	// Covers reports whether a stored statement is of this set, and worth as much as one that Attest would make.
	Covers(ctx context.Context, m Manifest, statement []byte) bool
}

// Counts is the work of an update.
type Counts struct {
	Uploaded, Unchanged, Removed int   // files
	Left                         int   // files that left the set and could not be deleted for lack of permission
	Bytes                        int64 // uploaded
}

// Published is the result of a Publish.
type Published struct {
	// Manifest is the stored one. If nothing changed, it is still that of the run that published the set.
	Manifest Manifest
	Key      string // prefix of the files, see keys.Set
	Location string // the same for people
	Counts          // of the set
	Mirrored Counts // of the mirror
	// Hidden are the files and folders that were left out because their names begin with a dot. The paths of folders
	// end with a slash.
	Hidden []string
}

// Publish stores a set: its files first, then its manifest, then the record of the newest set, then the mirror. Only
// files that differ from what is stored are uploaded, and files that are gone from the folder are removed. Readers
// find the old set, the new one or none; the next Publish repairs what an interrupted one leaves.
//
// Errors are *ExistsError for a set that FirstWins protects, *MissingError, *LinkError, *FileError and *ChangedError
// for the folder, *KeyError for names, and those of the store. Published holds what was done until then.
func Publish(ctx context.Context, s Store, set Set) (Published, error) {
	p := Published{Key: keys.Set(set.Kind, set.Ref)}
	if err := set.check(); err != nil {
		return p, err
	}
	p.Location = locate(s, p.Key)
	if err := publish(ctx, s, set, &p); err != nil {
		return p, fmt.Errorf("publish %s: %w", p.Key, err)
	}
	return p, nil
}

func (set Set) check() error {
	if set.Mirror != "" && set.Mirror != "latest" {
		return &KeyError{Part: "mirror", Value: set.Mirror, Reason: `is not "latest"`}
	}
	if err := keys.CheckKind(set.Kind); err != nil {
		return err
	}
	if err := patterns(set.Include).check(); err != nil {
		return err
	}
	return set.Validate()
}

func publish(ctx context.Context, s Store, set Set, p *Published) error {
	t, err := openTree(set.Kind, set.Dir, set.Within)
	if err != nil {
		return err
	}
	defer t.Close()
	paths, hidden, err := t.list(ctx, set)
	if err != nil {
		return err
	}
	p.Hidden = hidden
	switch {
	case len(paths) == 0 && len(hidden) > 0:
		return &MissingError{
			set.Kind,
			set.Dir,
			"holds only files that begin with a dot, which are left out unless named",
		}
	case len(paths) == 0:
		return &MissingError{set.Kind, set.Dir, "is empty"}
	}
	files := make([]File, len(paths))
	for i, path := range paths {
		files[i].Path = path
	}
	m := Manifest{
		Version: 1, Kind: set.Kind, Branch: set.Branch, SHA: set.SHA, RunID: set.RunID, Dirty: set.Dirty, Files: files,
	}

	u := &update{
		store: s, tree: t, target: setTarget(set), want: m, firstWins: set.FirstWins, attester: set.Attester,
	}
	if done, err := u.publishAhead(ctx, set, p); done || err != nil {
		p.Counts = u.counts
		return err
	}
	p.Manifest, err = u.apply(ctx)
	p.Counts = u.counts
	if err == nil {
		err = u.ensureAttested(ctx, p.Manifest)
	}
	if err != nil {
		return err
	}
	return publishLatest(ctx, s, newMirror(s, t, set, p.Manifest), set, p)
}

// newMirror is the update of the mirror of a set.
func newMirror(s Store, t *tree, set Set, m Manifest) *update {
	mirror := &update{store: s, tree: t, target: mirrorTarget(set)}
	mirror.mirrors(m)
	return mirror
}

// mirrors sets what the update wants.
func (u *update) mirrors(m Manifest) {
	u.want = m
	u.want.Update = nil
	u.files = slices.Clone(m.Files)
	for i := range u.files {
		u.files[i].VersionID = "" // belongs to another object
	}
}

// publishLatest makes the set the newest one of its branch. That record and the mirror belong to the branch:
// publishers of two of its commits take turns, unless there is nothing to do.
func publishLatest(ctx context.Context, s Store, mirror *update, set Set, p *Published) error {
	done, err := isLatest(ctx, s, p.Manifest)
	if err == nil && done && set.Mirror != "" {
		done, err = mirror.plan(ctx)
	}
	if err != nil {
		return err
	}
	if !done {
		ctx, release, err := lock(ctx, s, keys.Mirror(set.Kind, set.Branch))
		if err != nil {
			return err
		}
		defer release()
		if err := writeLatest(ctx, s, p.Manifest); err != nil {
			return err
		}
		if set.Mirror != "" {
			if _, err := mirror.applyLocked(ctx); err != nil {
				return fmt.Errorf("mirror: %w", err)
			}
		}
	}
	p.Mirrored = mirror.counts
	return nil
}

// latestRecord is the content of latest.json if m is the newest set.
func (m Manifest) latestRecord() latest {
	return latest{m.Version, m.Kind, m.Branch, m.SHA, m.RunID, m.Created, keys.Manifest(m.Kind, m.Ref())}
}

func writeLatest(ctx context.Context, s Store, m Manifest) error {
	return PutJSON(ctx, s, keys.LatestManifest(m.Kind, m.Branch), m.latestRecord())
}

func isLatest(ctx context.Context, s Store, m Manifest) (bool, error) {
	var is latest
	err := GetJSON(ctx, s, keys.LatestManifest(m.Kind, m.Branch), &is)
	var corrupt *CorruptError
	if errors.Is(err, fs.ErrNotExist) || errors.As(err, &corrupt) {
		return false, nil
	}
	return is == m.latestRecord(), err
}

// now is cut to the precision of JSON, so that a manifest read equals the one written.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

package artifacts

import (
	"slices"
	"time"

	"github.com/carlin-cicd/runner/artifacts/keys"
)

// target is where a set is stored, or the mirror of one.
type target struct {
	files        string // prefix of the files
	manifest     string // key; the target holds a set exactly as long as there is one
	pending      string // key of the record of an update in progress, see replace
	cacheControl string // of the files
}

func setTarget(set Set) target {
	return target{
		files: keys.Set(set.Kind, set.Ref), manifest: keys.Manifest(set.Kind, set.Ref),
		pending: keys.PendingUpdate(set.Kind, set.Ref),
	}
}

func mirrorTarget(set Set) target {
	return target{
		files: keys.Mirror(set.Kind, set.Branch), manifest: keys.MirrorManifest(set.Kind, set.Branch),
		pending: keys.PendingMirror(set.Kind, set.Branch), cacheControl: "no-cache",
	}
}

// pending names every file that an update in progress may touch, and, if there is no manifest, all others as well.
type pending struct {
	Version int       `json:"version"`
	RunID   string    `json:"run_id"`
	Started time.Time `json:"started"`
	Paths   []string  `json:"paths"` // sorted
}

func (p *pending) names(path string) bool {
	_, ok := slices.BinarySearch(p.Paths, path)
	return ok
}

// interrupted returns what an interrupted update may have left. Leftover is set if the record in an object of its own is of
// no use any longer, as the manifest keeps versions: it only has to be removed.
func (m Manifest) interrupted(record pending) (found pending, leftover bool) {
	switch {
	case m.Update != nil:
		return *m.Update, record.Version != 0
	case m.isVersioned():
		return pending{}, record.Version != 0
	}
	return record, false
}

package artifacts

import (
	"cmp"
	"context"
	"slices"

	"github.com/carlin-cicd/runner/artifacts/keys"
)

// StoredRun is a run whose end is on record, as a listing shows it.
type StoredRun struct {
	Ref
	ID  string
	Key string // of its finished.json
}

// maxListed bounds how many objects are looked through for runs. A bucket lists a thousand at a time.
const maxListed = 100_000

// Runs returns the newest runs of a step on a branch, the newest first, at most most of them. Not all is false if the branch has so many
// records that not all of them were looked through: then they are the newest of those that were.
func Runs(ctx context.Context, l Lister, branch, step, environment string, most int) (runs []StoredRun, all bool, err error) {
	if err := keys.CheckBranch(branch); err != nil {
		return nil, false, err
	}
	seen := 0
	for e, err := range l.List(ctx, keys.Runs(branch)) {
		if err != nil {
			return nil, false, err
		}
		if seen++; seen > maxListed {
			break
		}
		if sha, id, ok := keys.ParseFinishedRun(e.Key, branch, step, environment); ok {
			runs = append(runs, StoredRun{Ref{Branch: branch, SHA: sha}, id, e.Key})
		}
	}
	slices.SortFunc(runs, func(a, b StoredRun) int { return cmp.Compare(b.ID, a.ID) }) // ids sort by time
	return runs[:min(most, len(runs))], seen <= maxListed, nil
}

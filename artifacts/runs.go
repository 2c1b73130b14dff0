package artifacts

import (
	"context"
	"sort"

	"github.com/carlin-cicd/runner/artifacts/keys"
)

// StoredRun is a finished run in a listing.
type StoredRun struct {
	Ref
	ID  string
	Key string // of its finished.json
}

// maxListed limits how many objects are searched for runs. A bucket lists a thousand per request.
const maxListed = 100_000

// Runs returns up to most runs of a step on a branch, the newest first. All is false if the branch has so many records
// that not all of them were searched; the runs are the newest of those that were.
func Runs(
	ctx context.Context, l Lister, branch, step, environment string, most int,
) (runs []StoredRun, all bool, err error) {
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
	sort.Slice(runs, func(i, j int) bool { return runs[i].ID > runs[j].ID }) // ids sort by time
	return runs[:min(most, len(runs))], seen <= maxListed, nil
}

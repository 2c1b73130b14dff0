package folder

import (
	"context"
	"fmt"

	"github.com/carlin-cicd/runner/artifacts"
)

// scarce is the free space, in bytes, below which a folder's disk deserves a warning.
const minFree = 1 << 30

// Examine implements Examiner: the folder is there, since it has been opened; whether it can be written shows a probe.
func (f *Store) Examine(ctx context.Context) []artifacts.Finding {
	const subject = "artifacts"
	if err := artifacts.Probe(ctx, f); err != nil {
		return []artifacts.Finding{{Subject: subject, Problem: err.Error(), Advice: "see who may write to the folder, and whether its disk is full", Severity: artifacts.Failure}}
	}
	found := []artifacts.Finding{{Subject: subject, Problem: f.path + " can be written, read and cleared", Advice: "", Severity: artifacts.OK}}
	if free, ok := freeSpace(f.path); ok && free < minFree {
		found = append(found, artifacts.Finding{
			Subject: subject, Problem: fmt.Sprintf("only %d MiB are free in %s", free>>20, f.path),
			Advice: "free some room there, or give the task more ephemeral storage", Severity: artifacts.Warning,
		})
	}
	return found
}

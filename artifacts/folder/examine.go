package folder

import (
	"context"
	"fmt"

	"github.com/carlin-cicd/runner/artifacts"
)

// minFree is the free disk space, in bytes, below which a warning is due.
const minFree = 1 << 30

// Examine implements artifacts.Examiner.
func (f *Store) Examine(ctx context.Context) []artifacts.Finding {
	const subject = "artifacts"
	if err := artifacts.Probe(ctx, f); err != nil {
		return []artifacts.Finding{{
			Subject: subject, Problem: err.Error(), Severity: artifacts.Failure,
			Advice: "check the permissions of the folder, and whether its disk is full",
		}}
	}
	found := []artifacts.Finding{{
		Subject: subject, Problem: f.path + " can be written, read and cleared", Severity: artifacts.OK,
	}}
	if free, ok := freeSpace(f.path); ok && free < minFree {
		found = append(found, artifacts.Finding{
			Subject: subject, Problem: fmt.Sprintf("only %d MiB are free in %s", free>>20, f.path),
			Advice: "free some room there, or give the task more ephemeral storage", Severity: artifacts.Warning,
		})
	}
	return found
}

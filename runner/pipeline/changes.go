package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/runs"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/runner/source"
)

// Changed returns the files that differ between an earlier commit and the session's.
type Changed func(ctx context.Context, earlier string) ([]string, error)

// Since returns a Compare that finds in the store where a step last passed: on the session's branch, else on the main
// branch. A step that failed last runs again.
func Since(s *session.Session, changed Changed) Compare {
	files := map[string][]string{} // by commit
	return func(ctx context.Context, step string) (Changes, string) {
		for _, branch := range slices.Compact([]string{s.Ref.Branch, s.Config.MainBranch}) {
			run, err := newest(ctx, s, branch, step)
			if err != nil {
				return Changes{}, fmt.Sprintf("where %s last passed is not known: %v", step, err)
			}
			if run.RunID == "" {
				continue
			}
			if reason := unproven(ctx, s, run); reason != "" {
				return Changes{}, reason
			}
			list, there := files[run.SHA]
			if !there {
				if list, err = since(ctx, s, changed, run.SHA); err != nil {
					return Changes{}, incomparable(run, err)
				}
				files[run.SHA] = list
			}
			return Changes{Since: run.SHA, Branch: branch, Files: list}, ""
		}
		return Changes{}, step + " has not passed yet"
	}
}

// since returns the files that differ between an earlier commit and the workspace.
func since(ctx context.Context, s *session.Session, changed Changed, earlier string) ([]string, error) {
	files, err := changed(ctx, earlier)
	if err != nil {
		return nil, err
	}
	uncommitted, err := s.Uncommitted(ctx)
	return append(files, uncommitted...), err
}

// incomparable says why the workspace cannot be compared with the commit at which a step passed.
func incomparable(run record.Entry, err error) string {
	var missing *source.NotFoundError
	if errors.As(err, &missing) {
		return fmt.Sprintf("commit %.7s, where %s passed, is not in the repository", run.SHA, run.Step)
	}
	return fmt.Sprintf("commit %.7s, where %s passed, cannot be compared with: %v", run.SHA, run.Step, err)
}

// newest returns the newest run of a step on a branch that has ended; the zero value if there is none.
func newest(ctx context.Context, s *session.Session, branch, step string) (record.Entry, error) {
	index, ok := s.Store.(runs.Store)
	if !ok {
		return record.Entry{}, errors.New("the store has no index of runs")
	}
	list, err := runs.Newest(ctx, index, runs.Folders(branch), 1, func(e record.Entry) bool {
		return e.Branch == branch && e.Step == step && e.Environment == "" && e.State != record.Running
	})
	if err != nil || len(list.Runs) == 0 {
		return record.Entry{}, err
	}
	return list.Runs[0], nil
}

// unproven says why a run does not count as passed; "" if it does. The index is for showing: the record decides.
func unproven(ctx context.Context, s *session.Session, run record.Entry) string {
	if run.State != record.Passed {
		return fmt.Sprintf("%s did not pass at %.7s", run.Step, run.SHA)
	}
	var latest record.Latest
	ref := artifacts.Ref{Branch: run.Branch, SHA: run.SHA}
	err := artifacts.GetJSON(ctx, s.Store, keys.LatestRun(ref, run.Step, ""), &latest)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("%s has no record at %.7s", run.Step, run.SHA)
	case err != nil:
		return fmt.Sprintf("where %s last passed is not known: %v", run.Step, err)
	case !latest.Passed:
		return fmt.Sprintf("%s did not pass at %.7s", run.Step, run.SHA)
	case latest.Dirty:
		return fmt.Sprintf("%s passed in a workspace that was not commit %.7s", run.Step, run.SHA)
	}
	return ""
}

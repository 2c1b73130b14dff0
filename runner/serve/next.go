package serve

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/overview"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/runs"
)

// A report is written when its run ends, and cannot know the run after it. Behind the server it asks for nextRun.

// nextRun is what the address of a run's folder ends with.
const nextRun = "next"

// next leads from a run, by the key of its records, to the next one of the same step: to its report, or as long as it
// has none to the page of the branch.
func (s *Server) next(w http.ResponseWriter, r *http.Request, run string) {
	branch := branchOf(run)
	if branch == "" {
		s.refuse(w, http.StatusNotFound, "that is not the folder of a run")
		return
	}
	list, err := runs.Newest(r.Context(), s.store, runs.Folders(branch), shownRuns, nil)
	if err != nil {
		s.fail(w, err)
		return
	}
	at := slices.IndexFunc(list.Runs, func(e record.Entry) bool { return runs.Key(e) == run })
	if at < 0 {
		s.refuse(w, http.StatusNotFound, "the run is not among the newest of its branch")
		return
	}
	to := url.URL{Path: "/" + overview.Key(branch), Fragment: "r-" + list.Runs[at].RunID} // the newest one
	for i := at - 1; i >= 0; i-- {
		e := list.Runs[i]
		if e.Step != list.Runs[at].Step || e.Environment != list.Runs[at].Environment {
			continue
		}
		to = url.URL{Path: "/" + runs.Key(e) + "/report.html"}
		if e.State == record.Running {
			to = url.URL{Path: "/" + overview.Key(branch), Fragment: "r-" + e.RunID}
		}
		break
	}
	http.Redirect(w, r, to.String(), http.StatusFound)
}

// branchOf returns the branch of the key of a run's records: runs/<branch>/<sha>/<step>/<run>. It is "" if it is none.
func branchOf(run string) string {
	parts := strings.Split(run, "/")
	const after = 3 // the parts behind the branch
	if len(parts) < 2+after {
		return ""
	}
	for i := range parts {
		parts[i] = strings.TrimSuffix(parts[i], keys.Mark)
	}
	branch := strings.Join(parts[1:len(parts)-after], "/")
	if keys.CheckBranch(branch) != nil {
		return ""
	}
	return branch
}

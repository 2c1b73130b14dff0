package page

import (
	"slices"
	"time"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/steps"
)

// What waits for an approval is known by the runs before it: all of them have passed, and none of its environment has
// started since. The approval itself leaves no run, nor does a rejection: a newer commit, or time, ends the wait.

// maxWait is the longest that the cluster waits for an approval.
const maxWait = 7 * 24 * time.Hour

// waiting is a commit that waits for the approval of an environment.
type waiting struct {
	environment string
	last        record.Entry // the run that the approval comes after
}

// reach is an environment as runs of a branch reach it.
type reach struct{ branch, environment string }

// waitingOf returns what waits, the newest first: of each branch and environment the newest commit.
func waitingOf(x Index) []waiting {
	commits, order := byCommit(x)
	var all []waiting
	settled := map[reach]bool{} // by a newer commit
	for _, c := range order {
		runs := commits[c]
		var reached []reach
		for _, e := range runs {
			if e.Environment != "" {
				reached = append(reached, reach{e.Branch, e.Environment})
			}
			if e.Awaits == nil {
				continue
			}
			to := reach{e.Branch, e.Awaits.Environment}
			last, passed := lastOf(runs, e.Awaits.Steps)
			if !passed || settled[to] {
				continue
			}
			settled[to] = true
			if x.At.Sub(last.Ended) < maxWait && !startedSince(runs, to.environment, last.Ended) {
				all = append(all, waiting{to.environment, last})
			}
		}
		for _, to := range reached {
			settled[to] = true
		}
	}
	return all
}

// byCommit returns the newest run of each step of each commit of a branch, and the commits, the newest first.
func byCommit(x Index) (commits map[[2]string][]record.Entry, order [][2]string) {
	commits = map[[2]string][]record.Entry{}
	seen := map[[3]string]bool{}
	for _, e := range x.Runs {
		c, step := [2]string{e.Branch, e.SHA}, [3]string{e.Branch, e.SHA, columnName(e)}
		if seen[step] {
			continue
		}
		seen[step] = true
		if commits[c] == nil {
			order = append(order, c)
		}
		commits[c] = append(commits[c], e)
	}
	return commits, order
}

// lastOf returns the run that ended last of some steps, and whether all of them have passed.
func lastOf(runs []record.Entry, steps []string) (last record.Entry, passed bool) {
	for _, step := range steps {
		i := slices.IndexFunc(runs, func(e record.Entry) bool { return columnName(e) == step })
		if i < 0 || runs[i].State != record.Passed {
			return last, false
		}
		if runs[i].Ended.After(last.Ended) {
			last = runs[i]
		}
	}
	return last, len(steps) > 0
}

func startedSince(runs []record.Entry, environment string, at time.Time) bool {
	return slices.ContainsFunc(runs, func(e record.Entry) bool { return e.Environment == environment && !e.Started.Before(at) })
}

// waiting lists what waits for an approval.
func (w *writer) waiting(x Index) {
	all := waitingOf(x)
	if len(all) == 0 {
		return
	}
	w.section("waiting", "Waits for approval")
	w.startTable("what waits for approval", "waiting", column{title: "environment"}, column{title: "commit"}, column{title: "branch"},
		column{title: "who"}, column{title: "since"}, column{title: "to decide"})
	for _, a := range all[:min(len(all), shownLive)] {
		command := steps.Command{Args: []string{"runner", "pipeline", "approve", "--branch", a.last.Branch}}
		w.put("<tr><th scope=\"row\"><span class=\"chip on\">%s</span></th><td>%s</td><td>%s</td><td>%s</td><td>%s</td><td><code>%s</code></td></tr>\n",
			clip(a.environment, maxName), entryCommit(x, a.last), clip(a.last.Branch, maxName), clip(a.last.Actor, maxName), moment(a.last.Ended, x.At),
			clip(command.String(), maxName))
	}
	w.endTable()
	w.raw("<p class=\"note\">By the pipeline in runner.yaml, or else that of the cluster: what comes before the approval has passed, and nothing of the environment has run since. " +
		"A rejection is known to the cluster alone: <code>runner pipeline status</code>.</p>\n</section>\n")
}

package page

import (
	"net/url"
	"path"
	"strings"

	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/present"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/steps"
)

// Objects of the store are reached by links relative to the page, in a folder and in a bucket alike. A bucket has no
// folders to open: of a set it has the page that the set begins with, the console for those with an account, and the
// command that fetches the set.

// artifacts shows what was published, and the files of the run itself.
func (w *writer) artifacts(run record.Run) {
	w.section("artifacts", "Artifacts")
	if len(run.Artifacts) > 0 {
		w.raw("<ul class=\"sets\">\n")
		for _, a := range run.Artifacts[:min(len(run.Artifacts), shownRows)] {
			w.artifact(run, a)
		}
		w.raw("</ul>\n")
	}
	w.looseAttachments(run)
	w.raw("<p>Files of the run: ")
	for i, name := range runFiles(run) {
		if i > 0 {
			w.raw(", ")
		}
		w.put("%s", link((&url.URL{Path: name}).EscapedPath(), clip(name, maxName)))
	}
	w.raw("</p>\n")
	if inBucket(run) {
		w.raw(
			"<p class=\"note\">Links into the bucket need the permission to read it, and lead nowhere from behind a presigned link.</p>\n",
		)
	}
	w.raw("</section>\n")
}

func (w *writer) artifact(run record.Run, a record.Artifact) {
	w.put("<li><b>%s</b>", clip(a.Name, maxName))
	if a.Error != "" {
		w.put("<p class=\"warning\">not published: %s</p></li>\n", clip(a.Error, maxMessage))
		return
	}
	w.put(" <span class=\"note\">%s</span>", present.ArtifactLine(a))
	key := keys.Set(a.Name, keys.Ref{Branch: run.Branch, SHA: run.SHA})
	if a.Entry != "" {
		w.put(" %s", link(storeLink(run, key+"/"+a.Entry), "open "+entryName(a)))
	}
	to := a.Console
	if !inBucket(run) {
		to = storeLink(run, key) + "/"
	}
	w.put("<p>%s</p>", link(to, clip(a.Location, maxName)))
	if inBucket(run) {
		get := steps.Command{Args: []string{
			"runner", "artifacts", "get", a.Name, "--artifact-bucket", run.Place, "--branch", run.Branch, "--sha", run.SHA,
		}}
		w.put("<p class=\"command\"><code>%s</code></p>", clip(get.String(), maxName))
	}
	w.raw("</li>\n")
}

// entryName names the page that a set begins with.
func entryName(a record.Artifact) string {
	if a.Name == "coverage" || strings.HasSuffix(a.Entry, "lcov-report/index.html") {
		return "the report"
	}
	return path.Base(a.Entry)
}

// runFiles returns the names of the run's own files, as far as they are stored.
func runFiles(run record.Run) []string {
	all := []string{"finished.json"}
	if run.Published["log.jsonl.gz"] {
		all = append(all, "log.jsonl.gz")
	}
	if run.Tests != nil && run.Published["junit"] {
		for _, name := range run.Tests.Stored[:min(len(run.Tests.Stored), shownRows)] {
			all = append(all, "junit/"+name)
		}
	}
	return all
}

func inBucket(run record.Run) bool { return strings.HasPrefix(run.Place, "s3://") }

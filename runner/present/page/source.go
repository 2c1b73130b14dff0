package page

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/record"
)

// branchLink leads to the page of all runs of the branch.
func branchLink(run record.Run) markup {
	to := branchPage(run)
	if to == "" {
		return markup(escape(clip(run.Branch, maxName)))
	}
	return link(to, clip(run.Branch, maxName))
}

// branchPage is where the page of all runs of the branch is, "" if the run has no place in a store.
func branchPage(run record.Run) string {
	if run.Root == "" || keys.CheckBranch(run.Branch) != nil {
		return ""
	}
	return storeLink(run, keys.RunIndexHTML(keys.RunIndex(run.Branch)))
}

// reportOf is where the report of another run of the step is, "" if its record cannot have one.
func reportOf(run record.Run, branch, sha, id string) string {
	if run.Root == "" || id == "" || keys.CheckBranch(branch) != nil || !keys.IsSHA(sha) {
		return ""
	}
	return storeLink(run, keys.Run(keys.Ref{Branch: branch, SHA: sha}, run.Step, run.Environment, id)+"/report.html")
}

// commit links the commit to its repository, if that is known.
func commit(run record.Run) markup {
	switch {
	case run.SHA == "":
		return ""
	case run.RepositoryURL == "" || run.SHA == record.NoCommit:
		return markup("<code>" + escape(short(run.SHA)) + "</code>")
	}
	return link(run.RepositoryURL+"/commit/"+run.SHA, short(run.SHA))
}

// sourceForms are how hosts name a file at a commit, and a line of it.
var sourceForms = map[string]struct{ file, line string }{
	"github.com":    {"/blob/", "#L%d"},
	"gitlab.com":    {"/-/blob/", "#L%d"},
	"bitbucket.org": {"/src/", "#lines-%d"},
	"codeberg.org":  {"/src/commit/", "#L%d"},
}

// sourceURL returns the URL of a line of the code at the run's commit. It is "" where the form of such a URL is not
// known: a link that leads nowhere is worse than none.
func sourceURL(run record.Run, path string, line int) string {
	at, err := url.Parse(run.RepositoryURL)
	if err != nil || at.Scheme != "https" || path == "" || !keys.IsSHA(run.SHA) || run.SHA == record.NoCommit {
		return ""
	}
	form, known := sourceForms[at.Host]
	if !known && run.Repository != "" && at.Path == "/"+run.Repository { // GITHUB_REPOSITORY: a GitHub Enterprise
		form, known = sourceForms["github.com"], true
	}
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if part == "" || part == "." || part == ".." {
			return ""
		}
		parts[i] = url.PathEscape(part)
	}
	if !known {
		return ""
	}
	to := run.RepositoryURL + form.file + run.SHA + "/" + strings.Join(parts, "/")
	if line > 0 {
		to += fmt.Sprintf(form.line, line)
	}
	return to
}

// sourceLink is a place in the code, with a link to it if there can be one.
func sourceLink(run record.Run, path string, line int) markup {
	text := clip(path, maxName)
	if line > 0 {
		text += fmt.Sprintf(":%d", line)
	}
	return link(sourceURL(run, path, line), text)
}

// storeLink leads from the page to a key of the store.
func storeLink(run record.Run, key string) string {
	parts := strings.Split(key, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return run.Root + strings.Join(parts, "/")
}

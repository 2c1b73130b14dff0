package runner

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// withinRepository returns the step's folder relative to the root of the repository, which may be above the workspace.
func (r *run) withinRepository() string {
	for root := r.Config.Workspace; ; root = filepath.Dir(root) {
		if _, err := os.Lstat(filepath.Join(root, ".git")); err == nil {
			if within, err := filepath.Rel(root, r.directory()); err == nil {
				return filepath.ToSlash(within)
			}
		}
		if root == filepath.Dir(root) {
			return filepath.ToSlash(filepath.Clean(r.step.Directory))
		}
	}
}

// repositoryURL returns the repository's URL for a browser, "" if it is not known.
func (r *run) repositoryURL() string {
	c := r.Config
	if c.Repository == "" && c.GitHubName != "" && strings.HasPrefix(c.GitHubServer, "https://") {
		return strings.TrimSuffix(c.GitHubServer, "/") + "/" + c.GitHubName
	}
	return webURL(c.Repository, c.GitHubName)
}

// actor returns who caused the run: the one who pushed, or outside of a task the local user.
func (r *run) actor() string {
	if r.Config.Actor == "" && r.task.ARN == "" {
		return r.Variables["USER"]
	}
	return r.Config.Actor
}

// webURL returns the URL of a repository for a browser, without credentials.
func webURL(clone, github string) string {
	if host, name, ok := strings.Cut(clone, ":"); ok && !strings.Contains(clone, "://") { // git@host:owner/name.git
		clone = "ssh://" + host + "/" + name
	}
	at, err := url.Parse(clone)
	switch {
	case err == nil && at.Host != "" && at.Scheme != "file":
		return "https://" + at.Hostname() + strings.TrimSuffix(strings.TrimSuffix(at.Path, "/"), ".git")
	case github != "":
		return "https://github.com/" + github
	}
	return ""
}

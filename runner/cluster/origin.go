package cluster

import (
	"context"
	"net/url"
	"os/exec"
	"strings"
)

// Origin returns the name of the repository at GitHub that a workspace was cloned from; "" if that is not known.
func Origin(ctx context.Context, workspace string) string {
	out, err := exec.CommandContext(ctx, "git", "-C", workspace, "remote", "get-url", "origin").Output()
	if err != nil {
		return ""
	}
	return repositoryOf(strings.TrimSpace(string(out)))
}

// repositoryOf returns owner/name of a remote, which is a URL or, as in git@github.com:owner/name.git, a place of ssh.
func repositoryOf(remote string) string {
	path := ""
	if u, err := url.Parse(remote); err == nil && u.Host != "" {
		path = u.Path
	} else if _, after, ok := strings.Cut(remote, ":"); ok {
		path = after
	}
	path = strings.TrimSuffix(strings.Trim(path, "/"), ".git")
	if strings.Count(path, "/") != 1 {
		return ""
	}
	return path
}

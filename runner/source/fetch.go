package source

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/artifacts/retry"
)

// branchDepth is how many commits of a branch are fetched at first when a commit is looked for there.
const branchDepth = 50

// fetchCommit gets the commit, if it is not there, and returns its id: that of the commit that a tag object points to.
func (c *client) fetchCommit(here Commit) (sha string, err error) {
	if sha, ok := c.resolveCommit(); ok {
		return sha, nil
	}
	shallow := true
	if here.SHA != "" {
		shallow = c.isShallow()
	}
	err = c.fetch(c.origin.url, depthOption(shallow, 1), "--no-tags", c.SHA)
	var missing *NotFoundError
	if errors.As(err, &missing) {
		return c.searchBranches(shallow, missing)
	}
	if err != nil {
		return "", err
	}
	if sha, ok := c.resolveCommit(); ok {
		return sha, nil
	}
	return "", &NotFoundError{SHA: c.SHA, URL: c.origin.url, Message: "the object is not a commit"}
}

// allBranches are the branches of the repository.
const allBranches = "+refs/heads/*:refs/remotes/origin/*"

// unadvertised is what git prints of a server that serves tips only.
const unadvertised = "unadvertised object"

// searchBranches looks for the commit in the history of the branch: a server of protocol version 0, or one without
// uploadpack.allowReachableSHA1InWant, serves tips only. The branch may be gone, as after a merge: then in all branches.
func (c *client) searchBranches(shallow bool, missing *NotFoundError) (sha string, err error) {
	refs, exists := refsOf(c.Branch), false
	if len(refs) == 0 && c.Branch != "" {
		return "", missing
	}
	for _, ref := range refs {
		sha, found, err := c.searchHistory(shallow, ref)
		if err != nil || sha != "" {
			return sha, err
		}
		exists = exists || found
	}
	missing.Branch, missing.NoBranch = c.Branch, !exists
	if !exists && strings.Contains(missing.Message, unadvertised) { // else the server looked at all of them itself
		c.Log.Warn("the repository has no such branch, so the commit is looked for in all branches", "branch", c.Branch)
		if sha, _, err = c.searchHistory(shallow, allBranches); err != nil || sha != "" {
			return sha, err
		}
	}
	return "", missing
}

// searchHistory fetches the history of refs until the commit is there. found reports whether the server has the refs.
func (c *client) searchHistory(shallow bool, refs string) (sha string, found bool, err error) {
	depths := []int{branchDepth, 0}
	if !shallow {
		depths = []int{0}
	}
	for _, depth := range depths {
		option := depthOption(shallow, depth)
		if depth == 0 && shallow && c.isShallow() {
			option = "--unshallow"
		}
		err := c.fetch(c.origin.url, option, "--no-tags", refs)
		var missing *NotFoundError
		if errors.As(err, &missing) {
			return "", false, nil
		}
		if err != nil {
			return "", false, err
		}
		if sha, ok := c.resolveCommit(); ok {
			return sha, true, nil
		}
	}
	return "", true, nil
}

// refsOf returns the refs that a branch's name may stand for. A name that git would read as more than a ref has none.
// The pipeline calls the branch of a pull request from a fork pr/<number>; GitHub serves it from the base repository
// as well, so that no access to the fork is needed.
func refsOf(branch string) []string {
	switch {
	case branch == "", strings.ContainsAny(branch, ":+^*?[ ~\\"), strings.HasPrefix(branch, "-"):
		return nil
	case strings.HasPrefix(branch, "refs/"):
		return []string{branch}
	}
	refs := []string{"refs/heads/" + branch, "refs/tags/" + branch}
	if number, ok := strings.CutPrefix(branch, "pr/"); ok && number != "" && strings.Trim(number, "0123456789") == "" {
		refs = append(refs, "refs/pull/"+number+"/head")
	}
	return refs
}

// resolveCommit returns the id of the commit, if the object is there.
func (c *client) resolveCommit() (string, bool) {
	return c.ask("rev-parse", "--quiet", "--verify", "--end-of-options", c.SHA+"^{commit}")
}

// isShallow reports whether the history ends early. A depth would cut off the history of a complete clone for good.
func (c *client) isShallow() bool {
	out, ok := c.ask("rev-parse", "--is-shallow-repository")
	return !ok || out != "false"
}

// depthOption returns the option for a depth; "" for all of the history.
func depthOption(shallow bool, depth int) string {
	if !shallow || depth == 0 {
		return ""
	}
	return "--depth=" + strconv.Itoa(depth)
}

// fetch fetches refs or commits from a remote, with retries. Empty arguments are left out; those that begin with a dash
// are options.
func (c *client) fetch(remote string, args ...string) error {
	options, refs := []string{"fetch", "--quiet", "--no-recurse-submodules"}, []string{"--", remote}
	for _, argument := range args {
		switch {
		case argument == "":
		case strings.HasPrefix(argument, "-"):
			options = append(options, argument)
		default:
			refs = append(refs, argument)
		}
	}
	return c.withRetries(func() error {
		_, err := c.git(append(options, refs...)...)
		return err
	})
}

// withRetries repeats an operation that the network made fail, up to c.Retries times.
func (c *client) withRetries(operation func() error) error {
	policy := retry.Policy{
		Attempts: c.Retries + 1, First: time.Second, Longest: 15 * time.Second,
		Retryable: func(err error) bool {
			var network *NetworkError
			return errors.As(err, &network)
		},
		Notify: func(err error, pause time.Duration) {
			c.Log.Info("retrying the fetch", "error", err.Error(), "after", pause.Round(time.Millisecond).String())
		},
	}
	err := retry.Do(c.ctx, policy, operation)
	if err != nil && c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	return err
}

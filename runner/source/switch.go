package source

import (
	"context"
	"fmt"
	"strings"
)

// Switch brings a clone of one's own to a commit that it has, or that its origin has. Unlike Checkout it changes nothing
// in a workspace with changes; untracked files that match one of the patterns are none. It returns the full id of the
// commit, and whether it is another than before.
//
// The error is a *NotFoundError, an *Error, or the cause of the context's end.
func Switch(ctx context.Context, run Runner, dir, sha string, generated ...string) (commit string, changed bool, err error) {
	here, err := Describe(ctx, run, dir, generated...)
	if err != nil {
		return "", false, err
	}
	git := func(args ...string) (string, error) {
		out, err := run(ctx, dir, gitEnvironment(), append(settings(dir), args...)...)
		if err != nil && ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		return strings.TrimSpace(out), err
	}
	resolve := func() (string, bool) {
		out, err := git("rev-parse", "--quiet", "--verify", "--end-of-options", strings.ToLower(sha)+"^{commit}")
		return out, err == nil && isFullSHA(out)
	}
	commit, ok := resolve()
	said := "it is abbreviated, and none of the commits there begins with it"
	if !ok && isFullSHA(strings.ToLower(sha)) {
		out, _ := git("fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "origin", strings.ToLower(sha))
		said = lastLines(out)
		commit, ok = resolve()
	}
	switch {
	case ctx.Err() != nil:
		return "", false, context.Cause(ctx)
	case !ok:
		return "", false, &NotFoundError{SHA: sha, URL: dir, Message: said}
	case commit == here.SHA:
		return commit, false, nil
	case here.Dirty:
		return "", false, &Error{
			Message: fmt.Sprintf("the workspace has changes that are not committed, so %s is not checked out", short(commit)),
			Advice:  "commit them, or put them aside: git stash --include-untracked",
		}
	}
	if out, err := git("checkout", "--quiet", "--detach", commit, "--"); err != nil {
		if ctx.Err() != nil {
			return "", false, context.Cause(ctx)
		}
		return "", false, &Error{Message: fmt.Sprintf("%s cannot be checked out: %s", short(commit), lastLines(out))}
	}
	return commit, true, nil
}

func short(sha string) string { return sha[:min(len(sha), 7)] }

package cluster

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
)

// findHook adds GitHub's side of the webhook to what is removed, or to what is kept.
func (d *Deployment) findHook(ctx context.Context, r *Removal, address string) {
	if address == "" {
		return
	}
	repository := d.Settings.repositoryName()
	kept := "the webhook of " + repository + " at GitHub, if it has one: remove it in the settings of the repository, or set GITHUB_TOKEN"
	if d.GitHub != nil && d.GitHub.Token != "" {
		status, hooks, err := d.GitHub.hooks(ctx, repository)
		at := slices.IndexFunc(hooks, func(h gitHubHook) bool { return h.isFor(address) })
		switch {
		case err != nil || status != http.StatusOK:
			kept = "the webhook of " + repository + ", which GITHUB_TOKEN does not show: remove it in the settings of the repository"
		case at < 0:
			return
		default:
			r.hook = strconv.FormatInt(hooks[at].ID, 10)
			r.Removed = append(r.Removed, "the webhook of "+repository+" at GitHub")
			return
		}
	}
	r.Kept = append(r.Kept, kept)
}

// removeHook removes the webhook at GitHub.
func (d *Deployment) removeHook(ctx context.Context, id string) error {
	if id == "" {
		return nil
	}
	repository := d.Settings.repositoryName()
	status, _, err := d.GitHub.request(ctx, http.MethodDelete, "/repos/"+repository+"/hooks/"+id, nil)
	switch {
	case err == nil && (status == http.StatusNoContent || status == http.StatusNotFound):
		d.note("removed the webhook of " + repository + " at GitHub")
		return nil
	case err == nil:
		err = fmt.Errorf("GitHub answers %d", status)
	}
	return &Error{
		Message: "the webhook of " + repository + " was not removed", Err: err,
		Advice: "remove it in the settings of the repository; all else is deleted",
	}
}

package source

import (
	"context"
	"slices"
	"strings"
)

// maxChanged is how many bytes of names are read.
const maxChanged = 1 << 20

// Changed returns the files of a workspace that differ between an earlier commit and its own, sorted, slash-separated
// and relative to o.Dir. With a URL an earlier commit that is not there is fetched, without its history. A renamed file
// is there under both names. The errors are those of Checkout.
func Changed(ctx context.Context, run Runner, o Options, earlier string) ([]string, error) {
	c := &client{Options: o, ctx: ctx, run: run}
	if o.URL != "" {
		var err error
		if c, err = newClient(ctx, run, o); err != nil {
			return nil, err
		}
		defer c.close()
	}
	if !isFullSHA(earlier) {
		return nil, &Error{Message: "the commit " + earlier + " cannot be compared with"}
	}
	if _, there := c.ask("cat-file", "-e", earlier+"^{commit}"); !there {
		if o.URL == "" {
			return nil, &NotFoundError{SHA: earlier, URL: o.Dir}
		}
		if err := c.fetch(c.origin.url, depthOption(c.isShallow(), 1), "--no-tags", earlier); err != nil {
			return nil, err
		}
	}
	// By trees alone: no content is read, so that no filter and no driver of the repository is started.
	out, err := c.git("diff-tree", "-r", "-z", "--name-only", "--no-renames", "--relative", earlier, o.SHA, "--")
	if err != nil {
		return nil, err
	}
	if len(out) >= maxChanged || out != "" && !strings.HasSuffix(out, "\x00") {
		return nil, &Error{Message: "too many files have changed since commit " + earlier}
	}
	files := slices.DeleteFunc(strings.Split(out, "\x00"), func(name string) bool { return name == "" })
	slices.Sort(files)
	return files, nil
}

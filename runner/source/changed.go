package source

import (
	"cmp"
	"context"
	"path"
	"regexp"
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

// Uncommitted returns the files of a workspace that differ from its commit or are not in it, relative to dir. Those that
// git ignores and untracked ones that match a pattern, as for Describe, are left out.
func Uncommitted(ctx context.Context, run Runner, dir string, generated ...string) (files []string, err error) {
	git := func(args ...string) (string, error) {
		out, err := run(ctx, dir, gitEnvironment(), slices.Concat(settings(dir), args)...)
		if err != nil {
			err = &Error{Message: "the changes of the workspace are not known: " + cmp.Or(lastLines(out), err.Error())}
		}
		return out, err
	}
	prefix, err := git("rev-parse", "--show-prefix")
	if err != nil {
		return nil, err
	}
	out, err := git(
		"status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--", ".", ":(exclude).runner",
	)
	if err != nil {
		return nil, err
	}
	for entry := range strings.SplitSeq(strings.TrimSuffix(out, "\x00"), "\x00") {
		if entry == "" {
			continue
		}
		if len(out) >= maxChanged || !entryForm.MatchString(entry) { // a warning may be among them
			return nil, &Error{Message: "the changes of the workspace are not known"}
		}
		name, within := strings.CutPrefix(entry[3:], strings.TrimSuffix(prefix, "\n")) // from the root of the repository
		if within && (entry[:2] != "??" || !isGenerated(path.Clean(name), generated)) {
			files = append(files, name)
		}
	}
	return files, nil
}

// entryForm is what status prints for a file: two letters, a blank and its name.
var entryForm = regexp.MustCompile(`(?s)^[ MTADRCU?]{2} .`)

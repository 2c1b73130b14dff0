package runner

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/scrub"
	"github.com/carlin-cicd/runner/steps"
)

// scrub looks for secrets in the files of a set before it is published. Files of reports are rewritten without them, or
// withheld where that would damage them. A build that other runs execute is left as it is, since what is found may be
// meant to be there, and the log says so.
func (r *run) scrub(ctx context.Context, set artifacts.Set, a steps.Artifact) (withheld []string, err error) {
	folder := scrub.Folder{
		Dir:      set.Dir,
		Within:   cmp.Or(set.Within, r.Config.Workspace),
		Exclude:  set.Exclude,
		Redactor: r.Redactor,
		Temp:     r.ID,
	}
	if !a.Redacts() {
		findings, err := folder.Report(ctx)
		for _, f := range findings {
			r.Log.Warn(
				"a file that is published holds a secret",
				"artifact",
				a.Name,
				"path",
				f.Path,
				"in",
				f.Where,
				"hint",
				"if it is not meant to be there, change the secret; redact: true in runner.yaml has such files rewritten",
			)
		}
		return nil, err
	}
	if r.Redactor.MasksExceeded() {
		return nil, errors.New("it may hold values that are not masked, since the command masked too many")
	}
	findings, err := folder.Scrub(ctx)
	for _, f := range findings {
		if f.Withheld {
			withheld = append(withheld, f.Path)
			r.Log.Warn(
				"a file holds a secret and is not published",
				"artifact",
				a.Name,
				"path",
				f.Path,
				"in",
				f.Where,
				"hint",
				"change the secret if the file has been seen; keep it out of the file, or publish with redact: false what is meant to have it",
			)
			continue
		}
		r.Log.Warn("a file held a secret, and is published without it", "artifact", a.Name, "path", f.Path)
	}
	return withheld, err
}

// without excludes some files more.
func without(exclude func(path string) bool, names []string) func(path string) bool {
	if len(names) == 0 {
		return exclude
	}
	return func(path string) bool { return exclude != nil && exclude(path) || slices.Contains(names, path) }
}

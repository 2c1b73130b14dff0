package artifacts

import (
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// local is where artifacts go unless told otherwise, in the workspace.
const local = ".runner/artifacts"

var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// Open returns the store at a location, and its name for people: file:///dir, or "" for .runner/artifacts in the
// workspace. The error is a *LocationError when the location names no store; for a bucket, "s3://bucket/prefix" or
// "bucket", it is errors.ErrUnsupported.
func Open(location, workspace string) (Store, string, error) {
	scheme, rest, ok := strings.Cut(location, "://")
	switch {
	case location == "":
		return openLocal(workspace)
	case ok && scheme == "file":
		return openURL(location)
	case ok && scheme == "s3" && bucketName.MatchString(strings.SplitN(rest, "/", 2)[0]), bucketName.MatchString(location):
		return nil, "", &LocationError{
			location,
			"S3 is not supported by this version",
			errors.ErrUnsupported,
		}
	}
	return nil, "", &LocationError{location, "it is no file:///dir", nil}
}

func openURL(location string) (Store, string, error) {
	u, err := url.Parse(location)
	if err != nil || u.Host != "" || !path.IsAbs(u.Path) || path.Clean(u.Path) == "/" || u.RawQuery != "" || u.Fragment != "" {
		return nil, "", &LocationError{location, "it is no absolute path, with %23 for # and %3F for ?", err}
	}
	f, err := NewFolder(filepath.FromSlash(path.Clean(u.Path)))
	if err != nil {
		return nil, "", &LocationError{location, err.Error(), err}
	}
	return f, f.place, nil
}

// openLocal goes through os.Root since the workspace is somebody's checkout: a link there must not decide where the
// runner writes.
func openLocal(workspace string) (Store, string, error) {
	fail := func(err error) (Store, string, error) {
		return nil, "", &LocationError{filepath.Join(workspace, local), err.Error(), err}
	}
	w, err := os.OpenRoot(workspace)
	if err != nil {
		return fail(err)
	}
	defer w.Close()
	if err := w.MkdirAll(local, 0o755); err != nil {
		return fail(err)
	}
	ignore, err := w.OpenFile(path.Join(path.Dir(local), ".gitignore"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = ignore.WriteString("*\n")
		err = errors.Join(err, ignore.Close())
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fail(err)
	}
	root, err := w.OpenRoot(local)
	if err != nil {
		return fail(err)
	}
	f := newFolder(root)
	return f, f.place, nil
}

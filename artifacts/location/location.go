package location

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/folder"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/artifacts/s3"
)

// local is where artifacts go unless told otherwise, in the workspace.
const local = ".runner/artifacts"

var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// Options is what opening a store may need.
type Options struct {
	Workspace string                                    // for the local store
	AWS       func(context.Context) (aws.Config, error) // for a bucket; asked for nothing else
	S3        s3.Options
}

// Open returns the store at a location, and its name for people: file:///dir, s3://bucket/prefix, a bucket's name, or ""
// for .runner/artifacts in the workspace. Of a bucket nothing is asked yet. The error is a *LocationError when the
// location names no store.
func Open(ctx context.Context, location string, o Options) (artifacts.Store, string, error) {
	scheme, rest, ok := strings.Cut(location, "://")
	switch {
	case location == "":
		return openLocal(o.Workspace)
	case ok && scheme == "file":
		return openURL(location)
	case !ok:
		rest = location
	case scheme != "s3":
		return nil, "", &artifacts.LocationError{Location: location, Reason: "it is no bucket's name, s3://bucket/prefix or file:///dir", Err: nil}
	}
	return openBucket(ctx, location, rest, o)
}

func openBucket(ctx context.Context, location, rest string, o Options) (artifacts.Store, string, error) {
	bucket, prefix, _ := strings.Cut(rest, "/")
	prefix = strings.TrimSuffix(prefix, "/")
	switch {
	case !bucketName.MatchString(bucket):
		return nil, "", &artifacts.LocationError{Location: location, Reason: fmt.Sprintf("%q is no bucket's name", bucket), Err: nil}
	case prefix != "" && keys.Check(prefix) != nil:
		return nil, "", &artifacts.LocationError{Location: location, Reason: fmt.Sprintf("the prefix %q is no path", prefix), Err: keys.Check(prefix)}
	}
	config, err := o.AWS(ctx)
	if err != nil {
		return nil, "", &artifacts.LocationError{Location: location, Reason: err.Error(), Err: err}
	}
	s, err := s3.New(ctx, config, bucket, prefix, o.S3)
	if err != nil {
		return nil, "", err
	}
	return s, s.Locate(""), nil
}

func openURL(location string) (artifacts.Store, string, error) {
	u, err := url.Parse(location)
	if err != nil || u.Host != "" || !path.IsAbs(u.Path) || path.Clean(u.Path) == "/" || u.RawQuery != "" || u.Fragment != "" {
		return nil, "", &artifacts.LocationError{Location: location, Reason: "it is no absolute path, with %23 for # and %3F for ?", Err: err}
	}
	f, err := folder.New(filepath.FromSlash(path.Clean(u.Path)))
	if err != nil {
		return nil, "", &artifacts.LocationError{Location: location, Reason: err.Error(), Err: err}
	}
	return f, f.Locate(""), nil
}

// openLocal goes through os.Root since the workspace is somebody's checkout: a link there must not decide where the
// runner writes.
func openLocal(workspace string) (artifacts.Store, string, error) {
	fail := func(err error) (artifacts.Store, string, error) {
		return nil, "", &artifacts.LocationError{Location: filepath.Join(workspace, local), Reason: err.Error(), Err: err}
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
	f := folder.FromRoot(root)
	return f, f.Locate(""), nil
}

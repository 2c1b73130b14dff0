// Package location opens the store that a location names: file:///dir, s3://bucket/prefix, a bucket's name, or the
// default folder of a workspace.
package location

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/credentials"
	"github.com/carlin-cicd/runner/artifacts/folder"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/artifacts/s3"
)

var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// Options are for opening a store.
type Options struct {
	Workspace string                                       // for the default location: see LocalStore
	Getenv    func(string) string                          // for the default location; nil: os.Getenv
	OnMove    func(from, to string)                        // called if the store of an earlier version was moved
	AWS       func(context.Context) (aws.Config, error)    // called only if the location is a bucket
	Scope     func(c aws.Config, prefix string) aws.Config // changes AWS for a bucket and a prefix in it; may be nil
	S3        s3.Options
}

// Open returns the store at a location, and its name for people. It sends no request. The error is a
// *artifacts.LocationError if the location does not name a store.
func Open(ctx context.Context, location string, o Options) (artifacts.Store, string, error) {
	scheme, rest, ok := strings.Cut(location, "://")
	switch {
	case strings.Contains(location, "arn:"):
		return nil, "", &artifacts.LocationError{
			Location: location, Reason: "it is an ARN, not a bucket's name", Advice: arnAdvice(location),
		}
	case location == "":
		return openLocal(o)
	case ok && scheme == "file":
		return openURL(location)
	case !ok:
		rest = location
	case scheme != "s3":
		return nil, "", invalid(location, "it is not a bucket's name, s3://bucket/prefix or file:///dir", nil)
	}
	return openBucket(ctx, location, rest, o)
}

func invalid(location, reason string, err error) error {
	return &artifacts.LocationError{Location: location, Reason: reason, Err: err}
}

// arnAdvice names what can be written instead of an ARN.
func arnAdvice(location string) string {
	parts := strings.SplitN(location[strings.Index(location, "arn:"):], ":", 6)
	switch {
	case len(parts) == 6 && strings.HasPrefix(parts[5], "accesspoint"):
		return "write the access point's alias, NAME-…-s3alias, in its place: aws s3control list-access-points shows it"
	case len(parts) == 6 && parts[2] == "s3" && parts[3] == "" && parts[4] == "":
		return "write s3://" + parts[5]
	}
	return "write a bucket's name or s3://bucket/prefix"
}

func openBucket(ctx context.Context, location, rest string, o Options) (artifacts.Store, string, error) {
	bucket, prefix, _ := strings.Cut(rest, "/")
	prefix = strings.TrimSuffix(prefix, "/")
	switch {
	case !bucketName.MatchString(bucket):
		return nil, "", invalid(location, fmt.Sprintf("%q is not a bucket's name", bucket), nil)
	case prefix != "" && keys.Check(prefix) != nil:
		reason := fmt.Sprintf("the prefix %q is not a path", prefix)
		return nil, "", invalid(location, reason, keys.Check(prefix))
	}
	config, err := o.AWS(ctx)
	if err != nil {
		advice := cmp.Or(credentials.Hint(err), "check AWS_PROFILE and the files in ~/.aws")
		return nil, "", &artifacts.LocationError{Location: location, Reason: credentials.Message(err), Err: err, Advice: advice}
	}
	if o.Scope != nil {
		config = o.Scope(config, prefix)
	}
	s, err := s3.New(ctx, config, bucket, prefix, o.S3)
	if err != nil {
		return nil, "", err
	}
	return s, s.Locate(""), nil
}

func openURL(location string) (artifacts.Store, string, error) {
	u, err := url.Parse(location)
	isPath := err == nil && u.Host == "" && u.RawQuery == "" && u.Fragment == ""
	if !isPath || !path.IsAbs(u.Path) || path.Clean(u.Path) == "/" {
		return nil, "", invalid(location, "it is not an absolute path, with %23 for # and %3F for ?", err)
	}
	f, err := folder.New(filepath.FromSlash(path.Clean(u.Path)))
	if err != nil {
		return nil, "", invalid(location, err.Error(), err)
	}
	return f, f.Locate(""), nil
}

// openLocal uses os.Root since the workspace may contain code of others: a link there must not decide where the runner
// writes.

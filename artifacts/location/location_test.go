package location

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/artifactstest"
	"github.com/carlin-cicd/runner/artifacts/folder"
)

func options(workspace string) Options {
	return Options{
		Workspace: workspace,
		AWS:       func(context.Context) (aws.Config, error) { return aws.Config{Region: "eu-central-1"}, nil },
	}
}

func TestOpen(t *testing.T) {
	abs := filepath.Join(t.TempDir(), "with space")
	for _, tt := range []struct {
		name, location string
		place          string // "" for an error
	}{
		{"a folder", "file://" + abs, abs},
		{"an escaped folder", "file://" + strings.ReplaceAll(abs, " ", "%20"), abs},
		{"a bucket", "my-bucket", "s3://my-bucket"},
		{"a bucket and a slash", "s3://my-bucket/", "s3://my-bucket"},
		{"a bucket and a prefix", "s3://my-bucket/a/b/", "s3://my-bucket/a/b"},
		{"a bucket and a prefix, in short", "my-bucket/a", "s3://my-bucket/a"},
		{"a prefix that cannot be", "s3://my-bucket/a//b", ""},
		{"a bucket that cannot be", "s3://My_Bucket/a", ""},
		{"a path", abs, ""},
		{"a relative path", "./x", ""},
		{"a relative URL", "file://x/y", ""},
		{"the root", "file:///", ""},
		{"a query", "file:///x?y", ""},
		{"another service", "gs://bucket", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, place, err := Open(t.Context(), tt.location, options(t.TempDir()))
			var bad *artifacts.LocationError
			if place != tt.place || (err == nil) != (tt.place != "") || err != nil && !errors.As(err, &bad) {
				t.Fatalf("%q, %v", place, err)
			}
			if _, ok := s.(*folder.Store); ok {
				artifactstest.Put(t, s, artifactstest.Object("k", "v"))
			}
		})
	}
	t.Run("a workspace whose .runner is a link is left alone", func(t *testing.T) {
		workspace, outside := t.TempDir(), t.TempDir()
		artifactstest.Must(t, os.MkdirAll(filepath.Join(outside, "artifacts"), 0o755))
		artifactstest.Must(t, os.Symlink(outside, filepath.Join(workspace, ".runner")))
		o := options(workspace)
		o.Getenv = func(string) string { return outside }
		_, _, err := Open(t.Context(), "", o)
		artifactstest.Must(t, err)
		if info, err := os.Lstat(filepath.Join(outside, "artifacts")); err != nil || !info.IsDir() {
			t.Errorf("the folder behind the link was moved: %v", err)
		}
	})
}

func TestLocationsHaveAdvice(t *testing.T) {
	for location, want := range map[string]string{
		"arn:aws:s3:::my-bucket":                                        "write s3://my-bucket",
		"arn:aws:s3:::my-bucket/some/dir":                               "write s3://my-bucket/some/dir",
		"s3://arn:aws:s3:eu-west-1:123456789012:accesspoint/my-point":   "s3alias",
		"arn:aws:s3:eu-west-1:123456789012:accesspoint/my-point":        "s3alias",
		"arn:aws:s3-outposts:eu-west-1:123456789012:outpost/op-1/other": "write a bucket's name",
		"My_Bucket": "ARTIFACT_BUCKET takes",
	} {
		_, _, err := Open(t.Context(), location, Options{})
		var refused *artifacts.LocationError
		if !errors.As(err, &refused) || !strings.Contains(refused.Hint(), want) {
			t.Errorf("%s: %v, want %q", location, err, want)
		}
	}
	t.Run("a profile that does not exist", func(t *testing.T) {
		o := Options{AWS: func(ctx context.Context) (aws.Config, error) {
			return aws.Config{}, config.SharedConfigProfileNotExistError{Profile: "nosuch"}
		}}
		_, _, err := Open(t.Context(), "bucket", o)
		var refused *artifacts.LocationError
		if !errors.As(err, &refused) || !strings.Contains(refused.Hint(), "AWS_PROFILE") {
			t.Error(err)
		}
	})
}

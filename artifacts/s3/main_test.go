package s3

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/artifactstest"
)

// TestMain lets the test binary be the publisher that TestKilledPublishersLeaveOldNewOrNone kills.
func TestMain(m *testing.M) {
	if os.Getenv(artifactstest.PublisherVar) != "" {
		os.Exit(artifactstest.PublisherMain(func(name string) (artifacts.Store, error) {
			return openBucket(name, Options{LockTTL: time.Second}) // so that the next one does not wait long
		}))
	}
	os.Exit(m.Run())
}

// openBucket opens "s3://BUCKET" as the environment says.
func openBucket(name string, o Options) (*Store, error) {
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		return nil, err
	}
	return New(context.Background(), cfg, strings.TrimPrefix(name, "s3://"), "", o)
}

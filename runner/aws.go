package runner

import (
	"context"
	"os"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/carlin-cicd/runner/artifacts"
)

// AWS is how the runner gets at AWS: by the SDK's own variables, files and roles. It is looked for once, when something
// asks for it.
type AWS func(context.Context) (aws.Config, error)

// NewAWS asks nobody anything yet.
func NewAWS() AWS {
	var mu sync.Mutex
	var found *aws.Config
	return func(ctx context.Context) (aws.Config, error) {
		mu.Lock()
		defer mu.Unlock()
		if found == nil {
			c, err := config.LoadDefaultConfig(ctx, config.WithAppID("carlin-cicd-runner"))
			if err != nil {
				return aws.Config{}, err // which may be the context's, and not the next one's
			}
			found = &c
		}
		return *found, nil
	}
}

// OpenStore opens the store that a configuration names, and returns its name for people. The party is who we are to others
// who publish there; waiting is told when we wait for one of them. The error is a *ConfigError.
func OpenStore(ctx context.Context, c Config, aws AWS, party artifacts.Party, waiting func(artifacts.Holder)) (artifacts.Store, string, error) {
	if party.Owner == "" {
		host, _ := os.Hostname()
		party.Owner = first(os.Getenv("USER"), "runner") + "@" + first(host, "localhost")
	}
	store, place, err := artifacts.Open(ctx, c.Artifacts, artifacts.Options{
		Workspace: c.Workspace, AWS: aws,
		S3: artifacts.S3Options{
			Encryption: c.S3Encryption, KMSKey: c.S3KMSKey, StorageClass: c.S3StorageClass, Tags: c.S3Tags, Owner: c.S3Owner,
			Party: party, Waiting: waiting,
		},
	})
	if err != nil {
		return nil, "", &ConfigError{Err: err, Advice: "ARTIFACT_BUCKET takes a bucket's name, s3://bucket/prefix or file:///folder; leave it empty for .runner/artifacts in the workspace"}
	}
	return store, place, nil
}

package session

import (
	"cmp"
	"context"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go/logging"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/credentials"
	"github.com/carlin-cicd/runner/artifacts/lease"
	"github.com/carlin-cicd/runner/artifacts/location"
	"github.com/carlin-cicd/runner/artifacts/s3"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/redact"
)

// AWS returns the SDK's configuration from its variables, files and roles. It is loaded once, on the first call.
type AWS func(context.Context) (aws.Config, error)

// NewAWS returns an AWS that loads nothing yet. The redactor, which may be nil, learns all credentials that the SDK
// resolves.
func NewAWS(r *redact.Redactor) AWS {
	var mu sync.Mutex
	var loaded *aws.Config
	return func(ctx context.Context) (aws.Config, error) {
		mu.Lock()
		defer mu.Unlock()
		if loaded == nil {
			c, err := LoadAWS(ctx, r)
			if err != nil {
				return aws.Config{}, err // it may be the context's, so the next call loads again
			}
			loaded = &c
		}
		return *loaded, nil
	}
}

// LoadAWS loads the SDK's configuration with more options. The redactor, which may be nil, learns all credentials that
// it resolves. The code of an MFA device is asked for at the terminal. Errors of the credentials are
// *credentials.Error.
func LoadAWS(
	ctx context.Context, r *redact.Redactor, options ...func(*awsconfig.LoadOptions) error,
) (aws.Config, error) {
	device := newMFA()
	c, err := awsconfig.LoadDefaultConfig(ctx, append([]func(*awsconfig.LoadOptions) error{
		awsconfig.WithAppID("carlin-cicd-runner"),
		awsconfig.WithLogger(logging.Nop{}), // its lines would stand between those of the log, in a form of their own
		awsconfig.WithAssumeRoleCredentialOptions(func(o *stscreds.AssumeRoleOptions) {
			o.TokenProvider = device.provider()
		}),
	}, options...)...)
	if err != nil {
		return aws.Config{}, err
	}
	return Secured(c, r, device.retried(c.Credentials)), nil
}

// Secured returns a configuration with other credentials, which the redactor learns when they are resolved, and whose
// errors are *credentials.Error.
func Secured(c aws.Config, r *redact.Redactor, p aws.CredentialsProvider) aws.Config {
	if p != nil && r != nil {
		p = redactedCredentials{p, r}
	}
	c.Credentials = aws.NewCredentialsCache(credentials.Explain(p))
	return c
}

// OpenStore opens the store that the configuration names and sets Store and Place. The owner is how other publishers
// see this one; waiting is called when the store waits for another publisher. The error is a *outcome.ConfigError.
func (s *Session) OpenStore(ctx context.Context, owner lease.Owner, waiting func(lease.Holder)) error {
	c := s.Config
	owner.Name = cmp.Or(owner.Name, LocalOwner())
	store, place, err := location.Open(ctx, c.Artifacts, location.Options{
		// Shards in copies of a workspace share its store.
		Workspace: cmp.Or(c.ShardOrigin, c.Workspace), AWS: s.AWS,
		Getenv: func(name string) string { return s.Variables[name] },
		OnMove: func(from, to string) {
			s.Log.Info("moved the local store out of the workspace", "from", from, "to", to)
		},
		Scope: s.scope,
		S3: s3.Options{
			Encryption: c.S3Encryption, KMSKey: c.S3KMSKey, StorageClass: c.S3StorageClass, Tags: c.S3Tags, BucketOwner: c.S3Owner,
			LockOwner: owner, OnLockWait: waiting,
		},
	})
	if err != nil {
		return &outcome.ConfigError{Err: err, Advice: outcome.Hint(err)}
	}
	s.Store, s.Place = store, place
	return nil
}

// OpenCacheStore opens the store of RUNNER_CACHE_FROM, with the rights to the store of the artifacts. The error is a
// *outcome.ConfigError.
func (s *Session) OpenCacheStore(ctx context.Context) (artifacts.Store, error) {
	_, prefix, _ := strings.Cut(strings.TrimPrefix(s.Config.Artifacts, "s3://"), "/")
	store, _, err := location.Open(ctx, s.Config.CacheFrom, location.Options{
		Workspace: s.Config.Workspace, AWS: s.AWS,
		Getenv: func(name string) string { return s.Variables[name] },
		Scope:  func(c aws.Config, _ string) aws.Config { return s.scope(c, strings.Trim(prefix, "/")) },
		S3:     s3.Options{BucketOwner: s.Config.S3Owner},
	})
	if err != nil {
		return nil, &outcome.ConfigError{Err: err, Advice: outcome.Hint(err)}
	}
	return store, nil
}

// scope lets the store be used with RUNNER_STORE_ROLE, if there is one. The session is tagged with the store's prefix,
// so that a policy can confine it to that.
func (s *Session) scope(c aws.Config, prefix string) aws.Config {
	if s.Config.StoreRole == "" {
		return c
	}
	role := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(c), s.Config.StoreRole, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = "runner-" + s.ID
		o.Tags = []types.Tag{{Key: aws.String("prefix"), Value: &prefix}}
	})
	return Secured(c, s.Redactor, role)
}

// redactedCredentials adds the credentials that it provides to a redactor.
type redactedCredentials struct {
	aws.CredentialsProvider
	redactor *redact.Redactor
}

// Retrieve implements aws.CredentialsProvider.
func (p redactedCredentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := p.CredentialsProvider.Retrieve(ctx)
	if err == nil {
		p.redactor.Add(
			redact.Secret{Name: "AWS_SECRET_ACCESS_KEY", Value: c.SecretAccessKey},
			redact.Secret{Name: "AWS_SESSION_TOKEN", Value: c.SessionToken},
		)
	}
	return c, err
}

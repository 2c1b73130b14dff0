package cluster

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/credentials"
	"github.com/carlin-cicd/runner/artifacts/location"
	"github.com/carlin-cicd/runner/runner/deploy/stack"
)

// Account is an account and a region of AWS, with the credentials to work there.
type Account struct {
	ID     string
	Region string
	Poll   time.Duration // between two looks at a stack; 0: the default
	// Patience is how long CloudFormation may answer no request for the state of a stack; 0: patience.
	Patience time.Duration
	Note     func(line string) // called with requests that are repeated; nil: not reported

	config aws.Config
	stacks *cloudformation.Client
}

// Open finds out whose the credentials are. The error is an *Error, or the context's.
func Open(ctx context.Context, config aws.Config, region string) (*Account, error) {
	config.Region = cmp.Or(region, config.Region)
	if config.Region == "" {
		return nil, &Error{
			Message: "no AWS region is set", Advice: "set AWS_REGION or AWS_PROFILE, or region: below cluster: in runner.yaml",
		}
	}
	caller, err := sts.NewFromConfig(config).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return nil, requestError(ctx, "sts:GetCallerIdentity", "the caller", err)
	}
	stacks := cloudformation.NewFromConfig(config)
	return &Account{ID: aws.ToString(caller.Account), Region: config.Region, config: config, stacks: stacks}, nil
}

func (a *Account) stack(name string) *stack.Stack {
	s := &stack.Stack{Client: a.stacks, Name: name, Poll: a.Poll, Patience: cmp.Or(a.Patience, patience)}
	var said time.Time
	s.OnRetry = func(err error) {
		if a.Note != nil && time.Since(said) >= retryNotes {
			said = time.Now()
			a.Note(fmt.Sprintf("%s; trying again for up to %s", credentials.Message(err), s.Patience))
		}
	}
	return s
}

// patience is how long CloudFormation may fail to answer before the command gives up; retryNotes is between two lines
// that say so.
const (
	patience   = 10 * time.Minute
	retryNotes = 30 * time.Second
)

// noAnswer explains that CloudFormation stopped answering, by what the stack was last seen as; other errors stay.
func noAnswer(name, status string, err error) error {
	var silent *stack.NoAnswerError
	if !errors.As(err, &silent) {
		return err
	}
	message := fmt.Sprintf("CloudFormation has not answered for %s, so the state of stack %s is not known", silent.After, name)
	if status != "" {
		message += "; it was " + status + " when last seen, and CloudFormation goes on with it"
	}
	return &Error{
		Message: message, Err: errors.New(credentials.Message(silent.Err)),
		Advice: "when CloudFormation answers again, aws cloudformation describe-stacks --stack-name " + name +
			" shows its state; then run the same command again: it goes on from there",
	}
}

// Status returns the state of a stack.
func (a *Account) Status(ctx context.Context, name string) (stack.State, error) {
	state, err := a.stack(name).DescribeAgain(ctx)
	return state, noAnswer(name, "", err)
}

// maxBody is the size in bytes of a template that a request may carry.
const maxBody = 51200

// upload stores content in a bucket of the account, below a name of its own, unless it is there. It returns the key.
func (a *Account) upload(ctx context.Context, bucket, folder, extension string, content io.ReadSeeker) (string, error) {
	hash := sha256.New()
	size, err := io.Copy(hash, content)
	if err != nil {
		return "", err
	}
	if _, err := content.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	store, _, err := location.Open(ctx, "s3://"+bucket, location.Options{
		AWS: func(context.Context) (aws.Config, error) { return a.config, nil },
	})
	if err != nil {
		return "", err
	}
	key := contentKey(folder, extension, hash.Sum(nil))
	_, err = store.Put(ctx, artifacts.Object{Key: key, Body: content, Size: size, Type: "application/octet-stream"})
	if err != nil {
		return "", &Error{
			Message: "the bucket " + bucket + " does not take " + key, Err: err,
			Advice: "allow s3:PutObject on it, or give the stack of the base another bucket",
		}
	}
	return key, nil
}

// objectURL is the URL by which CloudFormation reads an object.
func (a *Account) objectURL(bucket, key string) string {
	domain := "amazonaws.com"
	if strings.HasPrefix(a.Region, "cn-") {
		domain += ".cn"
	}
	return (&url.URL{Scheme: "https", Host: bucket + ".s3." + a.Region + "." + domain, Path: key}).String()
}

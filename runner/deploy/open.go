package deploy

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/deploy/carlin"
	"github.com/carlin-cicd/runner/runner/deploy/stack"
	"github.com/carlin-cicd/runner/runner/record"
)

// directory is where the command runs.
func (d *Deployment) directory() string { return d.Path(d.step.Directory) }

// runsCarlin reports whether the command is carlin deploy, by itself or behind scripts of package.json.
func (d *Deployment) runsCarlin() bool {
	return carlin.Deploys(carlin.ExpandScripts(d.step.Command.String(), d.directory()))
}

// cloudFormation returns a client for the account and the region in which the command works.
func (d *Deployment) cloudFormation(ctx context.Context) (*cloudformation.Client, error) {
	config, err := d.account.AWS(ctx)
	if err == nil && config.Region == "" {
		err = errors.New("no region is known")
	}
	if err != nil {
		return nil, err
	}
	return cloudformation.NewFromConfig(config, func(o *cloudformation.Options) {
		o.BaseEndpoint = cmp.Or(d.account.Endpoint("CLOUDFORMATION"), o.BaseEndpoint)
	}), nil
}

// open returns the stack as the command's credentials see it. The error is a *stack.ServiceError.
func (t *target) open(ctx context.Context) (*stack.Stack, error) {
	d := t.run
	client, err := d.cloudFormation(ctx)
	if err != nil {
		return nil, &stack.ServiceError{Stack: t.stack, Action: "cloudformation:DescribeStacks", Err: err}
	}
	s := &stack.Stack{Client: client, Name: t.stack, Poll: d.Config.StackPoll}
	s.OnRetry = func(err error) {
		d.Log.Warn("could not reach CloudFormation; trying again", "stack", t.stack, "error", err.Error())
	}
	if l, ok := d.Store.(artifacts.Locator); ok && strings.HasPrefix(l.Locate(""), "s3://") {
		s.Upload = func(ctx context.Context, template string) (string, error) { return t.uploadTemplate(ctx, l, template) }
	}
	return s, nil
}

// uploadTemplate stores a template beside the records, unaltered, and returns the URL by which CloudFormation reads it.
func (t *target) uploadTemplate(ctx context.Context, l artifacts.Locator, template string) (string, error) {
	d := t.run
	if d.Redactor.String(template) != template {
		return "", &stack.RestoreError{
			Stack:   t.stack,
			Action:  record.Failed,
			Message: "could not be restored: its template is too large for a request and contains a secret, which is never stored",
			Advice:  "deploy the earlier commit again, with --force",
		}
	}
	config, err := d.AWS(ctx) // the bucket's, which is the runner's
	if err != nil {
		return "", err
	}
	key := keys.Template(d.Config.Environment, t.scope, d.ID)
	_, err = d.Store.Put(
		ctx,
		artifacts.Object{Key: key, Body: strings.NewReader(template), Size: int64(len(template)), Type: "text/plain"},
	)
	bucket, path, _ := strings.Cut(strings.TrimPrefix(l.Locate(key), "s3://"), "/")
	domain := "amazonaws.com"
	if strings.HasPrefix(config.Region, "cn-") {
		domain += ".cn"
	}
	return (&url.URL{Scheme: "https", Host: bucket + ".s3." + config.Region + "." + domain, Path: path}).String(), err
}

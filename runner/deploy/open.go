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

// openStack returns a stack as the run's credentials see it. The error is a *stack.ServiceError.
func (d *Deployment) openStack(ctx context.Context, name string) (*stack.Stack, error) {
	config, err := d.AWS(ctx)
	if err == nil && config.Region == "" {
		err = errors.New("no region is known")
	}
	if err != nil {
		return nil, &stack.ServiceError{Stack: name, Action: "cloudformation:DescribeStacks", Err: err}
	}
	region := config.Region // of the bucket, too
	if d.runsCarlin() {
		region = cmp.Or(carlin.Region(d.directory(), d.env), region)
	}
	client := cloudformation.NewFromConfig(config, func(o *cloudformation.Options) { o.Region = region })
	s := &stack.Stack{Client: client, Name: name, Poll: d.Config.StackPoll}
	s.OnRetry = func(err error) {
		d.Log.Warn("could not reach CloudFormation; trying again", "stack", name, "error", err.Error())
	}
	if l, ok := d.Store.(artifacts.Locator); ok && strings.HasPrefix(l.Locate(""), "s3://") {
		s.Upload = func(ctx context.Context, template string) (string, error) {
			return d.uploadTemplate(ctx, l, template, config.Region)
		}
	}
	return s, nil
}

// uploadTemplate stores a template beside the records, unaltered, and returns the URL by which CloudFormation reads it.
func (d *Deployment) uploadTemplate(ctx context.Context, l artifacts.Locator, template, region string) (string, error) {
	if d.Redactor.String(template) != template {
		return "", &stack.RestoreError{
			Stack: d.target.stack, Action: record.Failed,
			Message: "could not be restored: its template is too large for a request and contains a secret, which is never stored",
			Advice:  "deploy the earlier commit again, with --force",
		}
	}
	key := keys.Template(d.Config.Environment, d.target.scope, d.ID)
	_, err := d.Store.Put(ctx, artifacts.Object{Key: key, Body: strings.NewReader(template), Size: int64(len(template)), Type: "text/plain"})
	bucket, path, _ := strings.Cut(strings.TrimPrefix(l.Locate(key), "s3://"), "/")
	domain := "amazonaws.com"
	if strings.HasPrefix(region, "cn-") {
		domain += ".cn"
	}
	return (&url.URL{Scheme: "https", Host: bucket + ".s3." + region + "." + domain, Path: path}).String(), err
}

package cluster

import (
	"context"
	"net/http"
	"slices"

	"github.com/carlin-cicd/runner/runner/awsjson"
	"github.com/carlin-cicd/runner/runner/awsquery"
)

// stacksService is CloudFormation, for operations that the SDK's client is not linked with.
var stacksService = awsquery.Service{Name: "cloudformation", ID: "CloudFormation", Version: "2010-05-15"}

// leftover is a resource that a deleted stack has kept.
type leftover struct{ kind, name string }

// The kinds of resources that the templates keep.
const (
	bucketKind     = "AWS::S3::Bucket"
	repositoryKind = "AWS::ECR::Repository"
	secretKind     = "AWS::SecretsManager::Secret"
)

// leftovers returns what deleted stacks of a name have kept, and what is there still. CloudFormation knows a deleted stack
// for 90 days.
func (a *Account) leftovers(ctx context.Context, name string) ([]leftover, error) {
	client, err := awsquery.New(ctx, a.config, stacksService)
	if err != nil {
		return nil, err
	}
	var all []leftover
	type input struct {
		StackStatusFilter []string
		NextToken         string
	}
	in := input{StackStatusFilter: []string{"DELETE_COMPLETE"}}
	for {
		var page struct {
			StackSummaries []struct{ StackId, StackName string }
			NextToken      string
		}
		if err := client.Call(ctx, "ListStacks", &in, &page); err != nil {
			return nil, requestError(ctx, "cloudformation:ListStacks", name, err)
		}
		for _, s := range page.StackSummaries {
			if s.StackName != name {
				continue
			}
			kept, err := a.keptOf(ctx, client, s.StackId)
			if err != nil {
				return nil, err
			}
			all = append(all, kept...)
		}
		if in.NextToken = page.NextToken; in.NextToken == "" {
			return all, nil
		}
	}
}

// keptOf returns what one deleted stack has kept.
func (a *Account) keptOf(ctx context.Context, client *awsquery.Client, id string) ([]leftover, error) {
	var all []leftover
	in := struct{ StackName, NextToken string }{StackName: id}
	for {
		var page struct {
			StackResourceSummaries []struct{ ResourceType, PhysicalResourceId, ResourceStatus string }
			NextToken              string
		}
		if err := client.Call(ctx, "ListStackResources", &in, &page); err != nil {
			return nil, requestError(ctx, "cloudformation:ListStackResources", id, err)
		}
		for _, r := range page.StackResourceSummaries {
			if r.ResourceStatus != "DELETE_SKIPPED" || r.PhysicalResourceId == "" {
				continue
			}
			l := leftover{r.ResourceType, r.PhysicalResourceId}
			there, err := a.exists(ctx, l)
			if err != nil {
				return nil, err
			}
			if there {
				all = append(all, l)
			}
		}
		if in.NextToken = page.NextToken; in.NextToken == "" {
			return all, nil
		}
	}
}

// exists reports whether a resource of these kinds is there. Others are none of ours.
func (a *Account) exists(ctx context.Context, l leftover) (bool, error) {
	switch l.kind {
	case bucketKind:
		err := a.s3(ctx, http.MethodGet, "/"+l.name+"?versioning=", nil, nil)
		if awsjson.HasCode(err, "NoSuchBucket") {
			return false, nil
		}
		if err != nil {
			return false, requestError(ctx, "s3:GetBucketVersioning", l.name, err)
		}
		return true, nil
	case repositoryKind:
		err := a.call(ctx, ecrService, "DescribeRepositories", map[string]any{"repositoryNames": []string{l.name}}, nil)
		if awsjson.HasCode(err, "RepositoryNotFoundException") {
			return false, nil
		}
		if err != nil {
			return false, requestError(ctx, "ecr:DescribeRepositories", l.name, err)
		}
		return true, nil
	case secretKind:
		var secret struct{ DeletedDate float64 }
		err := a.call(ctx, secretsService, "DescribeSecret", map[string]any{"SecretId": l.name}, &secret)
		if awsjson.HasCode(err, "ResourceNotFoundException") {
			return false, nil
		}
		if err != nil {
			return false, requestError(ctx, "secretsmanager:DescribeSecret", l.name, err)
		}
		return secret.DeletedDate == 0, nil
	}
	return false, nil
}

// call calls a service once.
func (a *Account) call(ctx context.Context, s awsjson.Service, operation string, input, output any) error {
	client, err := awsjson.New(ctx, a.config, s)
	if err != nil {
		return err
	}
	return client.Call(ctx, operation, input, output)
}

// addLeftovers adds what deleted stacks of these names have kept, unless the pipeline goes on with it.
func (d *Deployment) addLeftovers(ctx context.Context, r *Removal, used []string, stacks ...string) error {
	for _, name := range stacks {
		all, err := d.Account.leftovers(ctx, name)
		if err != nil {
			return err
		}
		for _, l := range all {
			if slices.Contains(used, l.name) {
				continue
			}
			what := map[bool]string{true: " with the templates", false: " with builds and records"}[name == d.Settings.Base]
			r.remove(l, what)
		}
	}
	return nil
}

// remove adds a resource to what is removed, once.
func (r *Removal) remove(l leftover, what string) {
	list := map[string]*[]string{bucketKind: &r.buckets, repositoryKind: &r.repositories, secretKind: &r.secrets}[l.kind]
	if list == nil || slices.Contains(*list, l.name) {
		return
	}
	*list = append(*list, l.name)
	switch l.kind {
	case bucketKind:
		r.Removed = append(r.Removed, "the bucket "+l.name+what)
	case repositoryKind:
		r.Removed = append(r.Removed, "the images in "+l.name)
	case secretKind:
		r.Removed = append(r.Removed, "the webhook's secret "+l.name)
	}
}

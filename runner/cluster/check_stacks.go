package cluster

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/awsjson"
	"github.com/carlin-cicd/runner/runner/deploy/stack"
)

// checkStacks looks whether the stacks are there, and in a state in which they can be updated.
func (i *Inspection) checkStacks(context.Context) ([]artifacts.Finding, error) {
	s := i.Settings
	var found []artifacts.Finding
	for _, each := range []struct {
		name string
		stack.Snapshot
	}{{s.Base, i.base}, {s.Stack, i.pipeline}} {
		problem, advice := each.Blocked(each.name)
		switch {
		case each.Missing():
			found = append(found, broken("there is no stack "+each.name, "runner cluster deploy; or name the stack: --base"))
		case problem != "":
			found = append(found, broken(fmt.Sprintf("stack %s cannot be updated: %s", each.name, problem), advice))
		case strings.HasSuffix(each.Status, "_IN_PROGRESS"):
			found = append(found, warning(fmt.Sprintf("stack %s is %s", each.name, each.Status), "wait, and check again"))
		default:
			found = append(found, ok("%s is %s", each.name, each.Status))
		}
	}
	return found, nil
}

var ecrService = awsjson.Service{
	Name: "ecr", Host: "api.ecr", ID: "ECR", Target: "AmazonEC2ContainerRegistry_V20150921",
}

// checkImage looks whether the image that every step runs is there.
func (i *Inspection) checkImage(ctx context.Context) ([]artifacts.Finding, error) {
	tag, repository := i.values["ImageTag"], i.out("RepositoryName")
	if tag == NoImage {
		return []artifacts.Finding{broken("there is no image yet", "runner cluster image builds and pushes it")}, nil
	}
	var images struct {
		ImageDetails []struct {
			ImageSizeInBytes int64
			ImageScanStatus  struct{ Status string }
		}
	}
	err := i.call(ctx, ecrService, "DescribeImages", map[string]any{
		"repositoryName": repository, "imageIds": []map[string]string{{"imageTag": tag}},
	}, &images)
	switch {
	case awsjson.HasCode(err, "RepositoryNotFoundException"):
		return []artifacts.Finding{broken("there is no image repository "+repository,
			"runner cluster deploy makes it again; or set RepositoryName below parameters: pipeline:")}, nil
	case awsjson.HasCode(err, "ImageNotFoundException"), err == nil && len(images.ImageDetails) == 0:
		return []artifacts.Finding{broken(fmt.Sprintf("%s has no image with the tag %s", repository, tag),
			"runner cluster image builds and pushes one, and points ImageTag at it")}, nil
	case err != nil:
		return nil, err
	}
	found := []artifacts.Finding{ok("%s:%s is there", repository, tag)}
	for _, name := range sortedKeys(i.environments) {
		if have := valuesOf(i.environments[name])["ImageTag"]; have != "" && have != tag {
			found = append(found, broken(
				fmt.Sprintf("environment %s runs the image %s, and the pipeline %s", name, have, tag),
				"runner cluster deploy gives both the same",
			))
		}
	}
	return found, nil
}

// checkEnvironments looks whether each environment of the pipeline has its stack, and its project's stack.
func (i *Inspection) checkEnvironments(ctx context.Context) ([]artifacts.Finding, error) {
	var found []artifacts.Finding
	for _, e := range i.Settings.Environments {
		current := i.environments[e.Name]
		if current.Missing() {
			found = append(found, broken(
				fmt.Sprintf("environment %s has no stack %s, so that deployments to it fail", e.Name, i.Settings.EnvironmentStack(e.Name)),
				"runner cluster deploy makes it; or take the environment out of the pipeline",
			))
			continue
		}
		if problem, advice := current.Blocked(i.Settings.EnvironmentStack(e.Name)); problem != "" {
			found = append(found, broken(fmt.Sprintf("environment %s cannot be updated: %s", e.Name, problem), advice))
			continue
		}
		if strings.HasSuffix(current.Status, "_IN_PROGRESS") {
			found = append(found, warning(
				fmt.Sprintf("stack %s is %s", i.Settings.EnvironmentStack(e.Name), current.Status), "wait, and check again",
			))
			continue
		}
		name, role := valuesOf(current)["StackName"], current.Outputs["StackRoleArn"]
		if role == "" { // it is in another account, whose stacks these credentials may not see
			found = append(found, ok("%s deploys stack %s elsewhere", e.Name, name))
			continue
		}
		project, err := i.Account.stack(name).Snapshot(ctx)
		switch {
		case err != nil:
			return found, err
		case project.Missing():
			found = append(found, broken(
				fmt.Sprintf("stack %s of environment %s does not exist, and the tasks may not create it", name, e.Name),
				"runner cluster deploy makes it with nothing in it",
			))
		case project.RoleARN != role:
			found = append(found, warning(
				fmt.Sprintf("stack %s was not created with the role of environment %s, so deployments may be denied", name, e.Name),
				"update it once with --role-arn "+role,
			))
		default:
			found = append(found, ok("%s deploys stack %s", e.Name, name))
		}
		if valuesOf(current)["StackPolicyArn"] == "" {
			found = append(found, warning(
				fmt.Sprintf("the role of stack %s may do nothing: environment %s has no policy for it", name, e.Name),
				"name a policy: policy: of the environment, below cluster: in runner.yaml",
			))
		}
	}
	left, others, err := i.strays(ctx)
	for _, s := range left {
		found = append(found, warning(
			s.at(i.Account)+" "+s.why(&i.Settings)+"; its roles may deploy still",
			s.command()+", or name the environment again",
		))
	}
	if len(others) > 0 {
		found = append(found, ok("not of this pipeline, although their names begin like its own: %s", strings.Join(others, ", ")))
	}
	return found, err
}

// driftTimeout bounds how long CloudFormation may compare.
const driftTimeout = 5 * time.Minute

// checkDrift lets CloudFormation compare the pipeline with what is there.
func (i *Inspection) checkDrift(ctx context.Context) ([]artifacts.Finding, error) {
	if !i.Drift {
		return nil, nil
	}
	name := i.Settings.Stack
	started, err := i.Account.stacks.DetectStackDrift(ctx, &cloudformation.DetectStackDriftInput{StackName: &name})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, driftTimeout)
	defer cancel()
	for {
		now, err := i.Account.stacks.DescribeStackDriftDetectionStatus(
			ctx, &cloudformation.DescribeStackDriftDetectionStatusInput{StackDriftDetectionId: started.StackDriftDetectionId},
		)
		switch {
		case err != nil:
			return nil, err
		case now.DetectionStatus == types.StackDriftDetectionStatusDetectionFailed:
			return []artifacts.Finding{warning("CloudFormation could not compare all of it: "+aws.ToString(now.DetectionStatusReason),
				"allow reading what the reason names")}, nil
		case now.DetectionStatus == types.StackDriftDetectionStatusDetectionComplete &&
			now.StackDriftStatus != types.StackDriftStatusDrifted:
			return []artifacts.Finding{ok("%s is as its template says", name)}, nil
		case now.DetectionStatus == types.StackDriftDetectionStatusDetectionComplete:
			return i.drifted(ctx, name)
		}
		if err := i.Account.pause(ctx); err != nil {
			return nil, err
		}
	}
}

// drifted names the resources that were changed by other means.
func (i *Inspection) drifted(ctx context.Context, name string) ([]artifacts.Finding, error) {
	out, err := i.Account.stacks.DescribeStackResourceDrifts(ctx, &cloudformation.DescribeStackResourceDriftsInput{
		StackName: &name,
		StackResourceDriftStatusFilters: []types.StackResourceDriftStatus{
			types.StackResourceDriftStatusModified, types.StackResourceDriftStatusDeleted,
		},
	})
	if err != nil {
		return nil, err
	}
	var found []artifacts.Finding
	for _, d := range out.StackResourceDrifts {
		var paths []string
		for _, p := range d.PropertyDifferences {
			paths = append(paths, aws.ToString(p.PropertyPath))
		}
		problem := fmt.Sprintf(
			"%s (%s) was %s by other means", aws.ToString(d.LogicalResourceId), aws.ToString(d.ResourceType),
			strings.ToLower(string(d.StackResourceDriftStatus)),
		)
		if len(paths) > 0 {
			problem += ": " + strings.Join(paths, ", ")
		}
		found = append(found, warning(problem, "undo it, or make the change by a parameter and runner cluster deploy"))
	}
	return found, nil
}

// Package endpointtest compares the endpoints of package awsjson with the resolvers of the SDK's own clients. It is a
// module of its own so that the runner's module does not depend on those clients.
package endpointtest

import (
	"context"
	"net/url"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/carlin-cicd/runner/runner/awsjson"
)

// regions has one or more of each partition.
var regions = []string{
	"us-east-1", "us-east-2", "us-west-2", "eu-west-1", "eu-central-1", "ap-southeast-7", "mx-central-1", "il-central-1", "ca-west-1",
	"cn-north-1", "cn-northwest-1", "us-gov-east-1", "us-gov-west-1", "us-iso-east-1", "us-isob-east-1", "eu-isoe-west-1",
	"us-isof-south-1", "eusc-de-east-1",
}

// resolver returns the SDK's endpoint of one service.
type resolver func(ctx context.Context, region string, fips, dualStack bool) (url.URL, error)

var resolvers = map[awsjson.Service]resolver{
	{Name: "states", ID: "SFN"}: func(ctx context.Context, region string, fips, dualStack bool) (url.URL, error) {
		e, err := sfn.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx,
			sfn.EndpointParameters{Region: &region, UseFIPS: &fips, UseDualStack: &dualStack})
		return e.URI, err
	},
	{Name: "cloudformation", ID: "CloudFormation"}: func(
		ctx context.Context, region string, fips, dualStack bool,
	) (url.URL, error) {
		e, err := cloudformation.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx,
			cloudformation.EndpointParameters{Region: &region, UseFIPS: &fips, UseDualStack: &dualStack})
		return e.URI, err
	},
	{Name: "dynamodb", ID: "DynamoDB"}: func(ctx context.Context, region string, fips, dualStack bool) (url.URL, error) {
		e, err := dynamodb.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx,
			dynamodb.EndpointParameters{Region: &region, UseFIPS: &fips, UseDualStack: &dualStack})
		return e.URI, err
	},
	{Name: "kms", ID: "KMS"}: func(ctx context.Context, region string, fips, dualStack bool) (url.URL, error) {
		e, err := kms.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx,
			kms.EndpointParameters{Region: &region, UseFIPS: &fips, UseDualStack: &dualStack})
		return e.URI, err
	},
	{Name: "ecs", ID: "ECS"}: func(ctx context.Context, region string, fips, dualStack bool) (url.URL, error) {
		e, err := ecs.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx,
			ecs.EndpointParameters{Region: &region, UseFIPS: &fips, UseDualStack: &dualStack})
		return e.URI, err
	},
	{Name: "logs", ID: "CloudWatch Logs"}: func(ctx context.Context, region string, fips, dualStack bool) (url.URL, error) {
		e, err := cloudwatchlogs.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx,
			cloudwatchlogs.EndpointParameters{Region: &region, UseFIPS: &fips, UseDualStack: &dualStack})
		return e.URI, err
	},
	{Name: "ssm", ID: "SSM"}: func(ctx context.Context, region string, fips, dualStack bool) (url.URL, error) {
		e, err := ssm.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx,
			ssm.EndpointParameters{Region: &region, UseFIPS: &fips, UseDualStack: &dualStack})
		return e.URI, err
	},
	{Name: "secretsmanager", ID: "Secrets Manager"}: func(
		ctx context.Context, region string, fips, dualStack bool,
	) (url.URL, error) {
		e, err := secretsmanager.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx,
			secretsmanager.EndpointParameters{Region: &region, UseFIPS: &fips, UseDualStack: &dualStack})
		return e.URI, err
	},
}

func TestEndpointsAreThoseOfTheSDK(t *testing.T) {
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
	for service, resolve := range resolvers {
		for _, region := range regions {
			for _, fips := range []bool{false, true} {
				for _, dualStack := range []bool{false, true} {
					compare(t, service, resolve, region, fips, dualStack)
				}
			}
		}
	}
}

func compare(t *testing.T, service awsjson.Service, resolve resolver, region string, fips, dualStack bool) {
	t.Helper()
	ctx := t.Context()
	var options []func(*config.LoadOptions) error
	if fips {
		options = append(options, config.WithUseFIPSEndpoint(aws.FIPSEndpointStateEnabled))
	}
	if dualStack {
		options = append(options, config.WithUseDualStackEndpoint(aws.DualStackEndpointStateEnabled))
	}
	loaded, err := config.LoadDefaultConfig(ctx, append(options, config.WithRegion(region))...)
	if err != nil {
		t.Fatal(err)
	}
	got, err := awsjson.Endpoint(ctx, loaded, service, region)
	if err != nil {
		t.Errorf("%s in %s: %v", service.Name, region, err)
		return
	}
	want, err := resolve(ctx, region, fips, dualStack)
	if err != nil {
		t.Errorf("%s in %s: the SDK has no endpoint: %v", service.Name, region, err)
		return
	}
	if got != want.String() {
		t.Errorf(
			"%s in %s, FIPS %v, dual stack %v: %s, the SDK has %s",
			service.Name,
			region,
			fips,
			dualStack,
			got,
			want.String(),
		)
	}
}

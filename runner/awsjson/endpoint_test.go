package awsjson

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
)

var (
	secretsManager = Service{Name: "secretsmanager", ID: "Secrets Manager", Target: "secretsmanager"}
	stacks         = Service{Name: "cloudformation", ID: "CloudFormation"}
	images         = Service{Name: "ecr", ID: "ECR", Host: "api.ecr"}
	roles          = Service{Name: "iam", ID: "IAM"}
	parameterStore = Service{Name: "ssm", ID: "SSM", Target: "AmazonSSM"}
)

func TestEndpointsAreThoseOfTheRegionsPartition(t *testing.T) {
	type settings map[string]string
	fips, dual := settings{"AWS_USE_FIPS_ENDPOINT": "true"}, settings{"AWS_USE_DUALSTACK_ENDPOINT": "true"}
	both := settings{"AWS_USE_FIPS_ENDPOINT": "true", "AWS_USE_DUALSTACK_ENDPOINT": "true"}
	for _, c := range []struct {
		service Service
		region  string
		set     settings
		want    string
	}{
		{secretsManager, "eu-west-1", nil, "https://secretsmanager.eu-west-1.amazonaws.com"},
		{parameterStore, "eu-west-1", nil, "https://ssm.eu-west-1.amazonaws.com"},
		{secretsManager, "cn-north-1", nil, "https://secretsmanager.cn-north-1.amazonaws.com.cn"},
		{parameterStore, "us-gov-west-1", nil, "https://ssm.us-gov-west-1.amazonaws.com"},
		{secretsManager, "eusc-de-east-1", nil, "https://secretsmanager.eusc-de-east-1.amazonaws.eu"},
		{secretsManager, "us-iso-east-1", nil, "https://secretsmanager.us-iso-east-1.c2s.ic.gov"},
		{secretsManager, "us-isob-east-1", nil, "https://secretsmanager.us-isob-east-1.sc2s.sgov.gov"},
		{secretsManager, "us-isof-south-1", nil, "https://secretsmanager.us-isof-south-1.csp.hci.ic.gov"},
		{secretsManager, "eu-isoe-west-1", nil, "https://secretsmanager.eu-isoe-west-1.cloud.adc-e.uk"},
		{secretsManager, "us-east-1", fips, "https://secretsmanager-fips.us-east-1.amazonaws.com"},
		{stacks, "us-gov-west-1", fips, "https://cloudformation.us-gov-west-1.amazonaws.com"},
		{stacks, "us-east-1", fips, "https://cloudformation-fips.us-east-1.amazonaws.com"},
		{images, "eu-west-1", nil, "https://api.ecr.eu-west-1.amazonaws.com"},
		{images, "us-east-1", fips, "https://ecr-fips.us-east-1.amazonaws.com"},
		{roles, GlobalRegion("eu-west-1"), nil, "https://iam.amazonaws.com"},
		{roles, GlobalRegion("cn-northwest-1"), nil, "https://iam.cn-north-1.amazonaws.com.cn"},
		{roles, GlobalRegion("us-gov-east-1"), nil, "https://iam.us-gov.amazonaws.com"},
		{secretsManager, "us-gov-west-1", fips, "https://secretsmanager-fips.us-gov-west-1.amazonaws.com"},
		{parameterStore, "us-gov-west-1", fips, "https://ssm.us-gov-west-1.amazonaws.com"},
		{parameterStore, "us-east-1", dual, "https://ssm.us-east-1.api.aws"},
		{parameterStore, "cn-north-1", dual, "https://ssm.cn-north-1.api.amazonwebservices.com.cn"},
		{parameterStore, "us-gov-west-1", both, "https://ssm-fips.us-gov-west-1.api.aws"},
		{parameterStore, "us-east-1", settings{"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "http://127.0.0.1:1"},
		{
			parameterStore, "us-east-1",
			settings{"AWS_ENDPOINT_URL_SSM": "http://127.0.0.1:2", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
			"http://127.0.0.1:2",
		},
		{
			secretsManager, "us-east-1",
			settings{"AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://127.0.0.1:3"},
			"http://127.0.0.1:3",
		},
		{
			secretsManager, "us-east-1",
			settings{
				"AWS_ENDPOINT_URL_SECRETS_MANAGER":    "http://127.0.0.1:3",
				"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
			},
			"https://secretsmanager.us-east-1.amazonaws.com",
		},
	} {
		t.Run(c.want, func(t *testing.T) {
			for _, name := range []string{
				"AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SSM",
				"AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_PROFILE",
			} {
				t.Setenv(name, c.set[name])
			}
			t.Setenv("AWS_CONFIG_FILE", "/dev/null")
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
			if v, ok := c.set["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"]; ok {
				t.Setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", v)
			}
			loaded, err := config.LoadDefaultConfig(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if got, err := Endpoint(context.Background(), loaded, c.service, c.region); err != nil || got != c.want {
				t.Errorf("%s, %v", got, err)
			}
		})
	}
	// A region is part of a host name, and an ARN can be anybody's: it must not lead the credentials elsewhere.
	for _, region := range []string{"", "evil.example/", "eu-west-1.evil", "EU-WEST-1", "a@b"} {
		if got, err := Endpoint(context.Background(), aws.Config{}, secretsManager, region); err == nil {
			t.Errorf("the region %q leads to %s", region, got)
		}
	}
}

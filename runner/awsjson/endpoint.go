package awsjson

import (
	"cmp"
	"context"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// partition is a set of regions that share their domain names.
type partition struct{ regionPrefix, name, domain, dualStackDomain string }

// partitions in the order in which the prefix is compared.
var partitions = []partition{
	{"cn-", "aws-cn", "amazonaws.com.cn", "api.amazonwebservices.com.cn"},
	{"us-gov-", "aws-us-gov", "amazonaws.com", "api.aws"},
	{"eusc-", "aws-eusc", "amazonaws.eu", "api.amazonwebservices.eu"},
	{"us-iso-", "aws-iso", "c2s.ic.gov", "api.aws.ic.gov"},
	{"us-isob-", "aws-iso-b", "sc2s.sgov.gov", "api.aws.scloud"},
	{"eu-isoe-", "aws-iso-e", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"},
	{"us-isof-", "aws-iso-f", "csp.hci.ic.gov", "api.aws.hci.ic.gov"},
	{"", "aws", "amazonaws.com", "api.aws"},
}

// GlobalRegion returns the region of a partition whose endpoints serve all of it, as IAM's do.
func GlobalRegion(region string) string {
	return map[string]string{
		"aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1", "aws-eusc": "eusc-de-east-1", "aws-iso": "us-iso-east-1",
		"aws-iso-b": "us-isob-east-1", "aws-iso-e": "eu-isoe-west-1", "aws-iso-f": "us-isof-south-1", "aws": "us-east-1",
	}[Partition(region)]
}

// Partition returns the name of a region's partition, as ARNs have it.
func Partition(region string) string { return partitionOf(region).name }

func partitionOf(region string) partition {
	for _, p := range partitions {
		if strings.HasPrefix(region, p.regionPrefix) {
			return p
		}
	}
	return partitions[len(partitions)-1]
}

// variant is a kind of endpoint of a service in a partition.
type variant struct {
	service, partition string
	fips, dualStack    bool
}

// exceptions are the hosts that do not follow the rules of their partition; REGION stands for the region. Some of
// GovCloud's plain endpoints are the FIPS ones, and Secrets Manager's plain endpoints speak IPv6.
var exceptions = map[variant]string{
	{"api.ecr", "aws", true, false}:               "ecr-fips.REGION.amazonaws.com",
	{"api.ecr", "aws-us-gov", true, false}:        "ecr-fips.REGION.amazonaws.com",
	{"cloudformation", "aws-us-gov", true, false}: "cloudformation.REGION.amazonaws.com",
	{"iam", "aws", false, false}:                  "iam.amazonaws.com",
	{"iam", "aws", true, false}:                   "iam-fips.amazonaws.com",
	{"iam", "aws-us-gov", false, false}:           "iam.us-gov.amazonaws.com",
	{"iam", "aws-us-gov", true, false}:            "iam.us-gov.amazonaws.com",
	{"dynamodb", "aws-us-gov", true, false}:       "dynamodb.REGION.amazonaws.com",
	{"logs", "aws-us-gov", true, false}:           "logs.REGION.amazonaws.com",
	{"ssm", "aws-us-gov", true, false}:            "ssm.REGION.amazonaws.com",
	{"states", "aws-us-gov", false, true}:         "states-fips.REGION.api.aws",
	{"secretsmanager", "aws", false, true}:        "secretsmanager.REGION.amazonaws.com",
	{"secretsmanager", "aws", true, true}:         "secretsmanager-fips.REGION.amazonaws.com",
	{"secretsmanager", "aws-cn", false, true}:     "secretsmanager.REGION.amazonaws.com.cn",
	{"secretsmanager", "aws-us-gov", false, true}: "secretsmanager.REGION.amazonaws.com",
	{"secretsmanager", "aws-us-gov", true, true}:  "secretsmanager-fips.REGION.amazonaws.com",
}

// hostName returns AWS's own host of a service in a region. Module endpointtest compares it with the SDK's resolvers.
func hostName(service, region string, fips, dualStack bool) string {
	p := partitionOf(region)
	if host, ok := exceptions[variant{service, p.name, fips, dualStack}]; ok {
		return strings.Replace(host, "REGION", region, 1)
	}
	// The only exception of one region.
	if service == "states" && region == "us-gov-west-1" && fips && !dualStack {
		return "states.us-gov-west-1.amazonaws.com"
	}
	domain := p.domain
	if dualStack {
		domain = p.dualStackDomain
	}
	if fips {
		service += "-fips"
	}
	return service + "." + region + "." + domain
}

// The interfaces by which the sources of an aws.Config answer questions about endpoints. The SDK's clients use the
// same.
type (
	endpointSource interface {
		GetServiceBaseEndpoint(ctx context.Context, id string) (string, bool, error)
	}
	ignoreSource interface {
		GetIgnoreConfiguredEndpoints(context.Context) (bool, bool, error)
	}
	fipsSource interface {
		GetUseFIPSEndpoint(context.Context) (aws.FIPSEndpointState, bool, error)
	}
	dualStackSource interface {
		GetUseDualStackEndpoint(context.Context) (aws.DualStackEndpointState, bool, error)
	}
)

// Endpoint returns the URL of a service in a region: AWS_ENDPOINT_URL_… or the profile's, AWS_ENDPOINT_URL, or AWS's
// own by the rules of the region's partition. The error is a *RegionError.
func Endpoint(ctx context.Context, config aws.Config, s Service, region string) (string, error) {
	ignore, _ := lookUp(config, func(s ignoreSource) (bool, bool, error) { return s.GetIgnoreConfiguredEndpoints(ctx) })
	if !ignore {
		url, ok := lookUp(config, func(from endpointSource) (string, bool, error) {
			return from.GetServiceBaseEndpoint(ctx, s.ID)
		})
		if ok {
			return url, nil
		}
	}
	if url := aws.ToString(config.BaseEndpoint); url != "" {
		return url, nil
	}
	if !isRegion(region) {
		return "", &RegionError{region}
	}
	fips, _ := lookUp(
		config, func(s fipsSource) (aws.FIPSEndpointState, bool, error) { return s.GetUseFIPSEndpoint(ctx) },
	)
	dualStack, _ := lookUp(config, func(s dualStackSource) (aws.DualStackEndpointState, bool, error) {
		return s.GetUseDualStackEndpoint(ctx)
	})
	host := hostName(
		cmp.Or(s.Host, s.Name), region, fips == aws.FIPSEndpointStateEnabled, dualStack == aws.DualStackEndpointStateEnabled,
	)
	return "https://" + host, nil
}

// RegionError reports a region name that cannot be part of a host name.
type RegionError struct{ Region string }

func (e *RegionError) Error() string { return strconv.Quote(e.Region) + " is not a valid AWS region" }

// Hint names the settings that the region comes from.
func (e *RegionError) Hint() string { return "set AWS_REGION, or correct the ARN" }

// isRegion reports whether the name can be part of a host name.
func isRegion(name string) bool {
	return name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// lookUp returns the value of the first source of the configuration that has one.
func lookUp[Source, Value any](config aws.Config, get func(Source) (Value, bool, error)) (Value, bool) {
	for _, source := range config.ConfigSources {
		if s, ok := source.(Source); ok {
			if value, ok, err := get(s); ok && err == nil {
				return value, true
			}
		}
	}
	var zero Value
	return zero, false
}

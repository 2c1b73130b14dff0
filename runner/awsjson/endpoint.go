package awsjson

import (
	"context"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// partition is a set of regions that share the end of their host names.
type partition struct{ regions, name, suffix, dualStack string }

// partitions by the beginning of a region's name, the longer before the shorter.
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

// Partition is the name of a region's partition, as ARNs have it.
func Partition(region string) string { return partitionOf(region).name }

func partitionOf(region string) partition {
	for _, p := range partitions {
		if strings.HasPrefix(region, p.regions) {
			return p
		}
	}
	return partitions[len(partitions)-1]
}

// What the sources of an AWS configuration may know about endpoints. The SDK's own clients ask for the same.
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
	ignore, _ := first(config, func(s ignoreSource) (bool, bool, error) { return s.GetIgnoreConfiguredEndpoints(ctx) })
	if !ignore {
		if url, ok := first(config, func(from endpointSource) (string, bool, error) { return from.GetServiceBaseEndpoint(ctx, s.ID) }); ok {
			return url, nil
		}
	}
	if url := aws.ToString(config.BaseEndpoint); url != "" {
		return url, nil
	}
	fips, _ := first(config, func(s fipsSource) (aws.FIPSEndpointState, bool, error) { return s.GetUseFIPSEndpoint(ctx) })
	dual, _ := first(config, func(s dualStackSource) (aws.DualStackEndpointState, bool, error) {
		return s.GetUseDualStackEndpoint(ctx)
	})
	p := partitionOf(region)
	host, suffix := s.Name, p.suffix
	if dual == aws.DualStackEndpointStateEnabled {
		suffix = p.dualStack
	}
	// GovCloud's endpoint of Parameter Store is FIPS's already, and has no name of its own for it.
	if fips == aws.FIPSEndpointStateEnabled && !(s.Name == "ssm" && p.name == "aws-us-gov" && suffix == p.suffix) {
		host += "-fips"
	}
	if !isRegion(region) {
		return "", &RegionError{region}
	}
	return "https://" + host + "." + region + "." + suffix, nil
}

// RegionError says that a region cannot be one: it would be part of a host name.
type RegionError struct{ Region string }

func (e *RegionError) Error() string { return strconv.Quote(e.Region) + " is no region" }

// Hint says where it comes from.
func (e *RegionError) Hint() string { return "set AWS_REGION, or correct the ARN" }

// isRegion reports whether the name can stand in a host name.
func isRegion(name string) bool {
	return name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// first asks the sources of the configuration in their order until one knows.
func first[Source, Value any](config aws.Config, ask func(Source) (Value, bool, error)) (Value, bool) {
	for _, source := range config.ConfigSources {
		if s, ok := source.(Source); ok {
			if value, ok, err := ask(s); ok && err == nil {
				return value, true
			}
		}
	}
	var none Value
	return none, false
}

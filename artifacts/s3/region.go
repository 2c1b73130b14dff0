package s3

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithyauth "github.com/aws/smithy-go/auth"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/carlin-cicd/runner/artifacts"
)

// address is where the requests for a bucket go, and what their signatures are for.
type address struct {
	endpoint        url.URL // of the bucket
	service, region string
}

// resolveAddress applies the SDK's rules for endpoints.
func resolveAddress(ctx context.Context, o s3.Options, bucket string) (*address, error) {
	endpoint, err := o.EndpointResolverV2.ResolveEndpoint(ctx, s3.EndpointParameters{
		Bucket: &bucket, Region: &o.Region, Endpoint: o.BaseEndpoint,
		ForcePathStyle: &o.UsePathStyle, Accelerate: &o.UseAccelerate, UseArnRegion: &o.UseARNRegion,
		DisableMultiRegionAccessPoints: &o.DisableMultiRegionAccessPoints,
		UseFIPS:                        aws.Bool(o.EndpointOptions.UseFIPSEndpoint == aws.FIPSEndpointStateEnabled),
		UseDualStack: aws.Bool(
			o.EndpointOptions.UseDualStackEndpoint == aws.DualStackEndpointStateEnabled,
		),
	}.WithDefaults())
	location := "s3://" + bucket
	switch {
	case err != nil && o.Region == "":
		return nil, &artifacts.LocationError{
			Location: location, Reason: "no region is set", Err: err, Advice: "set AWS_REGION",
		}
	case err != nil:
		return nil, &artifacts.LocationError{Location: location, Reason: err.Error(), Err: err}
	}
	a := &address{endpoint: endpoint.URI, service: "s3", region: o.Region}
	if options, ok := smithyauth.GetAuthOptions(&endpoint.Properties); ok && len(options) > 0 {
		if name, ok := smithyhttp.GetSigV4SigningName(&options[0].SignerProperties); ok && name != "" {
			a.service = name
		}
		if region, ok := smithyhttp.GetSigV4SigningRegion(&options[0].SignerProperties); ok && region != "" {
			a.region = region
		}
	}
	if a.service == "s3express" {
		return nil, &artifacts.LocationError{
			Location: location, Reason: "it is a directory bucket of S3 Express, which needs sessions",
			Advice: "use a general purpose bucket",
		}
	}
	return a, nil
}

// sdkClient is the SDK's client for a region.
type sdkClient struct {
	*s3.Client
	region string
}

func (s *Store) newSDKClient(region string) *s3.Client {
	config := s.config
	config.Region = region
	return s3.NewFromConfig(config, func(c *s3.Options) {
		c.UsePathStyle = c.BaseEndpoint != nil // services other than AWS seldom have host names per bucket
		c.ContinueHeaderThresholdBytes = -1    // 100-continue would cost a round trip per part
		c.DisableLogOutputChecksumValidationSkipped = true
	})
}

// follow moves the store to the region that S3 names as the bucket's.
func (s *Store) follow(ctx context.Context, region string) error {
	s.moving.Lock()
	defer s.moving.Unlock()
	if s.sdk.Load().region == region {
		return nil
	}
	client := s.newSDKClient(region)
	address, err := resolveAddress(ctx, client.Options(), s.bucket)
	if err != nil {
		return err
	}
	s.rest.address.Store(address)
	s.sdk.Store(&sdkClient{client, region})
	return nil
}

// withSDK calls an operation of the SDK, and repeats it if S3 names another region as the bucket's.
func (s *Store) withSDK(ctx context.Context, operation func(*s3.Client) error) error {
	client := s.sdk.Load()
	err := operation(client.Client)
	var response *awshttp.ResponseError
	if !errors.As(err, &response) || response.HTTPResponse() == nil {
		return err
	}
	region := response.HTTPResponse().Header.Get("X-Amz-Bucket-Region")
	if !isOtherRegion(response.HTTPStatusCode(), region, client.region) || s.follow(ctx, region) != nil {
		return err
	}
	return operation(s.sdk.Load().Client)
}

// isOtherRegion reports whether a response says that the bucket is in another region than that of the request.
func isOtherRegion(status int, region, requested string) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusTemporaryRedirect, http.StatusBadRequest:
		return region != "" && region != requested &&
			strings.Trim(region, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
	}
	return false
}

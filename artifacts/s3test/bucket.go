package s3test

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/carlin-cicd/runner/runner/awstest"
)

// Bucket is a new bucket on a server.
type Bucket struct {
	Server    string // name for a subtest: "moto", "moto versioned", "versitygw", "versitygw versioned"
	Versioned bool
	Name      string
	Endpoint  string // for AWS_ENDPOINT_URL
}

// Buckets returns an empty bucket on each server. The servers of versitygw end with the test.
func Buckets(tb testing.TB) []Bucket {
	tb.Helper()
	moto := awstest.Moto(tb).Endpoint
	buckets := []Bucket{
		{Server: "moto", Endpoint: moto},
		{Server: "moto versioned", Endpoint: moto, Versioned: true},
		{Server: "versitygw", Endpoint: Versity(tb, false)},
		{Server: "versitygw versioned", Endpoint: Versity(tb, true), Versioned: true},
	}
	for i := range buckets {
		buckets[i].Name = "t-" + strings.ToLower(rand.Text())
		buckets[i].create(tb)
	}
	return buckets
}

func (b Bucket) create(tb testing.TB) {
	tb.Helper()
	client := b.Client()
	_, err := client.CreateBucket(tb.Context(), &s3.CreateBucketInput{
		Bucket:                    &b.Name,
		CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: Region},
	})
	if err == nil && b.Versioned {
		_, err = client.PutBucketVersioning(tb.Context(), &s3.PutBucketVersioningInput{
			Bucket:                  &b.Name,
			VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
		})
	}
	if err != nil {
		tb.Fatalf("%s: %v", b.Server, err)
	}
}

// At is the same bucket through a proxy.
func (b Bucket) At(p *Proxy) Bucket {
	b.Endpoint = p.URL
	return b
}

// Environment is what a program needs to reach the bucket's server, as NAME=value, without the user's own AWS
// configuration.
func (b Bucket) Environment() []string { return awstest.AWS{Endpoint: b.Endpoint}.Environment() }

// Setenv sets the environment of a test, which must not be parallel.
func (b Bucket) Setenv(t *testing.T) {
	t.Helper()
	for _, entry := range b.Environment() {
		name, value, _ := strings.Cut(entry, "=")
		t.Setenv(name, value)
	}
}

// Client is a client of the SDK without retries, to inspect the bucket independently of the store.
func (b Bucket) Client() *s3.Client {
	return s3.New(s3.Options{
		Region: Region, BaseEndpoint: &b.Endpoint, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(AccessKeyID, SecretAccessKey, ""),
		HTTPClient:  &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}},
		Retryer:     aws.NopRetryer{},
	})
}

// Keys returns the keys of the bucket's objects, sorted.
func (b Bucket) Keys(tb testing.TB) []string {
	tb.Helper()
	var keys []string
	pages := s3.NewListObjectsV2Paginator(b.Client(), &s3.ListObjectsV2Input{Bucket: &b.Name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(context.Background())
		if err != nil {
			tb.Fatal(err)
		}
		for _, o := range page.Contents {
			keys = append(keys, *o.Key)
		}
	}
	return keys
}

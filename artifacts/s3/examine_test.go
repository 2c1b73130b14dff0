package s3

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/artifactstest"
	"github.com/carlin-cicd/runner/artifacts/s3test"
)

func findings(found []artifacts.Finding) string {
	var b strings.Builder
	for _, f := range found {
		fmt.Fprintf(&b, "%s %s\n", f.Severity, f.Subject)
		if (f.Advice == "") != (f.Severity == artifacts.OK) {
			fmt.Fprintf(&b, "advice for %q is %q\n", f.Problem, f.Advice)
		}
	}
	return b.String()
}

func TestExamine(t *testing.T) {
	b := s3test.Buckets(t)[1]
	s, client := inBucket(t, b, "team"), b.Client()
	_, err := client.DeleteBucketEncryption(t.Context(), &s3.DeleteBucketEncryptionInput{Bucket: &b.Name})
	artifactstest.Must(t, err)
	if got, want := findings(s.Examine(t.Context())), "ok artifacts\nwarning encryption\nwarning transport\nok versioning\n"; got != want {
		t.Errorf("a bare bucket:\n%s", got)
	}
	_, err = client.PutBucketEncryption(
		t.Context(),
		&s3.PutBucketEncryptionInput{
			Bucket: &b.Name,
			ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{
				Rules: []types.ServerSideEncryptionRule{
					{
						ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{
							SSEAlgorithm: types.ServerSideEncryptionAes256,
						},
					},
				},
			},
		},
	)
	artifactstest.Must(t, err)
	_, err = client.PutBucketPolicy(
		t.Context(),
		&s3.PutBucketPolicyInput{Bucket: &b.Name, Policy: aws.String(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::` + b.Name + `/another/place/*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`)},
	)
	artifactstest.Must(t, err)
	if got, want := findings(s.Examine(t.Context())), "ok artifacts\nok encryption\nok transport\nok versioning\n"; got != want {
		t.Errorf("a bucket as it should be:\n%s", got)
	}
	if left := objects(t, s, client); len(left) > 0 {
		t.Errorf("the examination leaves %v", left)
	}
	b.Name += "-not"
	if got := inBucket(t, b, "").Examine(t.Context()); findings(got) != "failure artifacts\n" ||
		!strings.Contains(got[0].Advice, "create the bucket") {
		t.Errorf("no bucket: %v", got)
	}
}

func TestList(t *testing.T) {
	everyBucket(t, func(t *testing.T, s *Store, _ *s3.Client) {
		set := artifactstest.CoverageSet("a/b", artifactstest.SHA1, artifactstest.Files{"x": "1"}.Dir(t))
		artifactstest.Publish(t, s, set)
		sets, err := artifacts.ListSets(t.Context(), s, "", "")
		if err != nil || len(sets) != 1 || sets[0].Kind != "coverage" || sets[0].Ref != set.Ref {
			t.Errorf("%v, %v", sets, err)
		}
	})
}

func TestPoliciesThatDenyPlainHTTP(t *testing.T) {
	for policy, want := range map[string]bool{
		`{"Statement":{"Effect":"Deny","Condition":{"Bool":{"aws:SecureTransport":false}}}}`:                                  true,
		`{"Statement":[{"Effect":"Allow"},{"Effect":"Deny","Condition":{"BoolIfExists":{"AWS:securetransport":["false"]}}}]}`: true,
		`{"Statement":[{"Effect":"Allow","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`:                             false,
		`{"Statement":[{"Effect":"Deny","Condition":{"Bool":{"aws:SecureTransport":"true"}}}]}`:                               false,
		`no policy`: false,
	} {
		if got := deniesPlainHTTP(policy); got != want {
			t.Errorf("%s: %v", policy, got)
		}
	}
}

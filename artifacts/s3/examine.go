package s3

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/carlin-cicd/runner/artifacts"
)

// List implements artifacts.Lister.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[artifacts.Entry, error] {
	return func(yield func(artifacts.Entry, error) bool) {
		in := &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: aws.String(s.key(prefix))}
		if s.options.BucketOwner != "" {
			in.ExpectedBucketOwner = &s.options.BucketOwner
		}
		pages := s3.NewListObjectsV2Paginator(s.client, in)
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(artifacts.Entry{}, s.contextOrError(ctx, "list", prefix, err))
				return
			}
			for _, o := range page.Contents {
				key := strings.TrimPrefix(aws.ToString(o.Key), s.key(""))
				if !yield(artifacts.Entry{Key: key, Size: aws.ToInt64(o.Size), Modified: aws.ToTime(o.LastModified)}, nil) {
					return
				}
			}
		}
	}
}

// Examine implements artifacts.Examiner. The bucket's configuration causes warnings at most: reading it takes
// permissions that no step needs.
func (s *Store) Examine(ctx context.Context) []artifacts.Finding {
	const subject = "artifacts"
	place := s.Locate("")
	if err := artifacts.Probe(ctx, s); err != nil {
		return []artifacts.Finding{{Subject: subject, Problem: err.Error(), Advice: hintOf(err), Severity: artifacts.Failure}}
	}
	found := []artifacts.Finding{{Subject: subject, Problem: place + " can be written, read and cleared", Advice: "", Severity: artifacts.OK}}
	if u := s.rest.endpoint; u.Scheme != "https" && !isLoopback(u.Hostname()) {
		found = append(found, artifacts.Finding{Subject: subject, Problem: "what is sent to " + u.Host + " is not encrypted", Advice: "give AWS_ENDPOINT_URL an address that begins with https", Severity: artifacts.Warning})
	}
	return append(found, s.encryption(ctx), s.transport(ctx), s.versioning(ctx))
}

// hintOf returns the hint of the first error in the chain that has one.
func hintOf(err error) string {
	var hinted interface {
		error
		Hint() string
	}
	if errors.As(err, &hinted) {
		return hinted.Hint()
	}
	return ""
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// unchecked is the finding for a setting that may not be read.
func unchecked(subject, what, action string, err error) artifacts.Finding {
	return artifacts.Finding{Subject: subject, Problem: fmt.Sprintf("could not check whether %s: %v", what, err), Advice: "allow " + action + ", or check the bucket's settings", Severity: artifacts.Warning}
}

func (s *Store) encryption(ctx context.Context) artifacts.Finding {
	const subject = "encryption"
	out, err := s.client.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: &s.bucket})
	if err != nil && !isCode(err, "ServerSideEncryptionConfigurationNotFoundError") {
		return unchecked(subject, s.bucket+" encrypts by default", "s3:GetEncryptionConfiguration", s.explain("get", err))
	}
	if err == nil && out.ServerSideEncryptionConfiguration != nil {
		for _, r := range out.ServerSideEncryptionConfiguration.Rules {
			if r.ApplyServerSideEncryptionByDefault != nil {
				return artifacts.Finding{Subject: subject, Problem: fmt.Sprintf("%s encrypts by default with %s", s.bucket, r.ApplyServerSideEncryptionByDefault.SSEAlgorithm), Advice: "", Severity: artifacts.OK}
			}
		}
	}
	return artifacts.Finding{Subject: subject, Problem: s.bucket + " does not encrypt by default", Advice: "set its default encryption, or RUNNER_S3_ENCRYPTION", Severity: artifacts.Warning}
}

func (s *Store) versioning(ctx context.Context) artifacts.Finding {
	const subject = "versioning"
	out, err := s.client.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &s.bucket})
	switch {
	case err != nil:
		return unchecked(subject, s.bucket+" is versioned", "s3:GetBucketVersioning", s.explain("get", err))
	case out.Status != types.BucketVersioningStatusEnabled:
		return artifacts.Finding{Subject: subject, Problem: s.bucket + " is not versioned: a set is gone while it is published anew", Advice: "enable versioning, with a rule that expires old versions", Severity: artifacts.Warning}
	}
	return artifacts.Finding{Subject: subject, Problem: s.bucket + " is versioned", Advice: "", Severity: artifacts.OK}
}

// transport checks for a policy that denies requests without TLS.
func (s *Store) transport(ctx context.Context) artifacts.Finding {
	const subject = "transport"
	out, err := s.client.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: &s.bucket})
	bare := artifacts.Finding{Subject: subject, Problem: s.bucket + " takes requests without TLS", Advice: `add a statement to its policy that denies s3:* when aws:SecureTransport is "false"`, Severity: artifacts.Warning}
	if isCode(err, "NoSuchBucketPolicy") {
		return bare
	}
	if err != nil {
		return unchecked(subject, s.bucket+" is for TLS only", "s3:GetBucketPolicy", s.explain("get", err))
	}
	if deniesPlainHTTP(aws.ToString(out.Policy)) {
		return artifacts.Finding{Subject: subject, Problem: s.bucket + " is for TLS only", Advice: "", Severity: artifacts.OK}
	}
	return bare
}

// deniesPlainHTTP looks for {"Effect":"Deny","Condition":{"Bool":{"aws:SecureTransport":"false"}}}. IAM accepts a
// single statement in place of a list, and a string in place of a boolean.
func deniesPlainHTTP(policy string) bool {
	type statement struct {
		Effect    string
		Condition map[string]map[string]any
	}
	var many struct{ Statement []statement }
	var one struct{ Statement statement }
	if json.Unmarshal([]byte(policy), &many) != nil {
		if json.Unmarshal([]byte(policy), &one) != nil {
			return false
		}
		many.Statement = []statement{one.Statement}
	}
	for _, s := range many.Statement {
		for operator, keys := range s.Condition {
			for key, value := range keys {
				if s.Effect == "Deny" && strings.HasPrefix(operator, "Bool") && strings.EqualFold(key, "aws:SecureTransport") &&
					strings.Contains(strings.ToLower(fmt.Sprint(value)), "false") {
					return true
				}
			}
		}
	}
	return false
}

package s3

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/carlin-cicd/runner/artifacts"
)

// List implements artifacts.Lister.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[artifacts.Entry, error] {
	return func(yield func(artifacts.Entry, error) bool) {
		in := &s3.ListObjectsV2Input{
			Bucket: &s.bucket, Prefix: aws.String(s.key(prefix)), ExpectedBucketOwner: s.owner(),
			EncodingType: types.EncodingTypeUrl, // XML cannot hold every key
		}
		for {
			var page *s3.ListObjectsV2Output
			err := s.withSDK(ctx, func(c *s3.Client) (err error) {
				page, err = c.ListObjectsV2(ctx, in)
				return err
			})
			if err != nil {
				yield(artifacts.Entry{}, s.contextOrError(ctx, "list", prefix, err))
				return
			}
			for _, o := range page.Contents {
				e := artifacts.Entry{
					Key:  strings.TrimPrefix(decodeKey(aws.ToString(o.Key), page.EncodingType), s.key("")),
					Size: aws.ToInt64(o.Size), Modified: aws.ToTime(o.LastModified),
				}
				if !yield(e, nil) {
					return
				}
			}
			if in.ContinuationToken = page.NextContinuationToken; !aws.ToBool(page.IsTruncated) ||
				in.ContinuationToken == nil {
				return
			}
		}
	}
}

// isAbsent reports whether a read that S3 refused was of an object that does not exist. S3 says so only to those who may
// list the whole bucket; who may list a prefix, as tasks of pull requests from forks, is refused, and looks for the key.
func (s *Store) isAbsent(ctx context.Context, key string) bool {
	for e, err := range s.List(ctx, key) {
		return err == nil && e.Key != key // it would be the first
	}
	return true
}

// decodeKey decodes a key of a listing, if the service has encoded it.
func decodeKey(key string, encoding types.EncodingType) string {
	if encoding != types.EncodingTypeUrl {
		return key
	}
	decoded, err := url.QueryUnescape(key)
	if err != nil {
		return key
	}
	return decoded
}

// Examine implements artifacts.Examiner. The bucket's configuration causes warnings at most: reading it takes
// permissions that no step needs.
func (s *Store) Examine(ctx context.Context) []artifacts.Finding {
	const subject = "artifacts"
	if err := artifacts.Probe(ctx, s); err != nil {
		return []artifacts.Finding{{
			Subject: subject, Problem: err.Error(), Advice: hintOf(err), Severity: artifacts.Failure,
		}}
	}
	found := []artifacts.Finding{ok(subject, s.Locate("")+" can be written, read and cleared")}
	if u := s.rest.address.Load().endpoint; u.Scheme != "https" && !isLoopback(u.Hostname()) {
		found = append(found, warning(subject, "what is sent to "+u.Host+" is not encrypted",
			"give AWS_ENDPOINT_URL an address that begins with https"))
	}
	return append(found, s.encryption(ctx), s.transport(ctx), s.versioning(ctx))
}

func ok(subject, what string) artifacts.Finding {
	return artifacts.Finding{Subject: subject, Problem: what, Severity: artifacts.OK}
}

func warning(subject, problem, advice string) artifacts.Finding {
	return artifacts.Finding{Subject: subject, Problem: problem, Advice: advice, Severity: artifacts.Warning}
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
func (s *Store) unchecked(ctx context.Context, subject, what, action string, err error) artifacts.Finding {
	return warning(subject, fmt.Sprintf("could not check whether %s %s: %v", s.bucket, what, s.explain(ctx, "", err)),
		"allow "+action+", or check the bucket's settings")
}

func (s *Store) encryption(ctx context.Context) artifacts.Finding {
	const subject = "encryption"
	var out *s3.GetBucketEncryptionOutput
	err := s.withSDK(ctx, func(c *s3.Client) (err error) {
		out, err = c.GetBucketEncryption(
			ctx,
			&s3.GetBucketEncryptionInput{Bucket: &s.bucket, ExpectedBucketOwner: s.owner()},
		)
		return err
	})
	if err != nil && !isCode(err, "ServerSideEncryptionConfigurationNotFoundError") {
		return s.unchecked(ctx, subject, "encrypts by default", "s3:GetEncryptionConfiguration", err)
	}
	if err == nil && out.ServerSideEncryptionConfiguration != nil {
		for _, r := range out.ServerSideEncryptionConfiguration.Rules {
			if d := r.ApplyServerSideEncryptionByDefault; d != nil {
				return ok(subject, fmt.Sprintf("%s encrypts by default with %s", s.bucket, d.SSEAlgorithm))
			}
		}
	}
	return warning(
		subject,
		s.bucket+" does not encrypt by default",
		"set its default encryption, or RUNNER_S3_ENCRYPTION",
	)
}

func (s *Store) versioning(ctx context.Context) artifacts.Finding {
	const subject = "versioning"
	var out *s3.GetBucketVersioningOutput
	err := s.withSDK(ctx, func(c *s3.Client) (err error) {
		out, err = c.GetBucketVersioning(
			ctx,
			&s3.GetBucketVersioningInput{Bucket: &s.bucket, ExpectedBucketOwner: s.owner()},
		)
		return err
	})
	switch {
	case err != nil:
		return s.unchecked(ctx, subject, "is versioned", "s3:GetBucketVersioning", err)
	case out.Status != types.BucketVersioningStatusEnabled:
		return warning(subject, s.bucket+" is not versioned: a set is gone while it is published anew",
			"enable versioning, with a rule that expires old versions")
	}
	return ok(subject, s.bucket+" is versioned")
}

// transport checks for a policy that denies requests without TLS.
func (s *Store) transport(ctx context.Context) artifacts.Finding {
	const subject = "transport"
	policy, err := s.policy(ctx)
	switch {
	case err == nil && deniesPlainHTTP(policy):
		return ok(subject, s.bucket+" is for TLS only")
	case err == nil, isCode(err, "NoSuchBucketPolicy"):
		return warning(subject, s.bucket+" takes requests without TLS",
			`add a statement to its policy that denies s3:* when aws:SecureTransport is "false"`)
	}
	return s.unchecked(ctx, subject, "is for TLS only", "s3:GetBucketPolicy", err)
}

// policy returns the bucket's policy in JSON.
func (s *Store) policy(ctx context.Context) (string, error) {
	var out *s3.GetBucketPolicyOutput
	err := s.withSDK(ctx, func(c *s3.Client) (err error) {
		out, err = c.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: &s.bucket, ExpectedBucketOwner: s.owner()})
		return err
	})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.Policy), nil
}

// deniesPlainHTTP looks for {"Effect":"Deny","Condition":{"Bool":{"aws:SecureTransport":"false"}}}.
func deniesPlainHTTP(policy string) bool {
	for _, s := range parsePolicy(policy) {
		for operator, conditions := range s.Condition {
			for key, value := range conditions {
				if s.Effect == "Deny" && strings.HasPrefix(operator, "Bool") &&
					strings.EqualFold(
						key,
						"aws:SecureTransport",
					) && strings.Contains(strings.ToLower(fmt.Sprint(value)), "false") {
					return true
				}
			}
		}
	}
	return false
}

package s3

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/carlin-cicd/runner/artifacts/credentials"
)

// APIError is an error response of S3.
type APIError struct {
	Code      string // S3's, e.g. "AccessDenied"
	Message   string
	Status    int // of HTTP; 0 without a response
	RequestID string
	Region    string // of the bucket, if the response has it

	requested string    // the region of the request
	date      time.Time // of the response, by the service's clock
	hint      string
	err       error
}

func (e *APIError) Error() string {
	text := e.Code
	if e.Message != "" {
		text += ": " + strings.TrimSuffix(e.Message, ".")
	}
	if e.RequestID != "" {
		text += " (request " + e.RequestID + ")"
	}
	return text
}

// Hint says what to do next.
func (e *APIError) Hint() string { return e.hint }

func (e *APIError) Unwrap() error { return e.err }

// ErrorCode, like ErrorMessage, ErrorFault and HTTPStatusCode, is for the SDK's classification of retryable errors.
func (e *APIError) ErrorCode() string { return e.Code }

// ErrorMessage returns the service's message.
func (e *APIError) ErrorMessage() string { return e.Message }

// ErrorFault classifies the error by its status.
func (e *APIError) ErrorFault() smithy.ErrorFault {
	switch e.Status / 100 {
	case 4:
		return smithy.FaultClient
	case 5:
		return smithy.FaultServer
	}
	return smithy.FaultUnknown
}

// HTTPStatusCode is 0 without a response.
func (e *APIError) HTTPStatusCode() int { return e.Status }

func (e *APIError) expired() bool {
	switch e.Code {
	case "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired":
		return true
	}
	return false
}

func (e *APIError) skewed() bool { return e.Code == "RequestTimeTooSkewed" }

// connectionError is a request without a response.
type connectionError struct{ err error }

func (e *connectionError) Error() string {
	var sent *url.Error
	if errors.As(e.err, &sent) {
		return sent.Err.Error() // without the URL, as the message names the object
	}
	return e.err.Error()
}

func (e *connectionError) Unwrap() error { return e.err }

// Hint says what to do next.
func (e *connectionError) Hint() string {
	var name *net.DNSError
	if errors.As(e.err, &name) {
		return fmt.Sprintf("check AWS_REGION and AWS_ENDPOINT_URL: there is no host %s from here", name.Name)
	}
	if isCertificate(e.err) {
		return "the certificate is not trusted here: set AWS_CA_BUNDLE to a file with its authority, or correct " +
			"AWS_ENDPOINT_URL"
	}
	return "check that the network lets this machine reach S3: a NAT gateway or a VPC endpoint, the security group's " +
		"egress, HTTPS_PROXY"
}

func isConnection(err error) bool {
	var c *connectionError
	return errors.As(err, &c)
}

// isTransient reports whether the same request may succeed later, by the SDK's classification.
func isTransient(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return false
	}
	return isConnection(err) && !isCertificate(err) || isThrottle(err) || isCode(err, corruptedInTransit...) ||
		retry.IsErrorRetryables(retry.DefaultRetryables).IsErrorRetryable(err) == aws.TrueTernary
}

// corruptedInTransit are the errors for a body that differs from what was signed.
var corruptedInTransit = []string{"XAmzContentSHA256Mismatch", "BadDigest", "InvalidDigest", "IncompleteBody"}

func isCertificate(err error) bool {
	var unverified *tls.CertificateVerificationError
	return errors.As(err, &unverified)
}

// isThrottle reports whether the service asks for fewer requests.
func isThrottle(err error) bool {
	if err == nil {
		return false
	}
	var status interface{ HTTPStatusCode() int }
	if errors.As(err, &status) {
		switch status.HTTPStatusCode() {
		case http.StatusServiceUnavailable, http.StatusTooManyRequests:
			return true
		}
	}
	return retry.IsErrorThrottles(retry.DefaultThrottles).IsErrorThrottle(err) == aws.TrueTernary
}

func isCode(err error, codes ...string) bool {
	var api smithy.APIError
	return errors.As(err, &api) && slices.Contains(codes, api.ErrorCode())
}

// isDenied reports whether the service knows the caller and refuses the operation.
func isDenied(err error) bool {
	return isCode(err, "AccessDenied", "AllAccessDisabled", "Forbidden", "HTTP 403")
}

// isMissing reports whether the object does not exist, as opposed to the bucket.
func isMissing(err error) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	var status interface{ HTTPStatusCode() int }
	return isCode(
		err,
		"NoSuchKey",
		"NoSuchVersion",
		"NotFound",
		"MethodNotAllowed",
	) || // the last is for a delete marker
		api.ErrorCode() != "NoSuchBucket" && errors.As(err, &status) && status.HTTPStatusCode() == http.StatusNotFound
}

// actions are the IAM actions of a store's operations.
var actions = map[string]string{
	"put": "s3:PutObject", "get": "s3:GetObject", "delete": "s3:DeleteObject", "list": "s3:ListBucket",
	"list unfinished uploads of":     "s3:ListBucketMultipartUploads",
	"abort the unfinished upload of": "s3:AbortMultipartUpload",
	"read the tags of":               "s3:GetObjectTagging", "tag": "s3:PutObjectTagging",
}

// explain adds a hint to an error of the service. Other errors are returned as they are.
func (s *Store) explain(ctx context.Context, op string, err error) error {
	var unsigned *credentials.Error
	if errors.As(err, &unsigned) {
		return unsigned
	}
	var api smithy.APIError
	if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) || !errors.As(err, &api) {
		var sent *smithy.OperationError
		if errors.As(err, &sent) {
			return &connectionError{sent.Err}
		}
		return err
	}
	e := &APIError{Code: api.ErrorCode(), Message: api.ErrorMessage(), err: err}
	var ours *APIError
	if errors.As(err, &ours) {
		*e = *ours
	}
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		e.Status, e.RequestID = response.HTTPStatusCode(), response.ServiceRequestID()
		if r := response.HTTPResponse(); r != nil && e.Region == "" {
			e.Region = r.Header.Get("X-Amz-Bucket-Region")
		}
	}
	if e.hint = hints[e.Code]; e.hint == "" {
		e.hint = s.hint(ctx, op, e)
	}
	return e
}

const (
	hintExpired = "the credentials have expired: get new ones, or let the task's role provide them"
	hintInvalid = "the credentials are not valid for this service: check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and " +
		"AWS_SESSION_TOKEN"
	hintKey      = "check the key in RUNNER_S3_KMS_KEY, or the bucket's default"
	hintChecksum = "the service does not support what this request uses: set " +
		"AWS_REQUEST_CHECKSUM_CALCULATION=when_required; artifacts/README.md lists what else it needs"
)

// hints are for errors whose advice depends on nothing but the code.
var hints = map[string]string{
	"ExpiredToken": hintExpired, "ExpiredTokenException": hintExpired, "TokenRefreshRequired": hintExpired,
	"InvalidAccessKeyId": hintInvalid, "SignatureDoesNotMatch": hintInvalid, "InvalidToken": hintInvalid,
	"InvalidClientTokenId":  hintInvalid,
	"RequestTimeTooSkewed":  "the clock of this machine is wrong: set it",
	"KMS.DisabledException": hintKey, "KMS.NotFoundException": hintKey, "KMS.KMSInvalidStateException": hintKey,
	"NotImplemented": hintChecksum,
	"EntityTooLarge": "S3 accepts objects of 5 TiB at most",
}

// hint is advice for errors that depend on the request.
func (s *Store) hint(ctx context.Context, op string, e *APIError) string {
	switch e.Code {
	case "AccessDenied", "AllAccessDisabled", "Forbidden", "HTTP 403":
		if m := explicitDeny.FindStringSubmatch(e.Message); m != nil {
			return s.denyHint(ctx, op, m[1])
		}
		return s.allowHint(op, e)
	case "NoSuchBucket":
		return fmt.Sprintf("create the bucket %s, or correct ARTIFACT_BUCKET", s.bucket)
	case "PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException",
		"HTTP 301", "HTTP 307":
		if e.Region != "" {
			return fmt.Sprintf("the bucket %s is in %s: set AWS_REGION=%s", s.bucket, e.Region, e.Region)
		}
		region := s.rest.address.Load().region
		return fmt.Sprintf("the bucket %s is in another region than %s: set AWS_REGION", s.bucket, region)
	case "InvalidArgument", "InvalidRequest":
		if s.checksums && strings.Contains(strings.ToLower(e.Message), "checksum") {
			return hintChecksum
		}
	}
	return ""
}

// allowHint names the permissions that an operation needs.
func (s *Store) allowHint(op string, e *APIError) string {
	bucket := "arn:aws:s3:::" + s.bucket
	objects := "arn:aws:s3:::" + strings.TrimSuffix(s.bucket+"/"+s.prefix, "/") + "/*"
	action := actions[op]
	owner := ""
	if s.options.BucketOwner != "" {
		owner = "; check that RUNNER_S3_BUCKET_OWNER is the bucket's account"
	}
	switch {
	case op == "get":
		// S3 responds the same for a missing object if the caller may not list the bucket.
		const text = "allow s3:GetObject and s3:GetObjectVersion on %s and s3:ListBucket on %s%s"
		return fmt.Sprintf(text, objects, bucket, owner)
	case op == "put" && (s.options.Encryption == "aws:kms" || strings.Contains(e.Message, "kms")):
		return fmt.Sprintf(
			"allow s3:PutObject on %s, and kms:GenerateDataKey and kms:Decrypt on the key%s",
			objects,
			owner,
		)
	case strings.HasPrefix(action, "s3:List"):
		return fmt.Sprintf("allow %s on %s%s", action, bucket, owner)
	case action == "":
		return ""
	}
	return fmt.Sprintf("allow %s on %s%s", action, objects, owner)
}

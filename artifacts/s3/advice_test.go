package s3

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/carlin-cicd/runner/artifacts/artifactstest"
	"github.com/carlin-cicd/runner/artifacts/credentials"
	"github.com/carlin-cicd/runner/artifacts/s3test"
)

const profiles = `
[profile sso]
sso_session = corp
sso_account_id = 123456789012
sso_role_name = dev
[sso-session corp]
sso_start_url = https://corp.awsapps.com/start
sso_region = us-east-1
sso_registration_scopes = sso:account:access
[profile old-sso]
sso_start_url = https://corp.awsapps.com/start
sso_region = us-east-1
sso_account_id = 123456789012
sso_role_name = dev
[profile login]
login_session = arn:aws:iam::123456789012:user/dev
[profile process]
credential_process = /bin/sh -c "echo vault is sealed >&2; exit 3"
[profile mfa]
role_arn = arn:aws:iam::123456789012:role/deploy
source_profile = base
mfa_serial = arn:aws:iam::123456789012:mfa/dev
[profile role]
role_arn = arn:aws:iam::123456789012:role/deploy
source_profile = base
[profile base]
aws_access_key_id = AKID
aws_secret_access_key = secret
[profile web]
role_arn = arn:aws:iam::123456789012:role/deploy
web_identity_token_file = /nonexistent/token
`

// Errors of credentials differ from those of a network or a bucket that cannot be reached, and have advice of their
// own, by a request of the REST client and by one of the SDK alike.
func TestCredentialsThatCannotBeHad(t *testing.T) {
	sts := s3test.Null{}
	denied := s3test.NewProxy(t, sts.Start(t), s3test.Rule{Fault: s3test.Respond(s3test.AccessDenied)})
	for _, tt := range []struct{ profile, hint string }{
		{"sso", "aws sso login"},
		{"old-sso", "aws sso login"},
		{"login", "aws login"},
		{"process", "credential_process"},
		{"mfa", "MFA"},
		{"nosuch", `no profile "nosuch"`},
		{"web", "AWS_WEB_IDENTITY_TOKEN_FILE"},
		{"role", "sts:AssumeRole"},
		{"", "give the task a role"},
	} {
		t.Run(tt.profile, func(t *testing.T) {
			noUserSettings(t)
			file := filepath.Join(t.TempDir(), "config")
			artifactstest.Must(t, os.WriteFile(file, []byte(profiles), 0o600))
			t.Setenv("AWS_CONFIG_FILE", file)
			t.Setenv("HOME", t.TempDir())
			t.Setenv("AWS_REGION", s3test.Region)
			t.Setenv("AWS_PROFILE", tt.profile)
			t.Setenv("AWS_ENDPOINT_URL_STS", denied.URL)
			t.Setenv("AWS_MAX_ATTEMPTS", "1")
			cfg, err := config.LoadDefaultConfig(t.Context())
			if err != nil {
				if hint := credentials.Hint(err); !strings.Contains(hint, tt.hint) {
					t.Errorf("%v, hint %q", err, hint)
				}
				return
			}
			s, err := New(t.Context(), cfg, "bucket", "", Options{})
			artifactstest.Must(t, err)
			_, err = s.Put(t.Context(), artifactstest.Object("k", "v"))
			checkAdvice(t, "put", err, tt.hint)
			for _, err := range s.List(t.Context(), "") {
				checkAdvice(t, "list", err, tt.hint)
			}
			checkAdvice(t, "delete", s.Delete(t.Context(), "a", "b"), tt.hint)
		})
	}
}

func checkAdvice(t *testing.T, op string, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(hintOf(err), want) {
		t.Errorf("%s: %v, hint %q, want %q", op, err, hintOf(err), want)
	}
	if isDenied(err) {
		t.Errorf("%s: %v counts as denied by the bucket", op, err)
	}
}

// An explicit Deny is named as such, with the setting that the bucket's policy asks for.
func TestExplicitDeny(t *testing.T) {
	const (
		resource = "User: arn:aws:sts::123456789012:assumed-role/ci/x is not authorized to perform: s3:PutObject on resource: " +
			"arn:aws:s3:::b/k with an explicit deny in a resource-based policy"
		control  = "User: x is not authorized to perform: s3:PutObject with an explicit deny in a service control policy"
		identity = "User: x is not authorized to perform: s3:PutObject because no identity-based policy allows the action"
	)
	deny := func(condition string) string {
		return `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"s3:Put*","Resource":"*",` +
			`"Condition":{` + condition + `}}}`
	}
	for _, tt := range []struct {
		name, message, policy string
		options               Options
		want                  []string
	}{
		{"of a bucket whose policy may not be read", resource, "", Options{}, []string{"Deny statement in a resource-based policy", "RUNNER_S3_ENCRYPTION=aws:kms"}},
		{"the same with encryption set", resource, "", Options{Encryption: "AES256"}, []string{"compare the conditions", "RUNNER_S3_KMS_KEY"}},
		{"for want of encryption", resource, deny(`"StringNotEquals":{"s3:x-amz-server-side-encryption":"aws:kms"}`), Options{}, []string{"set RUNNER_S3_ENCRYPTION (the policy names aws:kms)"}},
		{"without any encryption", resource, deny(`"Null":{"s3:x-amz-server-side-encryption":"true"}`), Options{}, []string{"set RUNNER_S3_ENCRYPTION"}},
		{"for another key", resource, deny(`"StringNotEquals":{"s3:x-amz-server-side-encryption-aws-kms-key-id":["key-1","key-2"]}`), Options{Encryption: "aws:kms"}, []string{"RUNNER_S3_KMS_KEY (the policy names key-1, key-2)"}},
		{"for want of a tag", resource, deny(`"Null":{"s3:RequestObjectTag/team":"true"}`), Options{}, []string{`RUNNER_S3_TAGS with the tag "team"`}},
		{"for plain HTTP", resource, deny(`"Bool":{"aws:SecureTransport":"false"}`), Options{}, []string{"AWS_ENDPOINT_URL", "https"}},
		{"for the network", resource, deny(`"StringNotEquals":{"aws:SourceVpce":"vpce-1"}`), Options{}, []string{"VPC endpoint", "vpce-1"}},
		{"of an organization", control, "", Options{}, []string{"service control policy", "ask the owner of that policy"}},
		{"that is none", identity, "", Options{}, []string{"allow s3:PutObject on arn:aws:s3:::"}},
		{"that is none, of another owner", identity, "", Options{BucketOwner: "123456789012"}, []string{"RUNNER_S3_BUCKET_OWNER"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := s3test.Buckets(t)[0]
			if tt.policy != "" {
				_, err := b.Client().
					PutBucketPolicy(
						t.Context(),
						&s3.PutBucketPolicyInput{Bucket: &b.Name, Policy: aws.String(tt.policy)},
					)
				artifactstest.Must(t, err)
			}
			s := inFront(t, b, tt.options, func(r *http.Request) *s3test.Error {
				if r.Method == http.MethodPut {
					return &s3test.Error{Status: 403, Code: "AccessDenied", Message: tt.message}
				}
				return nil
			})
			_, err := s.Put(t.Context(), artifactstest.Object("k", "v"))
			for _, want := range tt.want {
				if hint := hintOf(err); !strings.Contains(hint, want) {
					t.Errorf("hint %q, want %q", hint, want)
				}
			}
		})
	}
}

func TestStatementsCoverActions(t *testing.T) {
	for policy, want := range map[string]bool{
		`{"Statement":[{"Effect":"Deny","Action":"s3:*"}]}`:                   true,
		`{"Statement":{"Effect":"Deny","Action":["s3:Get*","S3:putobject"]}}`: true,
		`{"Statement":[{"Effect":"Deny","Action":"s3:GetObject"}]}`:           false,
		`{"Statement":[{"Effect":"Deny","NotAction":"s3:GetObject"}]}`:        true,
		`{"Statement":[{"Effect":"Deny","NotAction":["s3:Put*"]}]}`:           false,
		`{"Statement":[{"Effect":"Deny"}]}`:                                   false,
		`not a policy`:                                                        false,
	} {
		got := false
		for _, s := range parsePolicy(policy) {
			got = got || s.covers("s3:PutObject")
		}
		if got != want {
			t.Errorf("%s: %v", policy, got)
		}
	}
}

func TestErrorsOfConnectionsAreToldApart(t *testing.T) {
	s := storeAt(t, "http://127.0.0.1:1", "bucket", 0)
	s.rest.attempts = 1
	_, err := s.Put(t.Context(), artifactstest.Object("k", "v"))
	if hint := hintOf(err); !strings.Contains(hint, "network") {
		t.Errorf("%v, hint %q", err, hint)
	}
}

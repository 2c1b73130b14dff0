package credentials

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go"
)

func failing(err error) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, err })
}

func explained(t *testing.T, p aws.CredentialsProvider) *Error {
	t.Helper()
	_, err := Explain(Explain(p)).Retrieve(t.Context())
	var found *Error
	if !errors.As(fmt.Errorf("failed to refresh cached credentials, %w", err), &found) {
		t.Fatalf("%v is no *Error", err)
	}
	return found
}

// A credential_process whose output is not as the SDK expects it may have printed credentials all the same.
func TestWhatACredentialProcessPrintsIsNotRepeated(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	text := `[profile p]
credential_process = echo '{"Version":1,"AccessKeyId":"AKID","SecretAccessKey":"hunter2","Expiration":"tomorrow"}'
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.LoadDefaultConfig(
		t.Context(), config.WithSharedConfigFiles([]string{file}), config.WithSharedConfigProfile("p"),
	)
	if err != nil {
		t.Fatal(err)
	}
	found := explained(t, c.Credentials)
	for _, text := range []string{found.Error(), Message(fmt.Errorf("call: %w", found)), found.Hint()} {
		if strings.Contains(text, "hunter2") || text == "" {
			t.Errorf("it says %q", text)
		}
	}
	if !strings.Contains(found.Hint(), "credential_process") {
		t.Errorf("the hint is %q", found.Hint())
	}
}

func TestAdviceIsThatOfTheInnermostCause(t *testing.T) {
	role := func(err error) error {
		return &smithy.OperationError{ServiceID: "STS", OperationName: "AssumeRole", Err: err}
	}
	denied := &smithy.GenericAPIError{Code: "AccessDenied", Message: "no"}
	for name, c := range map[string]struct {
		err  error
		hint string
	}{
		"an error of something else": {errors.New("x"), ""},
		"no cause":                   {explained(t, nil), "give the task a role"},
		"a role that is denied":      {role(denied), "the role cannot be assumed"},
		"a login behind a role":      {role(explained(t, failing(errors.New("cached SSO token is expired")))), "aws sso login"},
		"no credentials for a role": {
			role(errors.New("get identity: get credentials: no EC2 IMDS role found")), "credential_source",
		},
		"a refused MFA code": {
			role(&smithy.GenericAPIError{Message: "MultiFactorAuthentication failed with invalid MFA one time pass code."}),
			"the MFA code was refused",
		},
		"a missing profile": {config.SharedConfigProfileNotExistError{Profile: "a"}, `no profile "a"`},
		"a missing source profile": {
			config.SharedConfigAssumeRoleError{Profile: "b", Err: config.SharedConfigProfileNotExistError{Profile: "a"}},
			`correct source_profile of the AWS profile: there is no profile "a"`,
		},
	} {
		if hint := Hint(c.err); (hint == "") != (c.hint == "") || !strings.Contains(hint, c.hint) {
			t.Errorf("%s: the hint is %q", name, hint)
		}
	}
}

func TestTheCauseIsHidden(t *testing.T) {
	missing := &fs.PathError{Op: "open", Path: "token", Err: fs.ErrNotExist}
	found := explained(t, failing(fmt.Errorf("failed to refresh cached credentials, %w", missing)))
	if errors.Is(found, fs.ErrNotExist) || found.RetryableError() {
		t.Errorf("%v can be taken for an error of the service, or for one that passes", found)
	}
	if found.Error() != "no AWS credentials: open token: file does not exist" {
		t.Errorf("it says %q", found)
	}
	throttled := explained(t, failing(&smithy.GenericAPIError{Code: "ThrottlingException"}))
	if !throttled.RetryableError() {
		t.Errorf("%v may pass", throttled)
	}
}

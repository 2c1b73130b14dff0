package account

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/carlin-cicd/runner/runner/awstest"
	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/steps"
)

// newSession is a run in moto's own account, 123456789012.
func newSession(t *testing.T) (*session.Session, map[string]string) {
	t.Helper()
	variables := map[string]string{}
	for _, entry := range awstest.Moto(t).Environment() {
		name, value, _ := strings.Cut(entry, "=")
		variables[name] = value
	}
	return session.New(t.Context(), variables, config.Config{Workspace: t.TempDir()}), maps.Clone(variables)
}

func place(t *testing.T, s *session.Session, step steps.Step, variables map[string]string) *Place {
	t.Helper()
	p, err := Of(s, step, variables)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// caller returns the ARN of the place's credentials.
func caller(t *testing.T, p *Place) string {
	t.Helper()
	c, err := p.AWS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found, err := sts.NewFromConfig(c).GetCallerIdentity(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(found.Arn)
}

const otherRole = "arn:aws:iam::222222222222:role/deploy"

func TestTheRoleOfAStepIsAssumedInItsAccount(t *testing.T) {
	s, variables := newSession(t)
	variables["DEPLOY_ROLE"] = otherRole
	p := place(t, s, steps.Step{Role: "${DEPLOY_ROLE}", Account: "222222222222"}, variables)
	if arn := caller(t, p); !strings.HasPrefix(arn, "arn:aws:sts::222222222222:assumed-role/deploy/runner-") {
		t.Errorf("the runner is %s", arn)
	}
	if err := p.CheckAccount(t.Context()); err != nil {
		t.Error(err)
	}

	variables["AWS_PROFILE"], variables["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "live", "/v2/credentials/x"
	secrets, err := p.AddCredentials(t.Context(), variables)
	if err != nil {
		t.Fatal(err)
	}
	if variables["AWS_PROFILE"] != "" || variables["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] != "" {
		t.Errorf("the command may use other credentials: %v", variables)
	}
	if len(secrets) != 2 || secrets[0].Value != variables["AWS_SECRET_ACCESS_KEY"] ||
		secrets[1].Value != variables["AWS_SESSION_TOKEN"] {
		t.Error("the credentials would not be redacted")
	}
	if arn := caller(t, place(t, s, steps.Step{}, variables)); !strings.HasPrefix(
		arn,
		"arn:aws:sts::222222222222:assumed-role/deploy/",
	) {
		t.Errorf("the command is %s", arn)
	}
}

func TestCredentialsOfAnotherAccountAreRefused(t *testing.T) {
	s, variables := newSession(t)
	err := place(t, s, steps.Step{Account: "222222222222"}, variables).CheckAccount(t.Context())
	var guard *outcome.GuardError
	if !errors.As(err, &guard) ||
		!strings.Contains(err.Error(), "works in account 222222222222, and its credentials are those of 123456789012") {
		t.Errorf("the error is %v", err)
	}
	if err := place(t, s, steps.Step{Account: "123456789012"}, variables).CheckAccount(t.Context()); err != nil {
		t.Error(err)
	}
	variables["AWS_ENDPOINT_URL"] = "http://127.0.0.1:1"
	p := place(t, s, steps.Step{Account: "123456789012", Role: otherRole}, variables)
	if err := p.CheckAccount(t.Context()); !errors.As(err, &guard) {
		t.Errorf("an account that cannot be checked: %v", err)
	}
	if _, err := p.AddCredentials(t.Context(), variables); !errors.As(err, &guard) ||
		!strings.Contains(outcome.Hint(err), "trust policy") {
		t.Errorf("a role that cannot be assumed: %v", err)
	}
}

func TestTheConfigurationIsTheOneOfTheCommand(t *testing.T) {
	files := t.TempDir()
	configFile, credentialsFile := filepath.Join(files, "config"), filepath.Join(files, "credentials")
	if err := errors.Join(
		os.WriteFile(configFile, []byte("[profile live]\nregion = ap-south-1\n"), 0o600),
		os.WriteFile(credentialsFile, []byte("[live]\naws_access_key_id = LIVE\naws_secret_access_key = secret\n"), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	inFiles := map[string]string{
		"AWS_CONFIG_FILE":             configFile,
		"AWS_SHARED_CREDENTIALS_FILE": credentialsFile,
		"AWS_ACCESS_KEY_ID":           "",
		"AWS_SECRET_ACCESS_KEY":       "",
	}
	for name, c := range map[string]struct {
		step      steps.Step
		variables map[string]string
		key       string
		region    string
	}{
		"as the runner's":           {key: "AKIAIOSFODNN7EXAMPLE", region: awstest.Region},
		"another region":            {variables: map[string]string{"AWS_REGION": "eu-west-1"}, key: "AKIAIOSFODNN7EXAMPLE", region: "eu-west-1"},
		"the step's region":         {step: steps.Step{Region: "eu-west-2"}, key: "AKIAIOSFODNN7EXAMPLE", region: "eu-west-2"},
		"other keys":                {variables: map[string]string{"AWS_ACCESS_KEY_ID": "OTHER"}, key: "OTHER", region: awstest.Region},
		"keys win over AWS_PROFILE": {variables: map[string]string{"AWS_PROFILE": "live"}, key: "AKIAIOSFODNN7EXAMPLE", region: awstest.Region},
		"a profile":                 {variables: with(inFiles, "AWS_PROFILE", "live"), key: "LIVE", region: awstest.Region},
		"a flag of the command":     {step: steps.Step{Command: steps.Command{Line: "aws cloudformation deploy --region us-west-2 --profile live"}}, variables: inFiles, key: "LIVE", region: "us-west-2"},
		"a flag wins over keys":     {step: steps.Step{Command: steps.Command{Line: "cdk deploy --profile live"}}, variables: with(inFiles, "AWS_ACCESS_KEY_ID", "OTHER"), key: "LIVE", region: awstest.Region},
	} {
		t.Run(name, func(t *testing.T) {
			s, variables := newSession(t)
			maps.Copy(variables, c.variables)
			config, err := place(t, s, c.step, variables).AWS(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			found, err := config.Credentials.Retrieve(t.Context())
			if err != nil || found.AccessKeyID != c.key || config.Region != c.region {
				t.Errorf("%s in %s (%v), want %s in %s", found.AccessKeyID, config.Region, err, c.key, c.region)
			}
		})
	}
}

func with(m map[string]string, name, value string) map[string]string {
	m = maps.Clone(m)
	m[name] = value
	return m
}

func TestASettingWithAVariableThatIsNotSetIsRefused(t *testing.T) {
	s, variables := newSession(t)
	_, err := Of(s, steps.Step{Name: "deploy", Role: "${NO_ROLE}"}, variables)
	var refused *outcome.ConfigError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "role: of step deploy refers to NO_ROLE") {
		t.Errorf("the error is %v", err)
	}
}

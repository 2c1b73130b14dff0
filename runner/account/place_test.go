package account

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
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

// trusting is moto behind a role that trusts who sends the external id.
func trusting(t *testing.T, endpoint, externalID string) string {
	t.Helper()
	to, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	moto := httputil.NewSingleHostReverseProxy(to)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		if form, _ := url.ParseQuery(string(body)); form.Get("Action") == "AssumeRole" && form.Get("ExternalId") != externalID {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>")
			return
		}
		moto.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestTheTaskDecidesWhereAStepWorks(t *testing.T) {
	for name, c := range map[string]struct {
		given   map[string]string
		step    steps.Step
		arn     string // how the ARN of the credentials begins
		region  string
		refused string // a part of the error of the check
	}{
		"the task's role, account and region": {
			given: map[string]string{
				"RUNNER_ROLE": otherRole, "RUNNER_EXTERNAL_ID": "shop-1", "RUNNER_ACCOUNT": "222222222222",
				"RUNNER_REGION": "us-west-2",
			},
			arn: "arn:aws:sts::222222222222:assumed-role/deploy/runner-", region: "us-west-2",
		},
		"they override those of the step": {
			given: map[string]string{"RUNNER_ROLE": otherRole, "RUNNER_EXTERNAL_ID": "shop-1", "RUNNER_REGION": "us-west-2"},
			step:  steps.Step{Role: "arn:aws:iam::333333333333:role/evil", Region: "eu-west-3"},
			arn:   "arn:aws:sts::222222222222:assumed-role/deploy/runner-", region: "us-west-2",
		},
		"a role without its external id": {
			given: map[string]string{"RUNNER_ROLE": otherRole, "RUNNER_ACCOUNT": "222222222222"}, refused: "AccessDenied",
		},
		"a role with another external id": {
			given:   map[string]string{"RUNNER_ROLE": otherRole, "RUNNER_EXTERNAL_ID": "shop-2", "RUNNER_ACCOUNT": "222222222222"},
			refused: "AccessDenied",
		},
		"a role of another account than the task's": {
			given: map[string]string{
				"RUNNER_ROLE": otherRole, "RUNNER_EXTERNAL_ID": "shop-1", "RUNNER_ACCOUNT": "333333333333",
			},
			refused: "the step works in account 333333333333, and its credentials are those of 222222222222",
		},
		"no role": {
			given: map[string]string{"RUNNER_ACCOUNT": "123456789012"}, arn: "arn:aws:sts::123456789012:", region: awstest.Region,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, variables := newSession(t)
			variables["AWS_ENDPOINT_URL"] = trusting(t, variables["AWS_ENDPOINT_URL"], "shop-1")
			read, err := config.Read(c.given)
			if err != nil {
				t.Fatal(err)
			}
			read.Workspace = s.Config.Workspace
			s.Config = read
			step := c.step
			step.Origin = map[string]string{}
			read.Apply(&step)
			p := place(t, s, step, variables)
			if err := p.CheckAccount(t.Context()); c.refused != "" || step.Account != "" {
				var guard *outcome.GuardError
				if (err == nil) != (c.refused == "") ||
					err != nil && (!errors.As(err, &guard) || !strings.Contains(err.Error(), c.refused)) {
					t.Fatalf("the error is %v", err)
				}
			}
			if c.refused != "" {
				if _, err := p.AddCredentials(t.Context(), variables); strings.Contains(c.refused, "Denied") && err == nil {
					t.Error("the command gets credentials")
				}
				return
			}
			loaded, err := p.AWS(t.Context())
			if err != nil || loaded.Region != c.region {
				t.Errorf("the runner is in %s, %v", loaded.Region, err)
			}
			if arn := caller(t, p); !strings.HasPrefix(arn, c.arn) {
				t.Errorf("the runner is %s", arn)
			}
			if _, err := p.AddCredentials(t.Context(), variables); err != nil {
				t.Fatal(err)
			}
			if arn := caller(t, place(t, s, steps.Step{}, variables)); p.Role != "" && !strings.HasPrefix(arn, c.arn) {
				t.Errorf("the command is %s", arn)
			}
		})
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

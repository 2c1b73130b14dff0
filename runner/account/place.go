// Package account finds the AWS account, region and credentials that the command of a step works with, so that the
// runner looks where the command looks.
package account

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/carlin-cicd/runner/artifacts/credentials"
	"github.com/carlin-cicd/runner/runner/deploy/tool"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/redact"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/steps"
)

// Place is where a command works in AWS.
type Place struct {
	Account string // that the step requires, or ""
	Region  string // "" for that of the profile or of the runner
	Profile string // "" for the default
	Role    string // that the runner assumes for the step, or ""

	// Unsure says why the command may work elsewhere all the same; "" if nothing speaks for it.
	Unsure string
	// Elsewhere are further regions that the command deploys to, separated by commas.
	Elsewhere string

	externalID string // of the role's trust policy, or ""

	runID     string
	variables map[string]string // of the command
	inherited map[string]string // the runner's own
	runnerAWS session.AWS
	redactor  *redact.Redactor

	mu     sync.Mutex
	loaded *aws.Config
}

// Of returns the place of a step's command with the given variables. The order is: flags and assignments of the
// command, the step's region:, the configuration of the tool, the variables. The error is a *outcome.ConfigError.
func Of(s *session.Session, step steps.Step, variables map[string]string) (*Place, error) {
	p := &Place{externalID: s.Config.ExternalID, runID: s.ID, variables: maps.Clone(variables), inherited: s.Variables, runnerAWS: s.AWS, redactor: s.Redactor}
	for _, setting := range []struct {
		key, text string
		to        *string
	}{{"account", step.Account, &p.Account}, {"region", step.Region, &p.Region}, {"role", step.Role, &p.Role}} {
		value, err := Expand(setting.key, setting.text, step.Name, variables)
		if err != nil {
			return nil, err
		}
		*setting.to = value
	}
	l := tool.Locate(step.Command.String(), s.Path(step.Directory), variables)
	if l.FromCommand {
		p.Region = l.Region
	}
	p.Region = cmp.Or(p.Region, l.Region, variables["AWS_REGION"], variables["AWS_DEFAULT_REGION"])
	p.Profile, p.Unsure, p.Elsewhere = l.Profile, l.Unsure, l.Elsewhere
	return p, nil
}

// Expand replaces $NAME and ${NAME} in a step's setting. The error is a *outcome.ConfigError if a variable is not set.
func Expand(key, text, step string, variables map[string]string) (string, error) {
	var missing string
	value := expand(text, func(name string) string {
		if variables[name] == "" {
			missing = cmp.Or(missing, name)
		}
		return variables[name]
	})
	if missing != "" {
		return "", &outcome.ConfigError{
			Message: fmt.Sprintf(
				"%s: of step %s refers to %s, which is not set", key, step, missing,
			),
			Advice: "set " + missing + " for the run",
		}
	}
	return value, nil
}

// AWS returns the SDK's configuration as the command sees it, with the role assumed. It implements session.AWS.
func (p *Place) AWS(ctx context.Context) (aws.Config, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.loaded != nil {
		return *p.loaded, nil
	}
	c, err := p.load(ctx)
	if err != nil {
		return c, err
	}
	if p.Role != "" {
		client := sts.NewFromConfig(
			c,
			func(o *sts.Options) { o.BaseEndpoint = cmp.Or(p.Endpoint("STS"), o.BaseEndpoint) },
		)
		role := stscreds.NewAssumeRoleProvider(client, p.Role, func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName, o.Duration = "runner-"+p.runID, RoleDuration
			if p.externalID != "" {
				o.ExternalID = &p.externalID
			}
		})
		c = session.Secured(c, p.redactor, role)
	}
	p.loaded = &c
	return c, nil
}

// RoleDuration is how long the credentials of a role are valid: as long as AWS allows for one that another role
// assumes.
const RoleDuration = time.Hour

// otherCredentials are the variables that would compete with those of a role.
var otherCredentials = []string{
	"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME",
	"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
}

// AddCredentials assumes the role and gives its credentials to the command's variables. It returns what must be
// redacted. The error is a *outcome.GuardError.
func (p *Place) AddCredentials(ctx context.Context, variables map[string]string) ([]redact.Secret, error) {
	if p.Role == "" {
		return nil, nil
	}
	c, err := p.AWS(ctx)
	var found aws.Credentials
	if err == nil {
		found, err = c.Credentials.Retrieve(ctx)
	}
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, &outcome.GuardError{
			Message: fmt.Sprintf("could not assume role %s: %s", p.Role, credentials.Message(err)),
			Advice:  p.advice(err),
		}
	}
	for _, name := range otherCredentials {
		delete(variables, name)
	}
	variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"], variables["AWS_SESSION_TOKEN"] = found.AccessKeyID, found.SecretAccessKey, found.SessionToken
	return []redact.Secret{
		{
			Name:  "AWS_SECRET_ACCESS_KEY",
			Value: found.SecretAccessKey,
		},
		{Name: "AWS_SESSION_TOKEN", Value: found.SessionToken},
	}, nil
}

// Endpoint returns the endpoint that the command's variables set for a service, such as CLOUDFORMATION, or nil.
func (p *Place) Endpoint(service string) *string {
	if e := cmp.Or(
		p.variables["AWS_ENDPOINT_URL_"+service],
		p.variables["AWS_ENDPOINT_URL"],
	); e != "" &&
		p.variables["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] != "true" {
		return &e
	}
	return nil
}

// CheckAccount returns a *outcome.GuardError if the credentials are not those of the account that the step requires.
func (p *Place) CheckAccount(ctx context.Context) error {
	if p.Account == "" {
		return nil
	}
	c, err := p.AWS(ctx)
	var found *sts.GetCallerIdentityOutput
	if err == nil {
		client := sts.NewFromConfig(
			c,
			func(o *sts.Options) { o.BaseEndpoint = cmp.Or(p.Endpoint("STS"), o.BaseEndpoint) },
		)
		found, err = client.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return &outcome.GuardError{
			Message: fmt.Sprintf(
				"could not find out whether the credentials are those of account %s: %s", p.Account,
				credentials.Message(err),
			),
			Advice: p.advice(err),
		}
	case aws.ToString(found.Account) != p.Account:
		return &outcome.GuardError{
			Message: fmt.Sprintf(
				"the step works in account %s, and its credentials are those of %s (%s)", p.Account,
				aws.ToString(found.Account), aws.ToString(found.Arn),
			),
			Advice: "set role: of the step to a role of account " + p.Account + ", or correct account:",
		}
	}
	return nil
}

func (p *Place) advice(err error) string {
	if hint := credentials.Hint(err); hint != "" {
		return hint
	}
	if p.Role != "" {
		return "check that the role exists and that its trust policy lets this task assume it (sts:AssumeRole)"
	}
	return "check that there are credentials, and that the network lets this machine reach STS"
}

// String describes the place for messages: "eu-west-1 as arn:aws:iam::…".
func (p *Place) String() string {
	p.mu.Lock()
	region := p.Region
	if p.loaded != nil {
		region = cmp.Or(p.loaded.Region, region)
	}
	p.mu.Unlock()
	text := cmp.Or(region, "the default region")
	switch {
	case p.Role != "":
		text += " as " + p.Role
	case p.Profile != "":
		text += " with profile " + p.Profile
	}
	return text
}

// expand replaces $NAME and ${NAME}.
func expand(text string, value func(string) string) string {
	if !strings.Contains(text, "$") {
		return text
	}
	return variable.ReplaceAllStringFunc(
		text,
		func(reference string) string { return value(strings.Trim(reference, "${}")) },
	)
}

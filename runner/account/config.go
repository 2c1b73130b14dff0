package account

import (
	"cmp"
	"context"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/carlin-cicd/runner/runner/session"
)

var variable = regexp.MustCompile(`\$(\w+|\{\w+\})`)

// load returns the configuration without the role. The SDK reads the runner's own environment, so what the command's
// environment changes is handed over as options.
func (p *Place) load(ctx context.Context) (aws.Config, error) {
	if !p.differs() {
		c, err := p.runnerAWS(ctx)
		c.Region = cmp.Or(p.Region, c.Region)
		return c, err
	}
	v := p.variables
	var options []func(*awsconfig.LoadOptions) error
	add := func(value string, option func(string) awsconfig.LoadOptionsFunc) {
		if value != "" {
			options = append(options, option(value))
		}
	}
	add(p.Region, awsconfig.WithRegion)
	add(v["AWS_ENDPOINT_URL"], awsconfig.WithBaseEndpoint)
	add(
		v["AWS_CONFIG_FILE"],
		func(file string) awsconfig.LoadOptionsFunc { return awsconfig.WithSharedConfigFiles([]string{file}) },
	)
	add(v["AWS_SHARED_CREDENTIALS_FILE"], func(file string) awsconfig.LoadOptionsFunc {
		return awsconfig.WithSharedCredentialsFiles([]string{file})
	})
	keys := v["AWS_ACCESS_KEY_ID"] != "" && v["AWS_SECRET_ACCESS_KEY"] != ""
	profile := cmp.Or(p.Profile, v["AWS_PROFILE"], v["AWS_DEFAULT_PROFILE"])
	switch {
	case p.Profile == "" && keys: // they win over AWS_PROFILE, but not over --profile
		options = append(options, awsconfig.WithCredentialsProvider(
			credentials.NewStaticCredentialsProvider(
				v["AWS_ACCESS_KEY_ID"], v["AWS_SECRET_ACCESS_KEY"], v["AWS_SESSION_TOKEN"],
			),
		))
	case profile != "":
		options = append(options, awsconfig.WithSharedConfigProfile(profile))
	}
	c, err := session.LoadAWS(ctx, p.redactor, options...)
	if err != nil {
		return c, err
	}
	if token, role := v["AWS_WEB_IDENTITY_TOKEN_FILE"], v["AWS_ROLE_ARN"]; token != "" && role != "" && !keys &&
		profile == "" {
		client := sts.NewFromConfig(
			c,
			func(o *sts.Options) { o.BaseEndpoint = cmp.Or(p.Endpoint("STS"), o.BaseEndpoint) },
		)
		c = session.Secured(
			c, p.redactor, stscreds.NewWebIdentityRoleProvider(client, role, stscreds.IdentityTokenFile(token)),
		)
	}
	return c, nil
}

// differs reports whether the command sees other settings of AWS than the runner.
func (p *Place) differs() bool {
	if p.Profile != "" {
		return true
	}
	for name, value := range p.variables {
		if strings.HasPrefix(name, "AWS_") && name != "AWS_REGION" && name != "AWS_DEFAULT_REGION" &&
			value != p.inherited[name] {
			return true
		}
	}
	return false
}

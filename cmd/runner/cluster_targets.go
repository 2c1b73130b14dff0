package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"

	"github.com/carlin-cicd/runner/runner/cluster"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/steps"
)

// openTargets opens the accounts and regions of the environments that are elsewhere. Skip decides whether one for which
// there are no credentials is left out; nil leaves out none.
func (c *clusterCommand) openTargets(ctx context.Context, skip func(steps.ClusterEnvironment, error) bool) error {
	d := c.deployment
	d.Targets = map[string]*cluster.Account{}
	for i := range d.Settings.Environments {
		e := &d.Settings.Environments[i]
		if e.Profile == "" && !d.Settings.Elsewhere(*e, d.Account.ID, d.Account.Region) {
			continue
		}
		if d.Adopted[e.Name] && e.Account != d.Account.ID {
			e.Profile = c.profileOf(ctx, *e)
		}
		there, err := c.openTarget(ctx, *e)
		if err == nil {
			err = d.FindTarget(ctx, e.Name, there)
		}
		if err != nil && ctx.Err() == nil && skip != nil && skip(*e, err) {
			continue
		}
		if err != nil {
			return err
		}
		e.Account = there.ID // of a profile that nothing else is known of
		if d.Settings.Elsewhere(*e, d.Account.ID, d.Account.Region) {
			d.Targets[e.Name] = there
		}
	}
	return nil
}

// openTarget opens the account and region of an environment.
func (c *clusterCommand) openTarget(ctx context.Context, e steps.ClusterEnvironment) (*cluster.Account, error) {
	here := c.deployment.Account
	var options []func(*awsconfig.LoadOptions) error
	if e.Profile != "" {
		options = append(options, awsconfig.WithSharedConfigProfile(e.Profile))
	}
	config, err := session.LoadAWS(ctx, nil, options...)
	var unknown awsconfig.SharedConfigProfileNotExistError
	if errors.As(err, &unknown) {
		return nil, &usageError{
			fmt.Sprintf("environment %s is in the account of the profile %s, which the AWS CLI does not have", e.Name, e.Profile),
			"aws configure --profile " + e.Profile + ", or name another one",
		}
	}
	if err != nil {
		return nil, err
	}
	there, err := cluster.Open(ctx, config, cmp.Or(e.Region, here.Region))
	if err != nil {
		return nil, err
	}
	if e.Account != "" && there.ID != e.Account {
		return nil, &usageError{
			fmt.Sprintf("environment %s is in account %s, and the credentials for it are those of %s", e.Name, e.Account, there.ID),
			"name its profile: --environments " + e.Name + "@PROFILE, or profile: of the environment, below cluster: in runner.yaml",
		}
	}
	there.Poll, there.Note = here.Poll, here.Note
	return there, nil
}

// profileOf returns the one profile of the AWS CLI whose role or login is in the account of an environment, "" if there
// is not just one.
func (c *clusterCommand) profileOf(ctx context.Context, e steps.ClusterEnvironment) string {
	file := cmp.Or(c.variables["AWS_CONFIG_FILE"], awsconfig.DefaultSharedConfigFilename())
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	found := ""
	for line := range strings.Lines(string(text)) {
		name, is := strings.CutPrefix(strings.TrimSpace(line), "[profile ")
		if !is {
			continue
		}
		name = strings.TrimSpace(strings.TrimSuffix(name, "]"))
		profile, err := awsconfig.LoadSharedConfigProfile(ctx, name, func(o *awsconfig.LoadSharedConfigOptions) {
			o.ConfigFiles = []string{file}
		})
		if err != nil || profile.SSOAccountID != e.Account && !strings.Contains(profile.RoleARN, "::"+e.Account+":") {
			continue
		}
		if found != "" {
			c.note("runner: environment %s is in account %s, for which there are the profiles %s and %s", e.Name, e.Account, found, name)
			return ""
		}
		found = name
	}
	if found != "" {
		c.note("runner: environment %s is in account %s: by the profile %s", e.Name, e.Account, found)
	}
	return found
}

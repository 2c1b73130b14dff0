package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carlin-cicd/runner/runner/cluster"
	"github.com/carlin-cicd/runner/steps"
)

var (
	environmentsFlag = flagSpec{
		"environments", "RUNNER_CLUSTER_ENVIRONMENTS", "NAMES",
		"where the main branch is deployed to, with commas; ! after those that wait for an approval, @PROFILE after those in the " +
			"account of a profile (default staging,production!)",
	}
	networkFlag = flagSpec{
		"network", "RUNNER_CLUSTER_NETWORK", "PLACE", "new, or VPC:SUBNET,SUBNET of subnets that exist (default new)",
	}
	doorFlag = flagSpec{
		"door", "RUNNER_CLUSTER_DOOR", "DOOR", "how GitHub's events come in: webhook, workflow or both (default webhook)",
	}
	sizeFlag = flagSpec{
		"size", "RUNNER_CLUSTER_SIZE", "SIZE", "vCPU and GB of build and test (default 2-4)",
	}
	policyFlag = flagSpec{
		"policy", "RUNNER_CLUSTER_POLICY", "ARN",
		"what CloudFormation may do for the stacks of environments that name no policy of their own (default nothing)",
	}
	alarmEmailFlag = flagSpec{"alarm-email", "RUNNER_CLUSTER_ALARM_EMAIL", "ADDRESS", "gets the messages of the pipeline"}
	webhookZipFlag = flagSpec{
		"webhook-zip", "RUNNER_CLUSTER_WEBHOOK_ZIP", "FILE", "the webhook's function (default that of this release)",
	}
	templateFlag = flagSpec{
		"template", "RUNNER_CLUSTER_TEMPLATE", "FOLDER", "write the templates and parameters there, and deploy nothing",
	}
	downgradeFlag = flagSpec{"downgrade", "RUNNER_CLUSTER_DOWNGRADE", "", "let templates of this runner replace those of a newer one"}
	imageTagFlag  = flagSpec{"image-tag", "RUNNER_CLUSTER_IMAGE_TAG", "TAG", "the image of the steps (default as it is)"}
)

func newClusterDeployCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "deploy",
		Short: "deploy the base, the pipeline, its environments and its webhook",
		Long: "runner cluster deploy shows a plan and asks before it changes anything. It may be run again at any time: it\n" +
			"updates what differs, and says so if nothing does. Parameters that are not set keep their values.\n" +
			"With GITHUB_TOKEN, a token that may write the webhooks of the repository, it also registers the webhook\n" +
			"at GitHub.",
		Example: "runner cluster deploy\nrunner cluster deploy --repository acme/shop --environments staging,production! --yes\n" +
			"runner cluster deploy --dry-run",
		Args: arguments(0),
		RunE: o.withCluster(clusterCommand.deploy),
	}
	declare(
		cmd, repositoryFlag, environmentsFlag, networkFlag, doorFlag, sizeFlag, policyFlag, alarmEmailFlag, imageTagFlag, webhookZipFlag, templateFlag, downgradeFlag,
		dryRunFlag.describe("print the plan and change nothing"), yesFlag, jsonFlag.describe("the plan as JSON"),
	)
	declare(cmd, clusterFlags...)
	return cmd
}

// newClusterUpgradeCommand deploys the templates of this version over what is deployed.
func newClusterUpgradeCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "upgrade",
		Short: "bring what is deployed to the templates of this runner",
		Long: "runner cluster upgrade shows what changes between the templates that are deployed and those of this runner,\n" +
			"resource by resource, and asks. Parameters keep their values; new ones get their defaults.",
		Example: "runner cluster upgrade --dry-run\nrunner cluster upgrade --yes",
		Args:    arguments(0),
		RunE:    o.withCluster(clusterCommand.upgrade),
	}
	declare(
		cmd, webhookZipFlag, dryRunFlag.describe("print what changes, and change nothing"), yesFlag,
		jsonFlag.describe("the plan as JSON"),
	)
	declare(cmd, clusterFlags...)
	return cmd
}

func (c clusterCommand) upgrade(ctx context.Context) error {
	current, err := c.deployment.Account.Status(ctx, cmp.Or(c.settings.Stack, cluster.DefaultStack))
	if err != nil {
		return err
	}
	if current.Missing() {
		return &usageError{
			"there is no stack " + cmp.Or(c.settings.Stack, cluster.DefaultStack) + " to upgrade", "runner cluster deploy makes it",
		}
	}
	c.deployment.Settings.Stack = cmp.Or(c.settings.Stack, cluster.DefaultStack)
	have, err := c.deployment.DeployedVersion(ctx)
	if err != nil {
		return err
	}
	if cluster.Newer(have, number) {
		return &usageError{
			fmt.Sprintf("what is deployed is of runner %s, which is newer than this one, %s", have, number),
			"use runner " + have + "; to go back nevertheless: runner cluster deploy --downgrade",
		}
	}
	if err := c.print("from the templates of %s to those of runner %s\n", cluster.NameOfVersion(have), number); err != nil {
		return err
	}
	return c.deploy(ctx)
}

// writeTemplates writes what deploy would deploy. It needs no credentials.
func (c clusterCommand) writeTemplates(folder string) error {
	if err := c.applyDeployFlags(); err != nil {
		return err
	}
	if err := c.settings.Complete(); err != nil {
		return err
	}
	if err := c.settings.Check(); err != nil {
		return err
	}
	for _, e := range c.settings.Environments {
		if e.Profile != "" && e.Account == "" && e.Region == "" { // no account is asked whose the profile is
			return &usageError{
				fmt.Sprintf("environment %s is in the account of the profile %s, which --template does not look up", e.Name, e.Profile),
				"name the account: account: of the environment, below cluster: in runner.yaml",
			}
		}
	}
	commands, err := (&cluster.Deployment{Settings: c.settings}).Write(folder)
	if err != nil {
		return err
	}
	return c.print("%s\n", strings.Join(commands, "\n\n"))
}

func (c clusterCommand) deploy(ctx context.Context) error {
	if folder := c.variables[templateFlag.variable]; folder != "" {
		return c.writeTemplates(folder)
	}
	dryRun, err := boolean(c.variables, dryRunFlag.variable)
	if err != nil {
		return err
	}
	if err := c.complete(ctx); err != nil {
		return err
	}
	d := c.deployment
	if d.Downgrade, err = boolean(c.variables, downgradeFlag.variable); err != nil {
		return err
	}
	defer d.Settings.Zip.Remove()
	plan, err := d.Plan(ctx)
	if err != nil {
		return err
	}
	if err := c.showPlan(plan); err != nil || !plan.Changes() || dryRun {
		d.Discard(ctx, plan)
		return err
	}
	if err := c.confirmed(ctx, "deploy this?", "nothing was deployed"); err != nil {
		d.Discard(ctx, plan)
		return err
	}
	*c.started = true
	outputs, err := d.Apply(ctx, plan)
	if err != nil {
		return err
	}
	return c.showNext(outputs, plan.Webhook != "")
}

// complete fills in what flags, what is deployed, and a person at the terminal say.
func (c *clusterCommand) complete(ctx context.Context) error {
	if err := c.applyDeployFlags(); err != nil {
		return err
	}
	d := c.deployment
	d.Settings = c.settings
	if c.fromOrigin { // what is deployed says more than the folder in which the command runs
		d.Settings.Repository = ""
	}
	deployed, err := d.Adopt(ctx)
	if err != nil {
		return err
	}
	d.Settings.Repository = cmp.Or(d.Settings.Repository, c.settings.Repository)
	if !deployed && c.terminal && !c.yes {
		if err := c.askForSettings(ctx); err != nil {
			return err
		}
	}
	if err := d.Settings.Complete(); err != nil {
		return err
	}
	if err := d.Settings.Check(); err != nil {
		return err
	}
	if err := c.openTargets(ctx, nil); err != nil {
		return err
	}
	if d.Settings.Door.Webhook() {
		if err := c.findZip(ctx); err != nil {
			return err
		}
	}
	c.settings = d.Settings
	return nil
}

// findZip finds the webhook's function. A webhook that is deployed stays as it is if there is none.
func (c *clusterCommand) findZip(ctx context.Context) error {
	s := &c.deployment.Settings
	source := cluster.ZipSource{
		File: c.variables[webhookZipFlag.variable], Version: number, SHA256: webhookSum,
		Checkout: cmp.Or(c.variables[workspaceFlag.variable], "."), Build: c.stderr,
	}
	zip, err := source.Find(ctx)
	if err == nil {
		s.Zip = zip
		return nil
	}
	current, e := c.deployment.Account.Status(ctx, s.WebhookStack())
	if e == nil && !current.Missing() && source.File == "" {
		c.note("runner: the webhook stays as it is deployed: %s", err)
		return nil
	}
	return err
}

// applyDeployFlags are the flags that only deploy has.
func (c *clusterCommand) applyDeployFlags() (err error) {
	s := &c.settings
	if names := c.variables[environmentsFlag.variable]; names != "" {
		if s.Environments, err = environmentsOf(names, s.Environments); err != nil {
			return err
		}
	}
	if network := c.variables[networkFlag.variable]; network != "" {
		if err := setNetwork(&s.Network, network); err != nil {
			return err
		}
	}
	if door := steps.Door(c.variables[doorFlag.variable]); door != "" {
		if err := setDoor(&s.Door, door); err != nil {
			return err
		}
	}
	if policy := c.variables[policyFlag.variable]; policy != "" {
		if !steps.IsPolicyARN(policy) {
			return &usageError{
				fmt.Sprintf("%q is not the ARN of a policy", policy), "write one such as arn:aws:iam::123456789012:policy/shop",
			}
		}
		s.Policy = policy
	}
	if size := c.variables[sizeFlag.variable]; size != "" {
		s.Sizes.Build, s.Sizes.Test = size, size
	}
	return nil
}

// showPlan prints what a deployment will do.
func (c clusterCommand) showPlan(p *cluster.Plan) error {
	if c.json {
		text, err := json.Marshal(p)
		if err != nil {
			return err
		}
		return c.printJSON(append(text, '\n'))
	}
	if !p.Changes() {
		var b strings.Builder
		fmt.Fprintf(&b, "no changes: the %d stacks in account %s, %s, are as they should be\n", len(p.Stacks), p.Account, p.Region)
		writeNotes(&b, p.Notes)
		return c.print("%s", b.String())
	}
	var b strings.Builder
	fmt.Fprintf(&b, "account %s, %s\n", p.Account, p.Region)
	for _, s := range p.Stacks {
		fmt.Fprintf(&b, "\n%-14s stack %s: %s, from %s", s.Action, s.Stack, s.Label, s.Template)
		if s.Account != p.Account || s.Region != p.Region {
			fmt.Fprintf(&b, ", in account %s, %s", s.Account, s.Region)
		}
		if s.Because != "" {
			fmt.Fprintf(&b, " (%s)", s.Because)
		}
		b.WriteByte('\n')
		writeResources(&b, s.Resources)
		writeChanges(&b, s.Changes)
	}
	if p.Webhook != "" {
		fmt.Fprintf(&b, "\nregister       the webhook at GitHub, in %s, with GITHUB_TOKEN\n", p.Webhook)
	}
	writeNotes(&b, p.Notes)
	fmt.Fprintf(&b, "\na month, whether anything runs or not: $%.2f", cluster.Monthly(p.Cost))
	for i, price := range p.Cost {
		fmt.Fprintf(&b, "%s%d %s %.2f", map[bool]string{true: " (", false: ", "}[i == 0], price.Number, price.What, price.Dollars)
	}
	if len(p.Cost) > 0 {
		b.WriteByte(')')
	}
	fmt.Fprintf(&b, "\nlist prices of %s, %s; runs cost on top: infra/scale.md\n", cluster.PricesAsOf, cluster.PricesFrom)
	return c.print("%s", b.String())
}

// writeNotes writes what to know besides.
func writeNotes(b *strings.Builder, notes []string) {
	for i, note := range notes {
		fmt.Fprintf(b, "%s%s\n", map[bool]string{true: "\nnote:  ", false: "       "}[i == 0], note)
	}
}

// writeResources writes how many resources of each kind are made.
func writeResources(b *strings.Builder, counts []cluster.Count) {
	total := 0
	var kinds []string
	for _, count := range counts {
		total += count.Number
		kinds = append(kinds, fmt.Sprintf("%d %s", count.Number, strings.TrimPrefix(count.Type, "AWS::")))
	}
	if total > 0 {
		fmt.Fprintf(b, "  %d resources: %s\n", total, strings.Join(kinds, ", "))
	}
}

// writeChanges writes what an update does to each resource.
func writeChanges(b *strings.Builder, changes []cluster.Change) {
	for _, change := range changes {
		fmt.Fprintf(b, "  %-7s %s (%s)", strings.ToLower(change.Action), change.Resource, change.Type)
		switch {
		case change.Replacement == "True":
			b.WriteString(", which is made anew")
		case change.Replaces():
			b.WriteString(", which may be made anew")
		}
		b.WriteByte('\n')
	}
}

// showNext prints what to do after a deployment.
func (c clusterCommand) showNext(outputs map[string]map[string]string, registered bool) error {
	s := c.settings
	pipeline := outputs[s.Stack]
	var b strings.Builder
	b.WriteString("deployed\n")
	if hook := outputs[s.WebhookStack()]; hook["Url"] != "" {
		fmt.Fprintf(&b, "webhook  %s, content type application/json; its secret is in Secrets Manager: %s\n", hook["Url"], hook["SecretArn"])
		if !registered {
			fmt.Fprintf(&b, "         a GITHUB_TOKEN that may write webhooks lets this command register it; by hand:\n%s\n",
				cluster.HookCommand(s, hook))
		}
	}
	stackFlag := c.stackWords()
	if pipeline["ImageTag"] == cluster.NoImage {
		fmt.Fprintf(&b, "next     runner cluster image%s, which builds and pushes the image of the steps\n", stackFlag)
	} else {
		fmt.Fprintf(&b, "next     runner cluster check%s\n", stackFlag)
	}
	return c.print("%s", b.String())
}

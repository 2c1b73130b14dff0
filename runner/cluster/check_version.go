package cluster

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/credentials"
	"github.com/carlin-cicd/runner/infra"
	"github.com/carlin-cicd/runner/runner/awsjson"
	"github.com/carlin-cicd/runner/runner/deploy/stack"
)

// versionOutput is the output of each stack with the version of the runner whose template it has.
const versionOutput = "RunnerVersion"

// Version is the version of the runner that the template belongs to.
func (t *Template) Version() string {
	output, _ := t.Outputs[versionOutput].(map[string]any)
	return fmt.Sprint(output["Value"])
}

// Newer reports whether one version comes after another: 0.10.0 after 0.9.1. What is not known comes before all others;
// what follows a dash, as in 1.0.0-rc.1, does not count.
func Newer(one, other string) bool {
	one, _, _ = strings.Cut(one, "-")
	other, _, _ = strings.Cut(other, "-")
	a, b := strings.Split(one, "."), strings.Split(other, ".")
	for i := range max(len(a), len(b)) {
		x, y := number(a, i), number(b, i)
		if x != y {
			return x > y
		}
	}
	return false
}

// number is a part of a version.
func number(parts []string, i int) int {
	if i >= len(parts) {
		return 0
	}
	n, err := strconv.Atoi(parts[i])
	if err != nil {
		return -1
	}
	return n
}

// DeployedVersion is the version of the pipeline's template that is deployed; "" if it is older than such versions.
func (d *Deployment) DeployedVersion(ctx context.Context) (string, error) {
	current, err := d.Account.stack(d.Settings.Stack).Snapshot(ctx)
	return current.Outputs[versionOutput], err
}

// checkTemplates compares the templates that are deployed with those of this program.
func (i *Inspection) checkTemplates(context.Context) ([]artifacts.Finding, error) {
	s := i.Settings
	type deployed struct {
		stack, template string
		stack.Snapshot
	}
	all := []deployed{
		{s.Base, baseTemplate, i.base}, {s.Stack, pipelineTemplate, i.pipeline}, {s.WebhookStack(), webhookTemplate, i.hook},
	}
	for _, name := range sortedKeys(i.environments) {
		all = append(all, deployed{s.EnvironmentStack(name), environmentTemplate, i.environments[name]})
	}
	for _, name := range sortedKeys(i.targets) {
		all = append(all, deployed{s.TargetStack(name), targetTemplate, i.targets[name]})
	}
	var others, changed []string
	own, newest := "", ""
	for _, d := range all {
		if d.Missing() {
			continue
		}
		t, err := LoadTemplate(d.template)
		if err != nil {
			return nil, err
		}
		own = t.Version()
		switch have := d.Outputs[versionOutput]; {
		case have != own:
			others = append(others, fmt.Sprintf("%s (%s) is of %s", d.stack, d.template, NameOfVersion(have)))
			if Newer(have, newest) {
				newest = have
			}
		case strings.TrimSpace(d.Template) != strings.TrimSpace(t.Text):
			changed = append(changed, fmt.Sprintf("%s (%s)", d.stack, d.template))
		}
	}
	found := i.checkTargets()
	if len(others) > 0 {
		advice := "runner cluster upgrade --dry-run shows what differs"
		if Newer(newest, own) {
			advice = "use runner " + newest
		}
		found = append(found, warning(fmt.Sprintf("not all is of this runner's version, %s: %s", own, strings.Join(others, ", ")), advice))
	}
	if len(changed) > 0 {
		found = append(found, warning(
			"templates of another build of version "+own+" than this runner are deployed: "+strings.Join(changed, ", "),
			"runner cluster upgrade --dry-run shows what differs",
		))
	}
	if others == nil && changed == nil {
		found = append(found, ok("the templates that are deployed are those of this runner, %s", own))
	}
	return found, nil
}

// checkTargets looks whether the stacks of environments elsewhere are there.
func (i *Inspection) checkTargets() (found []artifacts.Finding) {
	for _, name := range sortedKeys(i.Unreachable) {
		found = append(found, warning(
			fmt.Sprintf("stack %s could not be checked: %s", i.Settings.TargetStack(name), credentials.Message(i.Unreachable[name])),
			"name a profile with credentials for its account: profile: of environment "+name+", below cluster: in runner.yaml",
		))
	}
	for _, name := range sortedKeys(i.targets) {
		target, there := i.Settings.TargetStack(name), i.Targets[name]
		current := i.targets[name]
		switch problem, advice := current.Blocked(target); {
		case current.Missing():
			found = append(found, broken(
				fmt.Sprintf("there is no stack %s in account %s, %s, so that deployments to %s fail", target, there.ID, there.Region, name),
				"runner cluster deploy makes it",
			))
		case problem != "":
			found = append(found, broken(fmt.Sprintf("stack %s cannot be updated: %s", target, problem), advice))
		}
	}
	return found
}

// NameOfVersion names a version of the templates for people.
func NameOfVersion(version string) string {
	if version == "" {
		return "a version before 0.2"
	}
	return version
}

// checkImageVersion compares the runner in the image with this one.
func (i *Inspection) checkImageVersion(ctx context.Context) ([]artifacts.Finding, error) {
	tag, repository := i.values["ImageTag"], i.out("RepositoryName")
	if tag == NoImage || repository == "" {
		return nil, nil
	}
	registry, err := awsjson.New(ctx, i.Account.config, ecrService)
	if err != nil {
		return nil, err
	}
	labels, err := imageLabels(ctx, registry, i.HTTP, repository, tag)
	switch {
	case awsjson.HasCode(err, "RepositoryNotFoundException", "ImageNotFoundException"):
		return nil, nil // which the check of the image says
	case err != nil:
		return nil, err
	}
	own := infra.Version()
	of := ""
	if revision := labels[revisionLabel]; revision != "" {
		of = ", of commit " + revision[:min(12, len(revision))]
	}
	switch have := labels[versionLabel]; {
	case labels[titleLabel] != runnerTitle || have == "":
		return []artifacts.Finding{ok("the image %s:%s does not say which runner it has%s", repository, tag, of)}, nil
	case Newer(have, own):
		return []artifacts.Finding{warning(
			fmt.Sprintf("the image %s:%s has runner %s, which is newer than this one, %s", repository, tag, have, own), "use runner "+have,
		)}, nil
	case have != own:
		return []artifacts.Finding{warning(
			fmt.Sprintf("the image %s:%s has runner %s, and this one is %s", repository, tag, have, own),
			"begin the Dockerfile FROM the image of "+own+", and run runner cluster image",
		)}, nil
	}
	return []artifacts.Finding{ok("the image %s:%s has runner %s%s", repository, tag, own, of)}, nil
}

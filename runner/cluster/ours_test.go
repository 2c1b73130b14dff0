package cluster

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/steps"
)

// environmentParametersOf are parameters as a stack of environment.yaml has them.
func environmentParametersOf(pipeline, environment string) map[string]string {
	return map[string]string{
		"Pipeline": pipeline, "EnvironmentName": environment, "StackName": "Shop-" + strings.ToUpper(environment[:1]) + environment[1:], "MachineRoleName": "machine",
		"ImageTag": "0123abc", "StackPolicyArn": "arn:aws:iam::123456789012:policy/shop",
	}
}

// ownedAWS is a fake whose stacks have the parameters by which they are known, and three that the settings do not name:
// one of an environment that was taken out, and two of other projects.
func ownedAWS(t *testing.T) *fakeAWS {
	t.Helper()
	f := newFakeAWS(t)
	f.stacks["ci-base"].parameters = map[string]string{"VpcId": "", "SubnetIds": "", "VpcCidr": "", "CreateKey": "false"}
	f.stacks["ci-webhook"].parameters = map[string]string{"EventBusName": "ci", "Repositories": "", "LambdaS3Key": "k"}
	f.stacks["ci-staging"].parameters = environmentParametersOf("ci", "staging")
	f.stacks["ci-qa"] = &fakeStack{template: "{}", parameters: environmentParametersOf("ci", "qa")}
	f.stacks["ci-shop-staging"] = &fakeStack{template: "{}", parameters: environmentParametersOf("ci-shop", "staging")}
	f.stacks["ci-site"] = &fakeStack{template: "{}"}
	return f
}

// The stack of an environment that was taken out of the settings is deleted with the others; those of other projects
// whose names begin alike, or are even the same, are not.
func TestDestroyDeletesWhatIsOfThisPipelineOnly(t *testing.T) {
	f := ownedAWS(t)
	f.stacks["ci-webhook"].parameters = map[string]string{"Stage": "live"}
	r, err := f.inspect(t).Removal(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"ci-staging", "ci-qa", "ci"}; !slices.Equal(r.Stacks, want) {
		t.Errorf("it deletes %v, want %v", r.Stacks, want)
	}
	kept := strings.Join(r.Kept, "\n")
	for _, name := range []string{"ci-shop-staging", "ci-site", "ci-webhook"} {
		if !strings.Contains(kept, "stack "+name+", which is not of this pipeline") {
			t.Errorf("%s is not said to be kept:\n%s", name, kept)
		}
	}
	if !strings.Contains(kept, "stack Shop-Qa, which the pipeline deployed") {
		t.Errorf("the project's stack of qa is not said to be kept:\n%s", kept)
	}
}

// The base of other pipelines stays, whatever is asked for: their tasks would have no network.
func TestDestroyKeepsTheBaseThatOtherPipelinesUse(t *testing.T) {
	f := ownedAWS(t)
	base := f.stacks["ci-base"]
	base.outputs = map[string]string{"SecurityGroupId": "sg-1", "TemplateBucket": "templates"}
	pipeline := func(group string) *fakeStack {
		return &fakeStack{template: "{}", parameters: map[string]string{
			"GitHubRepository": "acme/books", "Environments": "", "ApprovalEnvironments": "", "ImageTag": "1", "SecurityGroupId": group,
		}}
	}
	f.xml["ListStacks"] = "<StackSummaries/>"
	f.stacks["books"], f.stacks["elsewhere"] = pipeline("sg-1"), pipeline("sg-2")
	r, err := f.inspect(t).Removal(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"ci-staging", "ci-qa", "ci-webhook", "ci"}; !slices.Equal(r.Stacks, want) {
		t.Errorf("it deletes %v, want %v", r.Stacks, want)
	}
	if text := r.String(); !strings.Contains(text, "stack ci-base, which books uses, too: runner cluster destroy --stack books --all deletes it with the last of them") ||
		strings.Contains(text, "templates") {
		t.Error(text)
	}
	delete(f.stacks, "books")
	if r, err = f.inspect(t).Removal(t.Context(), true); err != nil || !slices.Contains(r.Stacks, "ci-base") || !strings.Contains(r.String(), "templates") {
		t.Errorf("%v %v", r, err)
	}
}

func TestAPlanAndACheckNameWhatEarlierSettingsLeft(t *testing.T) {
	f := ownedAWS(t)
	d := f.inspect(t).Deployment
	d.Settings.Door = steps.WorkflowDoor
	plan := &Plan{}
	if err := d.noteStrays(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"stack ci-qa is left of environment qa, which is not in the settings: aws cloudformation delete-stack --stack-name ci-qa --region eu-west-1",
		"stack ci-webhook is left of the webhook, and the door is workflow: aws cloudformation delete-stack --stack-name ci-webhook --region eu-west-1",
	}
	if !slices.Equal(plan.Notes, want) {
		t.Errorf("%q\nwant %q", plan.Notes, want)
	}
	bad, _ := f.run(t, nil)
	if len(bad) != 1 || bad[0].Subject != "environments" || !strings.HasPrefix(bad[0].Problem, "stack ci-qa is left of environment qa") || bad[0].Advice == "" {
		t.Errorf("%+v", bad)
	}
}

// A stack that happens to have the name is not updated to one of ours, which would delete what it has.
func TestAStackOfAnotherProjectIsNotUpdated(t *testing.T) {
	f := ownedAWS(t)
	f.stacks["ci-base"].parameters = map[string]string{"Stage": "live"}
	d := f.inspect(t).Deployment
	f.xml["GetRole"], f.xml["ListOpenIDConnectProviders"] = "<Role/>", "<OpenIDConnectProviderList/>"
	_, err := d.Plan(t.Context())
	if err == nil || err.Error() != "stack ci-base exists, and was not made from base.yaml of this pipeline; it stays as it is" {
		t.Error(err)
	}
}

// Where an environment is deployed to is known by its stack, so that nothing of it is said twice.
func TestAdoptFindsEnvironmentsElsewhere(t *testing.T) {
	f := ownedAWS(t)
	f.stacks["ci-staging"].parameters["TargetRoleArn"] = "arn:aws:iam::210987654321:role/deploy"
	f.stacks["ci-staging"].parameters["TargetRegion"] = "us-east-2"
	d := f.inspect(t).Deployment
	e := d.Settings.Environments[0]
	if e.Account != "210987654321" || e.Region != "us-east-2" || e.Stack != "Shop-Staging" || !d.Adopted["staging"] {
		t.Errorf("%+v %v", e, d.Adopted)
	}
	said := &Deployment{Account: d.Account, Settings: Settings{Cluster: steps.Cluster{
		Stack: "ci", Environments: []steps.ClusterEnvironment{{Name: "staging", Account: "123456789012", Stack: "Other"}},
	}}}
	if _, err := said.Adopt(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e := said.Settings.Environments[0]; e.Account != "123456789012" || e.Region != "" || e.Stack != "Other" || said.Adopted["staging"] {
		t.Errorf("the settings do not win: %+v", e)
	}
}

// The stack of a target is compared, too, and one that cannot be read is said to be unchecked.
func TestCheckLooksAtTargets(t *testing.T) {
	f := ownedAWS(t)
	delete(f.stacks, "ci-qa")
	f.stacks["ci-staging-target"] = &fakeStack{template: "{}", outputs: map[string]string{versionOutput: "0.1.9"}}
	for name, c := range map[string]struct {
		change func(*Inspection)
		says   string
	}{
		"an older version": {func(*Inspection) {}, "ci-staging-target (target.yaml) is of 0.1.9"},
		"gone":             {func(*Inspection) { delete(f.stacks, "ci-staging-target") }, "there is no stack ci-staging-target in account 210987654321"},
		"no credentials": {func(i *Inspection) {
			i.Targets, i.Unreachable = nil, map[string]error{"staging": errors.New("no profile")}
		}, "stack ci-staging-target could not be checked"},
	} {
		bad, _ := f.run(t, func(i *Inspection) {
			there := *i.Account
			there.ID = "210987654321"
			i.Targets = map[string]*Account{"staging": &there}
			c.change(i)
		})
		if len(bad) != 1 || bad[0].Subject != "version" || !strings.Contains(bad[0].Problem, c.says) {
			t.Errorf("%s: %+v", name, bad)
		}
		f.stacks["ci-staging-target"] = &fakeStack{template: "{}", outputs: map[string]string{versionOutput: "0.1.9"}}
	}
}

// A target that was made by hand has another name than ours. It is found by its parameters, and no second one is made.
func TestATargetOfAnotherNameIsFound(t *testing.T) {
	f := ownedAWS(t)
	f.stacks["ci-target"] = &fakeStack{template: "{}", parameters: map[string]string{
		"Pipeline": "ci", "EnvironmentName": "staging", "StackName": "Shop-Staging", "ExternalId": "x",
		"DeployRoleArn": "arn:aws:iam::123456789012:role/deploy",
	}}
	other := maps.Clone(f.stacks["ci-target"].parameters) // of a pipeline of the same name in another account
	other["EnvironmentName"], other["DeployRoleArn"] = "qa", "arn:aws:iam::999999999999:role/deploy"
	f.stacks["ci-qa-target"] = &fakeStack{template: "{}", parameters: other}
	f.stacks["other-target"] = &fakeStack{template: "{}", parameters: other}
	d := f.inspect(t).Deployment
	if err := d.FindTarget(t.Context(), "staging", d.Account); err != nil || d.Settings.TargetStack("staging") != "ci-target" {
		t.Errorf("%s %v", d.Settings.TargetStack("staging"), err)
	}
	if err := d.FindTarget(t.Context(), "qa", d.Account); err != nil || d.Settings.TargetStack("qa") != "ci-qa-target" || d.Settings.targets["qa"] != "" {
		t.Errorf("%s %v", d.Settings.TargetStack("qa"), err)
	}
	if ours, others, err := d.strays(t.Context()); err != nil || len(ours) != 1 || ours[0].name != "ci-qa" || !slices.Equal(others, []string{"ci-qa-target", "ci-shop-staging", "ci-site"}) {
		t.Errorf("%+v %v %v", ours, others, err)
	}
}

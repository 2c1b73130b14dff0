package remote

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
)

// environmentParameter is what a stack of environment.yaml keeps in Parameter Store.
const environmentParameter = `{"Parameter":{"Value":"{\"migrate\":{\"definition\":\"ci-Migrate-eu:3\",\"timeout\":7200,\"subnets\":[\"subnet-db\"],\"groups\":[\"sg-db\"],\"public\":\"DISABLED\"},\"deploy\":{\"definition\":\"ci-Deploy-eu:2\",\"subnets\":[\"\"],\"groups\":[\"\"],\"public\":\"\"}}"}}`

func TestTaskDefinitionAndNetworkOfAStep(t *testing.T) {
	const general = "subnet-a,subnet-b sg-1 ENABLED"
	for name, c := range map[string]struct {
		step, environment, branch string
		definition, network       string
		sent                      string // BRANCH
	}{
		"build of the main branch":     {"build", "", "main", "ci-Build:1", "subnet-build sg-build ENABLED", "main"},
		"test of the main branch":      {"test", "", "main", "ci-Test:1", general, "main"},
		"test of another branch":       {"test", "", "topic", "ci-BranchTest:1", general, "topic"},
		"a step of the project's own":  {"lint", "", "topic", "ci-BranchTest:1", general, "topic"},
		"a branch like a release tag":  {"build", "", "v2-rewrite", "ci-BranchBuild:1", "subnet-build sg-build ENABLED", "heads/v2-rewrite"},
		"migration with a network":     {"migrate", "eu", "main", "ci-Migrate-eu:3", "subnet-db sg-db DISABLED", "main"},
		"deployment without a network": {"deploy", "eu", "v2", "ci-Deploy-eu:2", general, "v2"},
		"an output of the stack":       {"deploy", "staging", "main", "ci-DeployStaging:1", general, "main"},
	} {
		t.Run(name, func(t *testing.T) {
			p := &played{answers: map[string][]string{"DescribeTaskDefinition": {definition}, "RunTask": {taken}, "GetParameter": {environmentParameter}}}
			client := client(t, p)
			maps.Copy(client.Cluster.Outputs, map[string]string{
				"MainBranch": "main", "TagPrefix": "v", "BuildTaskDefinitionArn": "ci-Build:1",
				"BranchBuildTaskDefinitionArn": "ci-BranchBuild:1", "BranchTestTaskDefinitionArn": "ci-BranchTest:1",
				"BuildSubnetIds": "subnet-build", "BuildSecurityGroupId": "sg-build", "DeployStagingTaskDefinitionArn": "ci-DeployStaging:1",
			})
			request := Request{Step: c.step, Environment: c.environment, Variables: map[string]string{"BRANCH": c.branch}}
			if _, err := client.Start(t.Context(), request, func(string) {}); err != nil {
				t.Fatal(err)
			}
			var sent runTask
			if err := json.Unmarshal([]byte(p.inputs["RunTask"][0]), &sent); err != nil {
				t.Fatal(err)
			}
			vpc := sent.Network.VPC
			network := strings.Join(vpc.Subnets, ",") + " " + strings.Join(vpc.SecurityGroups, ",") + " " + vpc.AssignPublicIP
			if sent.Definition != c.definition || network != c.network {
				t.Errorf("%s in %s, want %s in %s", sent.Definition, network, c.definition, c.network)
			}
			if sent.PropagateTags != "TASK_DEFINITION" || !sent.ManagedTags {
				t.Errorf("the task has no tags for the bill: %+v", sent)
			}
			for _, v := range sent.Overrides.ContainerOverrides[0].Environment {
				if v.Name == "BRANCH" && v.Value != c.sent {
					t.Errorf("BRANCH is %s, want %s", v.Value, c.sent)
				}
			}
			if asked := p.inputs["GetParameter"]; c.environment == "eu" && (len(asked) != 1 || asked[0] != `{"Name":"/ci/environments/eu"}`) {
				t.Errorf("parameters read: %v", asked)
			}
		})
	}
}

func TestEnvironmentThatIsNotThere(t *testing.T) {
	for name, c := range map[string]struct{ environment, answer, want, advice string }{
		"not named":       {"", "", "ENVIRONMENT is required for step deploy", "--environment"},
		"not deployed":    {"eu", "!ParameterNotFound", "the pipeline ci has no environment eu", "deploy environment.yaml"},
		"not allowed":     {"eu", "!AccessDeniedException", "could not read the settings of the environment eu", "allow ssm:GetParameter on the parameter /ci/environments/eu"},
		"without a task":  {"eu", `{"Parameter":{"Value":"{}"}}`, "the parameter /ci/environments/eu has no task definition for deploy", "deploy environment.yaml again"},
		"not a JSON text": {"eu", `{"Parameter":{"Value":"x"}}`, "the parameter /ci/environments/eu has no task definition for deploy", "deploy environment.yaml again"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := client(t, &played{answers: map[string][]string{"GetParameter": {c.answer}}}).Start(t.Context(), Request{Step: "deploy", Environment: c.environment}, func(string) {})
			var e *Error
			if !asError(err, &e) || !strings.HasPrefix(e.Error(), c.want) || !strings.Contains(e.Advice, c.advice) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestContainerIsFoundByName(t *testing.T) {
	two := strings.Replace(definition, `[{"name":"runner"`, `[{"name":"aws-guardduty-agent"},{"name":"runner"`, 1)
	p := &played{answers: map[string][]string{"DescribeTaskDefinition": {two}, "RunTask": {taken}}}
	task, err := client(t, p).Start(t.Context(), Request{Step: "test"}, func(string) {})
	if err != nil || task.container != "runner" || !strings.Contains(p.inputs["RunTask"][0], `"name":"runner"`) {
		t.Errorf("%+v, %v", task, err)
	}
}

package cluster

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/steps"
)

// run returns the findings that are not good.
func (f *fakeAWS) run(t *testing.T, change func(*Inspection)) (bad []artifacts.Finding, good int) {
	t.Helper()
	i := f.inspect(t)
	if change != nil {
		change(i)
	}
	err := i.Run(t.Context(), func(found artifacts.Finding) {
		if found.Severity == artifacts.OK {
			good++
			return
		}
		bad = append(bad, found)
	})
	if err != nil {
		t.Fatal(err)
	}
	return bad, good
}

func TestACheckOfAClusterThatIsWellFindsNothing(t *testing.T) {
	bad, good := newFakeAWS(t).run(t, nil)
	for _, f := range bad {
		t.Errorf("%s %s: %s (%s)", f.Severity, f.Subject, f.Problem, f.Advice)
	}
	if good < len(checks()) {
		t.Errorf("only %d lines for %d checks", good, len(checks()))
	}
}

// Each fault is found by one line, which says what to do; nothing else is blamed.
func TestACheckFindsEachFault(t *testing.T) {
	stackNamed := func(name string, change func(*fakeStack)) func(*fakeAWS) {
		return func(f *fakeAWS) { change(f.stacks[name]) }
	}
	answer := func(operation string, value any) func(*fakeAWS) {
		return func(f *fakeAWS) { f.json[operation] = value }
	}
	markup := func(action, value string) func(*fakeAWS) { return func(f *fakeAWS) { f.xml[action] = value } }
	parameter := func(name, value string) func(*fakeAWS) {
		return stackNamed("ci", func(s *fakeStack) { s.parameters = with(s.parameters, name, value) })
	}
	hook := func(change string) func(*fakeAWS) {
		return func(f *fakeAWS) { f.hooks = []any{hookOf(f, change)} }
	}
	rebuilt := func(item map[string]any) func(*fakeAWS) {
		return func(f *fakeAWS) {
			for _, name := range []string{"ci", "ci-staging"} {
				f.stacks[name].parameters = with(f.stacks[name].parameters, "ImageTag", CurrentTag)
			}
			f.json["GetItem"] = item
		}
	}
	labelled := func(labels string) func(*fakeAWS) {
		return func(f *fakeAWS) {
			f.objects["/shop-artifacts/config"] = []byte(`{"config": {"Labels": {` + labels + `}}}`)
		}
	}
	for _, c := range []struct {
		fault       string
		breakIt     func(*fakeAWS)
		subject     string
		says        string
		inspect     func(*Inspection)
		consequence string // what else is found, and why that is right
	}{
		{fault: "no base", breakIt: func(f *fakeAWS) { delete(f.stacks, "ci-base") }, subject: "stacks", says: "there is no stack ci-base"},
		{fault: "a base whose rollback is stuck", breakIt: stackNamed("ci-base", func(s *fakeStack) { s.status = "UPDATE_ROLLBACK_FAILED" }), subject: "stacks", says: "its last rollback is stuck"},
		{fault: "a pipeline whose first creation failed", breakIt: stackNamed("ci", func(s *fakeStack) { s.status = "ROLLBACK_COMPLETE" }), subject: "stacks", says: "its first create failed", consequence: "environments"},
		{fault: "templates of another version", breakIt: stackNamed("ci", func(s *fakeStack) { s.template += "# older\n" }), subject: "version", says: "ci (cicd.yaml)"},
		{fault: "a stack of an older version", breakIt: stackNamed("ci-base", func(s *fakeStack) { s.outputs = with(s.outputs, versionOutput, "0.1.9") }), subject: "version", says: "ci-base (base.yaml) is of 0.1.9"},
		{fault: "a stack from before versions", breakIt: stackNamed("ci-staging", func(s *fakeStack) { s.outputs = with(s.outputs, versionOutput, "") }), subject: "version", says: "ci-staging (environment.yaml) is of a version before 0.2"},
		{fault: "a stack of a newer version", breakIt: stackNamed("ci-webhook", func(s *fakeStack) { s.outputs = with(s.outputs, versionOutput, "0.10.0") }), subject: "version", says: "ci-webhook (webhook.yaml) is of 0.10.0"},
		{fault: "an image with an older runner", breakIt: labelled(`"org.opencontainers.image.title": "carlin-cicd runner", "org.opencontainers.image.version": "0.1.0"`), subject: "version", says: "ci/shop:0123abc has runner 0.1.0"},
		{fault: "an image with a newer runner", breakIt: labelled(`"org.opencontainers.image.title": "carlin-cicd runner", "org.opencontainers.image.version": "0.10.0"`), subject: "version", says: "has runner 0.10.0, which is newer"},
		{fault: "no image yet", breakIt: parameter("ImageTag", NoImage), subject: "image", says: "there is no image yet"},
		{fault: "an image that was deleted", breakIt: answer("DescribeImages", refused("ecr", "no image")), subject: "image", says: "ci/shop has no image with the tag 0123abc"},
		{fault: "no image repository", breakIt: answer("DescribeImages", refused("ecr", "no repository")), subject: "image", says: "there is no image repository ci/shop"},
		{fault: "an environment with another image", breakIt: stackNamed("ci-staging", func(s *fakeStack) { s.parameters = with(s.parameters, "ImageTag", "older") }), subject: "image", says: "environment staging runs the image older"},
		{fault: "an image of which nothing is known", breakIt: rebuilt(map[string]any{}), subject: "image", says: "does not rebuild"},
		{fault: "a tag that was moved by other means", breakIt: rebuilt(map[string]any{"Item": map[string]any{"inputs": map[string]any{"S": "{}"}, "digest": map[string]any{"S": "sha256:2"}}}), subject: "image", says: "was moved to sha256:1 by other means"},
		{fault: "an environment without its stack", breakIt: func(f *fakeAWS) { delete(f.stacks, "ci-staging") }, subject: "environments", says: "environment staging has no stack ci-staging"},
		{fault: "no stack to deploy", breakIt: func(f *fakeAWS) { delete(f.stacks, "Shop-Staging") }, subject: "environments", says: "stack Shop-Staging of environment staging does not exist"},
		{fault: "a stack with another role", breakIt: stackNamed("Shop-Staging", func(s *fakeStack) { s.role = "" }), subject: "environments", says: "was not created with the role"},
		{fault: "a role without a policy", breakIt: stackNamed("ci-staging", func(s *fakeStack) { s.parameters = with(s.parameters, "StackPolicyArn", "") }), subject: "environments", says: "may do nothing"},
		{fault: "a rule that is disabled", breakIt: answer("ListRules", map[string]any{"Rules": []any{
			map[string]any{"Name": "ci-BranchRule", "State": "DISABLED", "EventPattern": `{"source":["ci.github"],"detail-type":["push"]}`},
		}}), subject: "triggers", says: "rule ci-BranchRule is disabled"},
		{fault: "no rule for pushes", breakIt: answer("ListRules", map[string]any{"Rules": []any{}}), subject: "triggers", says: "no rule takes pushes"},
		{fault: "no bus", breakIt: answer("ListRules", refused("events", "no bus")), subject: "triggers", says: "there is no event bus"},
		{fault: "another default branch", breakIt: func(*fakeAWS) {}, inspect: func(i *Inspection) { i.DefaultBranch = "trunk" }, subject: "triggers", says: "the default branch of the repository is trunk"},
		{fault: "no machine", breakIt: answer("DescribeStateMachine", refused("states", "no machine")), subject: "machine", says: "the state machine is gone"},
		{fault: "a bucket without encryption", breakIt: func(f *fakeAWS) { f.bucket["encryption"] = "" }, subject: "bucket", says: "does not encrypt by default"},
		{fault: "a bucket for requests without TLS", breakIt: func(f *fakeAWS) { f.bucket["policy"] = "" }, subject: "bucket", says: "takes requests without TLS"},
		{fault: "a bucket without versions", breakIt: func(f *fakeAWS) { f.bucket["versioning"] = "<VersioningConfiguration/>" }, subject: "bucket", says: "is not versioned"},
		{fault: "a bucket that keeps everything", breakIt: func(f *fakeAWS) { f.bucket["lifecycle"] = "" }, subject: "bucket", says: "for good, and each costs"},
		{fault: "no subnet", breakIt: markup("DescribeSubnets", "!ec2: no subnet"), subject: "network", says: "a subnet of the pipeline is gone"},
		{fault: "no addresses", breakIt: func(f *fakeAWS) {
			f.xml["DescribeSubnets"] = strings.Replace(f.xml["DescribeSubnets"], "4000", "3", 1)
		}, subject: "network", says: "subnet subnet-a has 3 addresses left"},
		{fault: "one zone", breakIt: func(f *fakeAWS) {
			f.xml["DescribeSubnets"] = strings.ReplaceAll(f.xml["DescribeSubnets"], "<availabilityZone>b", "<availabilityZone>a")
		}, subject: "network", says: "in one zone"},
		{fault: "no way to the internet", breakIt: markup("DescribeRouteTables", "<routeTableSet/>"), subject: "network", says: "has no way to the internet"},
		{fault: "no public addresses behind an internet gateway", breakIt: stackNamed("ci", func(s *fakeStack) { s.outputs = with(s.outputs, "AssignPublicIp", "DISABLED") }), subject: "network", says: "tasks have no public address"},
		{fault: "an alarm that was deleted", breakIt: markup("DescribeAlarms", alarmsXML(func(id string) string { return map[string]string{"DlqAlarm": "gone"}[id] })), subject: "alarms", says: "the alarm DlqAlarm is gone"},
		{fault: "an alarm that is disabled", breakIt: markup("DescribeAlarms", alarmsXML(func(id string) string {
			return map[string]string{"FailedAlarm": "<ActionsEnabled>false</ActionsEnabled><AlarmActions><member>a</member></AlarmActions>"}[id]
		})), subject: "alarms", says: "the alarm FailedAlarm sends nothing"},
		{fault: "an alarm without a receiver", breakIt: markup("DescribeAlarms", alarmsXML(func(id string) string {
			return map[string]string{"FailedAlarm": "<ActionsEnabled>true</ActionsEnabled>"}[id]
		})), subject: "alarms", says: "the alarm FailedAlarm has no receiver"},
		{fault: "an alarm that is on", breakIt: markup("DescribeAlarms", alarmsXML(func(id string) string {
			return map[string]string{"DlqAlarm": "<ActionsEnabled>true</ActionsEnabled><AlarmActions><member>a</member></AlarmActions><StateValue>ALARM</StateValue><StateReason>two messages</StateReason>"}[id]
		})), subject: "alarms", says: "the alarm DlqAlarm is on: two messages"},
		{fault: "no receiver", breakIt: markup("ListSubscriptionsByTopic", "<Subscriptions/>"), subject: "receivers", says: "the topic has no subscription"},
		{fault: "a receiver who has not confirmed", breakIt: markup("ListSubscriptionsByTopic", "<Subscriptions><member><SubscriptionArn>PendingConfirmation</SubscriptionArn><Endpoint>ci@example.com</Endpoint></member></Subscriptions>"), subject: "receivers", says: "ci@example.com has not confirmed"},
		{fault: "dead letters", breakIt: answer("GetQueueAttributes", map[string]any{"Attributes": map[string]string{"ApproximateNumberOfMessages": "2"}}), subject: "dead letters", says: "2 events or messages did not arrive"},
		{fault: "a secret of a step that does not exist", breakIt: answer("DescribeSecret", func(in map[string]any) any {
			if in["SecretId"] == "ci/build/npm" {
				return refused("secretsmanager", "no secret")
			}
			return map[string]any{}
		}), subject: "secrets", says: "NPM_TOKEN of step build is ci/build/npm, which does not exist"},
		{fault: "a secret that is scheduled for deletion", breakIt: answer("DescribeSecret", func(in map[string]any) any {
			if in["SecretId"] == "ci/build/npm" {
				return map[string]any{"DeletedDate": 1.7e9}
			}
			return map[string]any{}
		}), subject: "secrets", says: "is scheduled for deletion"},
		{fault: "a parameter that does not exist", breakIt: answer("DescribeParameters", map[string]any{"Parameters": []any{}}), subject: "secrets", says: "KEY of step deploy is /ci/deploy-staging/key, which does not exist"},
		{fault: "a secret that the step may not read", breakIt: func(*fakeAWS) {}, inspect: func(i *Inspection) {
			i.Steps = []steps.Step{{Name: "test", Secrets: map[string]string{"TOKEN": "secretsmanager:ci/build/npm"}}}
		}, subject: "secrets", says: "which its role may not read: it reads below ci/test/ only"},
		{fault: "a quota below one task", breakIt: answer("GetServiceQuota", func(in map[string]any) any {
			value := map[bool]int{true: 2, false: 100}[in["QuotaCode"] == "L-36FBB829"]
			return map[string]any{"Quota": map[string]any{"Value": value}}
		}), subject: "quotas", says: "may run 2 Fargate vCPU on Spot, and one task has 4"},
		{fault: "a quota below what may run at once", breakIt: func(f *fakeAWS) {
			parameter("MaxConcurrentTasks", "10")(f)
			parameter("UseSpot", "false")(f)
			answer("GetServiceQuota", map[string]any{"Quota": map[string]any{"Value": 6}})(f)
		}, subject: "quotas", says: "10 tasks at once have up to 40 vCPU"},
		{fault: "no role for ECS", breakIt: markup("GetRole", "!iam: no role"), subject: "service roles", says: "no role AWSServiceRoleForECS"},
		{fault: "no role for what leaves AWS", breakIt: func(f *fakeAWS) {
			parameter("GitHubTokenArn", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:github")(f)
			markup("GetRole AWSServiceRoleForAmazonEventBridgeApiDestinations", "!iam: no role")(f)
		}, subject: "service roles", says: "no message leaves AWS"},
		{fault: "more tasks at once than RunTask starts", breakIt: func(f *fakeAWS) {
			parameter("MaxConcurrentTasks", "3000")(f)
			answer("GetServiceQuota", map[string]any{"Quota": map[string]any{"Value": 20000}})(f)
		}, subject: "quotas", says: "3000 tasks at once take RunTask 150 s to start"},
		{fault: "a quota below the size of a step", breakIt: answer("GetServiceQuota", func(in map[string]any) any {
			return map[string]any{"Quota": map[string]any{"Value": map[bool]int{true: 100, false: 6}[in["QuotaCode"] == "L-36FBB829"]}}
		}), inspect: func(i *Inspection) {
			i.Steps = []steps.Step{{Name: "e2e", Size: steps.Size{CPU: 8, Memory: 16}}}
		}, subject: "quotas", says: "may run 6 Fargate vCPU on demand, and one task has 8"},
		{fault: "no provider for GitHub's tokens", breakIt: markup("GetOpenIDConnectProvider", "!iam: no provider"), subject: "GitHub's tokens", says: "has no provider"},
		{fault: "a provider with another audience", breakIt: markup("GetOpenIDConnectProvider", "<ClientIDList><member>other</member></ClientIDList>"), subject: "GitHub's tokens", says: "does not take the audience sts.amazonaws.com"},
		{fault: "no door", breakIt: func(f *fakeAWS) { delete(f.stacks, "ci-webhook"); parameter("GitHubRoles", "false")(f) }, subject: "webhook", says: "neither a webhook nor a role"},
		{fault: "a webhook that AWS denies", breakIt: func(f *fakeAWS) { f.hook = http.StatusForbidden }, subject: "webhook", says: "answers 403"},
		{fault: "a function that fails", breakIt: func(f *fakeAWS) { f.hook = http.StatusBadGateway }, subject: "webhook", says: "it answers 502"},
		{fault: "a webhook without its secret", breakIt: answer("DescribeSecret", func(in map[string]any) any {
			if strings.HasSuffix(in["SecretId"].(string), ":hook") {
				return refused("secretsmanager", "no secret")
			}
			return map[string]any{}
		}), subject: "webhook", says: "the webhook's secret does not exist"},
		{fault: "no webhook at GitHub", breakIt: func(f *fakeAWS) { f.hooks = []any{} }, subject: "deliveries", says: "acme/shop has no webhook for"},
		{fault: "a webhook that is not active", breakIt: hook("inactive"), subject: "deliveries", says: "is not active"},
		{fault: "a webhook that sends forms", breakIt: hook("form"), subject: "deliveries", says: "sends forms"},
		{fault: "a webhook without pushes", breakIt: hook("no pushes"), subject: "deliveries", says: "does not send the event push"},
		{fault: "deliveries with another secret", breakIt: hook("unauthorized"), subject: "deliveries", says: "the last delivery ended with 401"},
		{fault: "drift", breakIt: func(f *fakeAWS) {
			f.xml["DescribeStackDriftDetectionStatus"] = strings.Replace(f.xml["DescribeStackDriftDetectionStatus"], "IN_SYNC", "DRIFTED", 1)
			f.xml["DescribeStackResourceDrifts"] = "<StackResourceDrifts><member><LogicalResourceId>Machine</LogicalResourceId><ResourceType>AWS::StepFunctions::StateMachine</ResourceType>" +
				"<StackResourceDriftStatus>MODIFIED</StackResourceDriftStatus><PropertyDifferences><member><PropertyPath>/DefinitionString</PropertyPath></member></PropertyDifferences>" +
				"<Timestamp>2026-11-30T10:00:00Z</Timestamp></member></StackResourceDrifts>"
		}, subject: "drift", says: "Machine (AWS::StepFunctions::StateMachine) was modified by other means: /DefinitionString"},
		{fault: "a right that is missing", breakIt: answer("GetServiceQuota", refusal{"AccessDeniedException", "no"}), subject: "quotas", says: "could not be checked"},
	} {
		t.Run(c.fault, func(t *testing.T) {
			t.Parallel()
			f := newFakeAWS(t)
			c.breakIt(f)
			bad, _ := f.run(t, c.inspect)
			found := false
			for _, b := range bad {
				switch {
				case b.Subject == c.subject && strings.Contains(b.Problem, c.says):
					found = true
					if b.Advice == "" {
						t.Errorf("%q has no advice", b.Problem)
					}
				case c.consequence == "" || b.Subject != c.consequence:
					t.Errorf("%s is blamed: %s", b.Subject, b.Problem)
				}
			}
			if !found {
				t.Errorf("%s does not say %q: %+v", c.subject, c.says, bad)
			}
		})
	}
}

func TestAPingComesOutAtTheOtherEnd(t *testing.T) {
	f := newFakeAWS(t)
	i := f.inspect(t)
	if err := i.read(t.Context()); err != nil {
		t.Fatal(err)
	}
	found, err := i.Ping(t.Context(), time.Minute)
	if err != nil || found.Severity != artifacts.OK {
		t.Errorf("%+v %v", found, err)
	}
	// The machine remembers the delivery before the event arrives, so that it runs nothing.
	item := f.asked["PutItem"][0]["Item"].(map[string]any)["id"].(map[string]any)["S"].(string)
	entry := f.asked["PutEvents"][0]["Entries"].([]any)[0].(map[string]any)
	delivery, ok := strings.CutPrefix(item, "delivery#manual#")
	if !ok || !strings.Contains(entry["Detail"].(string), `"delivery":"`+delivery+`"`) {
		t.Errorf("the table has %s, the event %v", item, entry)
	}
	f.json["DescribeExecution"] = map[string]any{"input": `{"id":"another"}`}
	if found, err = i.Ping(t.Context(), 50*time.Millisecond); err != nil || found.Severity != artifacts.Failure {
		t.Errorf("an event that does not arrive: %+v %v", found, err)
	}
}

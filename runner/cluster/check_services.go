package cluster

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/location"
	"github.com/carlin-cicd/runner/runner/awsjson"
	"github.com/carlin-cicd/runner/runner/awsquery"
)

var (
	eventsService = awsjson.Service{Name: "events", ID: "EventBridge", Target: "AWSEvents"}
	statesService = awsjson.Service{Name: "states", ID: "SFN", Target: "AWSStepFunctions", Version: "1.0"}
	queuesService = awsjson.Service{Name: "sqs", ID: "SQS", Target: "AmazonSQS", Version: "1.0"}
	quotasService = awsjson.Service{Name: "servicequotas", ID: "Service Quotas", Target: "ServiceQuotasV20190624"}
	alarmsService = awsquery.Service{Name: "monitoring", ID: "CloudWatch", Version: "2010-08-01"}
	topicsService = awsquery.Service{Name: "sns", ID: "SNS", Version: "2010-03-31"}
)

// checkTriggers looks whether events of GitHub start the pipeline.
func (i *Inspection) checkTriggers(ctx context.Context) ([]artifacts.Finding, error) {
	var rules struct {
		Rules []struct{ Name, EventPattern, State string }
	}
	err := i.call(ctx, eventsService, "ListRules", map[string]any{"EventBusName": i.out("EventBusName")}, &rules)
	if awsjson.HasCode(err, "ResourceNotFoundException") {
		return []artifacts.Finding{broken("there is no event bus "+i.out("EventBusName"), "runner cluster deploy makes it again")}, nil
	}
	if err != nil {
		return nil, err
	}
	var found []artifacts.Finding
	pushes := 0
	for _, r := range rules.Rules {
		if strings.Contains(r.EventPattern, "ci.github") && strings.Contains(r.EventPattern, `"push"`) {
			pushes++
		}
		if r.State == "DISABLED" {
			found = append(found, broken("rule "+r.Name+" is disabled, so its events start nothing",
				"enable it: TriggersState: ENABLED below parameters: pipeline:, and runner cluster deploy"))
		}
	}
	if pushes == 0 {
		found = append(found, broken("no rule takes pushes of GitHub", "runner cluster deploy makes it again"))
	}
	main := i.values["MainBranch"]
	if i.DefaultBranch != "" && i.DefaultBranch != main {
		found = append(found, broken(
			fmt.Sprintf("the pipeline delivers the branch %s, and the default branch of the repository is %s", main, i.DefaultBranch),
			"set MainBranch below parameters: pipeline:, and runner cluster deploy",
		))
	}
	if found == nil {
		found = append(found, ok("pushes start the pipeline; %s is delivered", main))
	}
	return found, nil
}

// checkMachine looks whether the state machine can be started.
func (i *Inspection) checkMachine(ctx context.Context) ([]artifacts.Finding, error) {
	var machine struct{ Status string }
	err := i.call(ctx, statesService, "DescribeStateMachine", map[string]any{"stateMachineArn": i.out("StateMachineArn")}, &machine)
	switch {
	case awsjson.HasCode(err, "StateMachineDoesNotExist"):
		return []artifacts.Finding{broken("the state machine is gone", "runner cluster deploy makes it again")}, nil
	case err != nil:
		return nil, err
	case machine.Status != "ACTIVE":
		return []artifacts.Finding{broken("the state machine is "+machine.Status, "wait, or delete the stack and deploy it again")}, nil
	}
	return []artifacts.Finding{ok("the state machine is active")}, nil
}

// checkBucket looks whether the bucket keeps what it should, and from whom.
func (i *Inspection) checkBucket(ctx context.Context) ([]artifacts.Finding, error) {
	bucket := i.out("ArtifactBucket")
	store, _, err := location.Open(ctx, "s3://"+bucket, location.Options{
		AWS: func(context.Context) (aws.Config, error) { return i.Account.config, nil },
	})
	if err != nil {
		return nil, err
	}
	var found []artifacts.Finding
	if examiner, is := store.(artifacts.Examiner); is {
		for _, f := range examiner.Examine(ctx) {
			f.Subject = "bucket"
			found = append(found, f)
		}
	}
	if len(found) > 0 && found[0].Severity == artifacts.Failure {
		return found, nil
	}
	rules, err := i.lifecycle(ctx, bucket)
	switch {
	case err != nil:
		return found, err
	case !slices.ContainsFunc(rules, func(r lifecycleRule) bool { return r.expires("runs/") }):
		found = append(found, warning(bucket+" keeps records, caches and coverage for good, and each costs",
			"runner cluster deploy sets the rules again; a bucket of your own needs rules that expire runs/, coverage/, cache/ and pr/"))
	default:
		found = append(found, ok("%s expires what is old", bucket))
	}
	return found, nil
}

// lifecycleRule is a rule of a bucket. CloudFormation writes the prefix in the place of older versions of the API.
type lifecycleRule struct {
	Status     string
	Prefix     string
	Filter     struct{ Prefix string }
	Expiration struct{ Days int }
}

// expires reports whether the rule removes objects below a prefix.
func (r lifecycleRule) expires(prefix string) bool {
	return r.Status == "Enabled" && r.Expiration.Days > 0 && strings.HasPrefix(prefix, cmp.Or(r.Prefix, r.Filter.Prefix))
}

// lifecycle returns the rules of a bucket.
func (i *Inspection) lifecycle(ctx context.Context, bucket string) ([]lifecycleRule, error) {
	var configuration struct{ Rule []lifecycleRule }
	err := i.Account.s3(ctx, http.MethodGet, "/"+bucket+"?lifecycle=", nil, &configuration)
	if awsjson.HasCode(err, "NoSuchLifecycleConfiguration") {
		err = nil
	}
	return configuration.Rule, err
}

// checkAlarms looks whether the alarms of the template are there, and can tell.
func (i *Inspection) checkAlarms(ctx context.Context) ([]artifacts.Finding, error) {
	var have []metricAlarm
	input := &struct{ AlarmNamePrefix, NextToken string }{AlarmNamePrefix: i.Settings.Stack + "-"}
	for {
		var page struct {
			MetricAlarms []metricAlarm
			NextToken    string
		}
		if err := i.query(ctx, alarmsService, "DescribeAlarms", input, &page); err != nil {
			return nil, err
		}
		have = append(have, page.MetricAlarms...)
		if input.NextToken = page.NextToken; page.NextToken == "" {
			break
		}
	}
	t, err := LoadTemplate(pipelineTemplate)
	if err != nil {
		return nil, err
	}
	expected := t.resources(i.values, i.Account.Region)
	var found []artifacts.Finding
	alarms := 0
	for _, id := range sortedKeys(expected) {
		if expected[id].Type == "AWS::CloudWatch::Alarm" {
			alarms++
			found = append(found, i.checkAlarm(id, have)...)
		}
	}
	if found == nil {
		found = append(found, ok("%d alarms are there and tell the topic", alarms))
	}
	return found, nil
}

type metricAlarm struct {
	AlarmName      string
	ActionsEnabled bool
	AlarmActions   []string
	StateValue     string
	StateReason    string
}

// checkAlarm checks the alarm with a logical id.
func (i *Inspection) checkAlarm(id string, have []metricAlarm) []artifacts.Finding {
	at := slices.IndexFunc(have, func(a metricAlarm) bool { return strings.HasPrefix(a.AlarmName, i.Settings.Stack+"-"+id+"-") })
	if at < 0 {
		return []artifacts.Finding{broken("the alarm "+id+" is gone", "runner cluster deploy makes it again")}
	}
	a := have[at]
	switch {
	case !a.ActionsEnabled:
		return []artifacts.Finding{broken("the alarm "+id+" sends nothing: its actions are disabled",
			"aws cloudwatch enable-alarm-actions --alarm-names "+a.AlarmName)}
	case len(a.AlarmActions) == 0:
		return []artifacts.Finding{broken("the alarm "+id+" has no receiver", "runner cluster deploy sets it again")}
	case a.StateValue == "ALARM":
		return []artifacts.Finding{warning("the alarm "+id+" is on: "+a.StateReason, "look at what it is about")}
	}
	return nil
}

// checkReceivers looks whether the topic reaches a person.
func (i *Inspection) checkReceivers(ctx context.Context) ([]artifacts.Finding, error) {
	var list struct {
		Subscriptions []struct{ SubscriptionArn, Protocol, Endpoint string }
	}
	err := i.query(ctx, topicsService, "ListSubscriptionsByTopic", &struct{ TopicArn string }{i.out("TopicArn")}, &list)
	switch {
	case awsjson.HasCode(err, "NotFound", "NotFoundException"):
		return []artifacts.Finding{broken("the topic of the alarms is gone", "runner cluster deploy makes it again")}, nil
	case err != nil:
		return nil, err
	case len(list.Subscriptions) == 0:
		return []artifacts.Finding{warning("alarms and failures reach no person: the topic has no subscription",
			"runner cluster deploy --alarm-email ADDRESS")}, nil
	}
	var found []artifacts.Finding
	for _, s := range list.Subscriptions {
		if s.SubscriptionArn == "PendingConfirmation" {
			found = append(found, warning(s.Endpoint+" has not confirmed its subscription, and gets no messages",
				"open the link in the message of AWS; runner cluster deploy does not send it again, the console does"))
		}
	}
	if found == nil {
		found = append(found, ok("%d subscriptions of the topic", len(list.Subscriptions)))
	}
	return found, nil
}

// checkDeadLetters looks for events that did not start the pipeline.
func (i *Inspection) checkDeadLetters(ctx context.Context) ([]artifacts.Finding, error) {
	var queue struct{ Attributes map[string]string }
	err := i.call(ctx, queuesService, "GetQueueAttributes", map[string]any{
		"QueueUrl": i.out("DlqUrl"), "AttributeNames": []string{"ApproximateNumberOfMessages"},
	}, &queue)
	switch {
	case awsjson.HasCode(err, "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"):
		return []artifacts.Finding{broken("the queue of dead letters is gone", "runner cluster deploy makes it again")}, nil
	case err != nil:
		return nil, err
	}
	if waiting := queue.Attributes["ApproximateNumberOfMessages"]; waiting != "" && waiting != "0" {
		return []artifacts.Finding{warning(waiting+" events or messages did not arrive, and are in the queue of dead letters",
			"read them: aws sqs receive-message --queue-url "+i.out("DlqUrl"))}, nil
	}
	return []artifacts.Finding{ok("none")}, nil
}

// quota is a quota of Fargate.
type quota struct{ name, code string }

// checkQuotas compares what runs at once with what the account may run.
func (i *Inspection) checkQuotas(ctx context.Context) ([]artifacts.Finding, error) {
	largest := i.largestTask()
	quotas := []quota{{"on demand", "L-3032A538"}}
	if i.values["UseSpot"] != "false" {
		quotas = append(quotas, quota{"on Spot", "L-36FBB829"})
	}
	var found []artifacts.Finding
	for _, q := range quotas {
		var answer struct{ Quota struct{ Value float64 } }
		err := i.call(ctx, quotasService, "GetServiceQuota", map[string]any{"ServiceCode": "fargate", "QuotaCode": q.code}, &answer)
		if err != nil {
			return found, err
		}
		found = append(found, judgeQuota(q, answer.Quota.Value, largest, i.values["MaxConcurrentTasks"]))
	}
	return append(found, judgeRate(i.values["MaxConcurrentTasks"])), nil
}

// largestTask is the number of vCPU of the largest task: of the pipeline, its environments and the workspace's steps.
func (i *Inspection) largestTask() float64 {
	sizes := []string{i.values["BuildSize"], i.values["TestSize"]}
	for _, e := range i.environments {
		have := valuesOf(e)
		sizes = append(sizes, have["MigrateSize"], have["DeploySize"])
	}
	largest := 0.0
	for _, size := range sizes {
		cpu, _, _ := strings.Cut(size, "-")
		if n, err := strconv.ParseFloat(cpu, 64); err == nil {
			largest = max(largest, n)
		}
	}
	for _, s := range i.Steps {
		largest = max(largest, s.Size.CPU)
	}
	return largest
}

const (
	// runTaskRate is how many calls of RunTask Fargate takes a second, in an account and region. Service Quotas does not
	// know it: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/throttling.html
	runTaskRate = 20
	// tasksOfStage is how many tasks the machine starts at once.
	tasksOfStage = 40
	// longStart is for how long tasks may start one after the other, in seconds; the machine tries again that long.
	longStart = 60
)

// judgeRate compares what starts at once with what RunTask takes.
func judgeRate(atOnce string) artifacts.Finding {
	tasks, _ := strconv.Atoi(atOnce)
	if tasks/runTaskRate > longStart {
		return warning(
			fmt.Sprintf("%d tasks at once take RunTask %d s to start: Fargate takes %d calls a second", tasks, tasks/runTaskRate, runTaskRate),
			"ask AWS Support for a higher rate of RunTask on Fargate; or lower MaxConcurrentTasks",
		)
	}
	return ok("RunTask takes %d calls a second: the %d tasks of a stage start within %d s", runTaskRate, tasksOfStage, tasksOfStage/runTaskRate)
}

func judgeQuota(q quota, have, largest float64, atOnce string) artifacts.Finding {
	const advice = "ask for more in Service Quotas, under AWS Fargate, %s"
	wanted, _ := strconv.ParseFloat(atOnce, 64)
	switch {
	case have < largest:
		return broken(fmt.Sprintf("the account may run %g Fargate vCPU %s, and one task has %g: it never starts", have, q.name, largest),
			fmt.Sprintf(advice, q.code))
	case wanted*largest > have:
		return warning(
			fmt.Sprintf("%g tasks at once have up to %g vCPU, and the account may run %g %s: further tasks queue", wanted, wanted*largest, have, q.name),
			fmt.Sprintf(advice, q.code)+"; or lower MaxConcurrentTasks",
		)
	}
	return ok("%g Fargate vCPU %s: %d tasks of the largest size at once", have, q.name, int(have/max(largest, 0.25)))
}

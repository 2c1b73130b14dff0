package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/carlin-cicd/runner/infra/ecs"
	"github.com/carlin-cicd/runner/runner/cluster/clustertest"
)

// sharedCluster is an AWS that runs tasks as processes, with the runner as the entry point of every image.
var sharedCluster = sync.OnceValues(func() (*ecs.Server, error) {
	entrypoint, err := exec.LookPath("runner")
	if err != nil {
		return nil, err
	}
	return ecs.Start(ecs.Options{
		Driver: "process", Entrypoint: entrypoint, Phase: 100 * time.Millisecond, LogDelay: 200 * time.Millisecond,
	})
})

// clusters counts the clusters on the server.
var clusters atomic.Int32

// cluster NAME FOLDER [SUBNET...]: deploys a cluster for the script, whose image is the folder.
func cmdCluster(ts *testscript.TestScript, _ bool, args []string) {
	server, err := sharedCluster()
	ts.Check(err)
	for _, entry := range server.Environment() {
		name, value, _ := strings.Cut(entry, "=")
		ts.Setenv(name, value)
	}
	number := clusters.Add(1) // a script may run more than once, and the server counts refused requests by name
	stack := fmt.Sprintf("%s-%d", args[0], number)
	var subnets []string
	for _, subnet := range args[2:] {
		subnets = append(subnets, fmt.Sprintf("%s-r%d", subnet, number))
	}
	ts.Check(server.Deploy(context.Background(), stack, ts.MkAbs(args[1]), subnets...))
	ts.Setenv("RUNNER_CLUSTER_STACK", stack)
	ts.Setenv("RUNNER_TASK_POLL", "100ms")
}

// emptyRegions are regions in which no script has anything yet.
var emptyRegions = []string{"eu-west-1", "eu-west-2", "eu-west-3", "eu-north-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1", "ap-south-1", "ap-northeast-1", "ap-southeast-1", "ap-southeast-2"}

// usedRegions counts them.
var usedRegions atomic.Int32

// emptyaccount: an account of AWS in whose region there is nothing.
func cmdEmptyAccount(ts *testscript.TestScript, _ bool, _ []string) {
	server, err := sharedCluster()
	ts.Check(err)
	for _, entry := range server.Environment() {
		name, value, _ := strings.Cut(entry, "=")
		ts.Setenv(name, value)
	}
	ts.Setenv("AWS_REGION", emptyRegions[int(usedRegions.Add(1)-1)%len(emptyRegions)])
	ts.Setenv("RUNNER_STACK_POLL", "20ms")
}

// webhookzip FILE [PROGRAM [COMMENT]]: writes a zip that is like that of the webhook, but does not run.
func cmdWebhookZip(ts *testscript.TestScript, _ bool, args []string) {
	w := clustertest.Webhook{Program: "github.com/carlin-cicd/runner/cmd/webhook"}
	if len(args) > 1 {
		w.Program += " " + args[1]
	}
	if len(args) > 2 {
		w.Comment = args[2]
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), w.Zip(), 0o600))
}

// stackversion STACK VERSION: a stack has the template of another version of the runner.
func cmdStackVersion(ts *testscript.TestScript, _ bool, args []string) {
	endpoint := ts.Getenv("AWS_ENDPOINT_URL")
	client := cloudformation.New(cloudformation.Options{
		Region: ts.Getenv("AWS_REGION"), BaseEndpoint: &endpoint,
		Credentials: credentials.NewStaticCredentialsProvider(ts.Getenv("AWS_ACCESS_KEY_ID"), ts.Getenv("AWS_SECRET_ACCESS_KEY"), ""),
	})
	ctx := context.Background()
	found, err := client.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &args[0]})
	ts.Check(err)
	template, err := client.GetTemplate(ctx, &cloudformation.GetTemplateInput{StackName: &args[0]})
	ts.Check(err)
	body := regexp.MustCompile(`RunnerVersion: \{ Value: "[^"]*"`).ReplaceAllString(*template.TemplateBody, `RunnerVersion: { Value: "`+args[1]+`"`)
	in := &cloudformation.UpdateStackInput{StackName: &args[0], TemplateBody: &body, Capabilities: []types.Capability{types.CapabilityCapabilityIam}}
	for _, p := range found.Stacks[0].Parameters {
		in.Parameters = append(in.Parameters, types.Parameter{ParameterKey: p.ParameterKey, ParameterValue: p.ParameterValue})
	}
	_, err = client.UpdateStack(ctx, in)
	ts.Check(err)
	ts.Check(cloudformation.NewStackUpdateCompleteWaiter(client).Wait(ctx, &cloudformation.DescribeStacksInput{StackName: &args[0]}, time.Minute))
}

package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/carlin-cicd/runner/runner/awstest"
	"github.com/carlin-cicd/runner/runner/deploy/stack/stacktest"
)

// stackctl stands for a deployment tool: "stackctl deploy NAME TEMPLATE [KEY=VALUE...]" creates or updates a stack,
// "stackctl delete NAME" deletes it, "stackctl show NAME" prints it. With the fake, "stackctl pass NAME STATUS..."
// moves a stack through states, and "stackctl deny ACTION" makes it deny a request.
func stackctl() {
	ctx := context.Background()
	c, err := config.LoadDefaultConfig(ctx)
	must(err)
	client := cloudformation.NewFromConfig(c)
	name := &os.Args[2]
	switch os.Args[1] {
	case "pass", "deny":
		answer, err := http.PostForm(
			os.Getenv("AWS_ENDPOINT_URL_CLOUDFORMATION")+"/"+os.Args[1],
			url.Values{"args": os.Args[2:]},
		)
		must(err)
		must(answer.Body.Close())
	case "as":
		role := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(c), os.Args[2])
		as, err := role.Retrieve(ctx)
		must(err)
		cmd := exec.Command(os.Args[3], os.Args[4:]...)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		cmd.Env = append(
			os.Environ(),
			"AWS_ACCESS_KEY_ID="+as.AccessKeyID,
			"AWS_SECRET_ACCESS_KEY="+as.SecretAccessKey,
			"AWS_SESSION_TOKEN="+as.SessionToken,
		)
		must(cmd.Run())
	case "deploy":
		text, err := os.ReadFile(os.Args[3])
		must(err)
		var parameters []types.Parameter
		for _, arg := range os.Args[4:] {
			key, value, _ := strings.Cut(arg, "=")
			parameters = append(parameters, types.Parameter{ParameterKey: &key, ParameterValue: &value})
		}
		template := aws.String(string(text))
		_, err = client.CreateStack(ctx, &cloudformation.CreateStackInput{
			StackName: name, TemplateBody: template, Parameters: parameters,
		})
		if err != nil && strings.Contains(err.Error(), "AlreadyExists") {
			_, err = client.UpdateStack(ctx, &cloudformation.UpdateStackInput{
				StackName: name, TemplateBody: template, Parameters: parameters,
			})
		}
		must(err)
		fmt.Println("deployed", *name)
	case "delete":
		_, err := client.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: name})
		must(err)
	case "show":
		out, err := client.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: name})
		must(err)
		template, err := client.GetTemplate(ctx, &cloudformation.GetTemplateInput{StackName: name})
		must(err)
		var lines []string
		for _, p := range out.Stacks[0].Parameters {
			lines = append(lines, *p.ParameterKey+"="+*p.ParameterValue)
		}
		slices.Sort(lines)
		fmt.Println(out.Stacks[0].StackStatus)
		fmt.Println(strings.Join(lines, "\n"))
		fmt.Println(*template.TemplateBody)
	}
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// fake NAME [STATUS...]: starts a CloudFormation for the script, with the states and requests that moto lacks, and a
// stack that has passed through the states. "stackctl pass" moves it through others.
func cmdFake(ts *testscript.TestScript, _ bool, args []string) {
	fake := stacktest.New(&scriptTB{ts: ts})
	fake.Obey()
	fake.Make(args[0], revisionOf("one"))
	fake.Pass(args[0], passOf(args[1:])...)
	fake.Drain(args[0])
	mux := http.NewServeMux()
	mux.Handle("/", fake)
	mux.HandleFunc("/pass", func(_ http.ResponseWriter, r *http.Request) {
		ts.Check(r.ParseForm())
		args := r.PostForm["args"]
		if steps := passOf(args[1:]); strings.HasPrefix(steps[0].Status, "CREATE_") {
			fake.Begin(args[0], revisionOf("one"), steps...)
		} else {
			fake.Pass(args[0], steps...)
		}
	})
	mux.HandleFunc("/deny", func(_ http.ResponseWriter, r *http.Request) {
		ts.Check(r.ParseForm())
		fake.Deny(r.PostForm["args"][0])
	})
	server := httptest.NewServer(mux)
	ts.Defer(server.Close)
	ts.Setenv("AWS_ENDPOINT_URL_CLOUDFORMATION", server.URL)
	ts.Setenv("AWS_REGION", stacktest.Region)
	ts.Setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
	ts.Setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
}

// passOf parses states: STATUS of the stack or RESOURCE:STATUS, then @TEMPLATE if the stack takes that template, and
// =REASON, with _ for a space.
func passOf(words []string) (steps []stacktest.Step) {
	for _, word := range words {
		var step stacktest.Step
		word, reason, _ := strings.Cut(word, "=")
		step.Reason = strings.ReplaceAll(reason, "_", " ")
		word, template, changed := strings.Cut(word, "@")
		if changed {
			r := revisionOf(template)
			step.Revision = &r
		}
		step.Status = word
		if resource, status, ok := strings.Cut(word, ":"); ok {
			step.Resource, step.Type, step.Status = resource, "AWS::SQS::Queue", status
		}
		steps = append(steps, step)
	}
	return steps
}

func revisionOf(template string) stacktest.Revision {
	return stacktest.Revision{
		Template: template,
		Outputs:  map[string]string{"URL": "https://" + template + ".example"},
	}
}

// scriptTB stops a server at the end of a script.
type scriptTB struct {
	testing.TB
	ts *testscript.TestScript
}

func (s *scriptTB) Cleanup(f func()) { s.ts.Defer(f) }

// tags KEY TAG=VALUE...: the tags of an object in the script's bucket are these, sorted.
func cmdTags(ts *testscript.TestScript, _ bool, args []string) {
	account, err := awstest.StartMoto()
	ts.Check(err)
	out, err := bucketClient(account).GetObjectTagging(context.Background(), &s3.GetObjectTaggingInput{
		Bucket: aws.String(
			ts.Getenv("BUCKET"),
		), Key: aws.String("team/" + strings.ReplaceAll(args[0], "SHA", testSHA)),
	})
	ts.Check(err)
	var got []string
	for _, t := range out.TagSet {
		got = append(got, *t.Key+"="+*t.Value)
	}
	slices.Sort(got)
	if !slices.Equal(got, args[1:]) {
		ts.Fatalf("the tags of %s are %v", args[0], got)
	}
}

package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/carlin-cicd/runner/runner/awstest"
)

// stackctl stands for whatever deploys: "stackctl deploy NAME TEMPLATE [KEY=VALUE...]" makes or updates a stack,
// "stackctl delete NAME" deletes it, "stackctl show NAME" prints it.
func stackctl() {
	ctx := context.Background()
	c, err := config.LoadDefaultConfig(ctx)
	must(err)
	client := cloudformation.NewFromConfig(c)
	name := &os.Args[2]
	switch os.Args[1] {
	case "deploy":
		text, err := os.ReadFile(os.Args[3])
		must(err)
		var parameters []types.Parameter
		for _, arg := range os.Args[4:] {
			key, value, _ := strings.Cut(arg, "=")
			parameters = append(parameters, types.Parameter{ParameterKey: &key, ParameterValue: &value})
		}
		_, err = client.CreateStack(ctx, &cloudformation.CreateStackInput{StackName: name, TemplateBody: aws.String(string(text)), Parameters: parameters})
		if err != nil && strings.Contains(err.Error(), "AlreadyExists") {
			_, err = client.UpdateStack(ctx, &cloudformation.UpdateStackInput{StackName: name, TemplateBody: aws.String(string(text)), Parameters: parameters})
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

// tags KEY TAG=VALUE...: the tags of an object in the script's bucket are these, sorted.
func cmdTags(ts *testscript.TestScript, _ bool, args []string) {
	account, err := awstest.Start()
	ts.Check(err)
	out, err := bucketClient(account).GetObjectTagging(context.Background(), &s3.GetObjectTaggingInput{
		Bucket: aws.String(ts.Getenv("BUCKET")), Key: aws.String("team/" + strings.ReplaceAll(args[0], "SHA", testSHA)),
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

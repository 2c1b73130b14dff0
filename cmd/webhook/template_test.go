package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/goccy/go-yaml"

	"github.com/carlin-cicd/runner/runner/awstest"
)

type template struct {
	Parameters map[string]map[string]any `yaml:"Parameters"`
	Resources  map[string]resource       `yaml:"Resources"`
	Outputs    map[string]map[string]any `yaml:"Outputs"`
}

type resource struct {
	DependsOn  []string       `yaml:"DependsOn"`
	Properties map[string]any `yaml:"Properties"`
}

func readTemplate(t *testing.T) (parsed template, asJSON map[string]any) {
	t.Helper()
	text, err := os.ReadFile("../../infra/webhook.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > 51200 {
		t.Errorf("the template has %d bytes: CloudFormation takes 51,200 without a bucket", len(text))
	}
	if err := yaml.Unmarshal(text, &asJSON); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &parsed); err != nil {
		t.Fatal(err)
	}
	return parsed, asJSON
}

// dig returns what is at a path of keys and indices.
func dig(v any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[step]
		case int:
			l, _ := v.([]any)
			if step >= len(l) {
				return nil
			}
			v = l[step]
		}
	}
	return v
}

// What moto does not check, but AWS, GitHub or an attacker does.
func TestTemplateProperties(t *testing.T) {
	tpl, _ := readTemplate(t)
	function := tpl.Resources["Webhook"].Properties
	url := tpl.Resources["Url"]
	for what, ok := range map[string]bool{
		"the runtime is Amazon Linux 2023's":                     function["Runtime"] == "provided.al2023",
		"arm64, as make webhook builds it":                       fmt.Sprint(function["Architectures"]) == "[arm64]",
		"the handler is what is in the zip":                      function["Handler"] == "bootstrap",
		"the function ends before GitHub hangs up":               fmt.Sprint(function["Timeout"]) == "9",
		"the function has more time than an answer takes":        answerTimeout < 9*time.Second,
		"concurrency is reserved on demand only":                 fmt.Sprint(dig(function, "ReservedConcurrentExecutions", "Fn::If", 0)) == "Reserved" && fmt.Sprint(tpl.Parameters["ReservedConcurrency"]["Default"]) == "0",
		"the URL opens only when the log may be written":         slices.Contains(url.DependsOn, "LogPolicy") && url.Properties["AuthType"] == "NONE",
		"the first permission of the URL":                        tpl.Resources["UrlPermission"].Properties["Action"] == "lambda:InvokeFunctionUrl" && tpl.Resources["UrlPermission"].Properties["FunctionUrlAuthType"] == "NONE",
		"the second permission, for nothing but the URL":         tpl.Resources["InvokePermission"].Properties["Action"] == "lambda:InvokeFunction" && tpl.Resources["InvokePermission"].Properties["InvokedViaFunctionUrl"] == true,
		"the log has a retention":                                dig(tpl.Resources["Log"].Properties, "RetentionInDays", "Ref") == "LogRetentionDays",
		"the log is the function's":                              dig(tpl.Resources["Log"].Properties, "LogGroupName", "Fn::Join", 1, 1, "Ref") == "Webhook",
		"the secret is random and long":                          fmt.Sprint(dig(tpl.Resources["Secret"].Properties, "GenerateSecretString", "PasswordLength")) == "64",
		"there is an output with the URL and one for the secret": tpl.Outputs["Url"] != nil && tpl.Outputs["SecretArn"] != nil,
	} {
		if !ok {
			t.Errorf("does not hold: %s", what)
		}
	}
	for _, name := range []string{"LambdaS3Bucket", "LambdaS3Key", "LambdaS3ObjectVersion"} {
		if tpl.Parameters[name] == nil {
			t.Errorf("there is no parameter %s", name)
		}
		if part := strings.TrimPrefix(name, "Lambda"); !strings.Contains(
			fmt.Sprint(dig(function, "Code", part)),
			"Ref:"+name,
		) {
			t.Errorf("%s of the code is %v", part, dig(function, "Code", part))
		}
	}
	for name, metric := range map[string]string{"ErrorsAlarm": "Errors", "ThrottlesAlarm": "Throttles", "FailuresAlarm": "Url5xxCount"} {
		alarm := tpl.Resources[name].Properties
		if alarm["MetricName"] != metric || alarm["Namespace"] != "AWS/Lambda" ||
			dig(alarm, "Dimensions", 0, "Name") != "FunctionName" ||
			alarm["TreatMissingData"] != "notBreaching" {
			t.Errorf("%s: %v", name, alarm)
		}
	}
}

func TestRoleHasNoMoreThanItsJob(t *testing.T) {
	tpl, _ := readTemplate(t)
	var actions []string
	statements, _ := dig(tpl.Resources["Role"].Properties, "Policies", 0, "PolicyDocument", "Statement").([]any)
	log, _ := dig(tpl.Resources["LogPolicy"].Properties, "PolicyDocument", "Statement").([]any)
	for _, s := range append(statements, log...) {
		if own := dig(s, "Fn::If", 1); own != nil {
			s = own
		}
		if dig(s, "Resource") == "*" || dig(s, "Resource") == nil {
			t.Errorf("a statement for any resource: %v", s)
		}
		switch action := dig(s, "Action").(type) {
		case string:
			actions = append(actions, action)
		case []any:
			for _, a := range action {
				actions = append(actions, a.(string))
			}
		}
	}
	slices.Sort(actions)
	if got, want := strings.Join(actions, " "), "events:PutEvents kms:Decrypt kms:Decrypt logs:CreateLogStream logs:PutLogEvents secretsmanager:GetSecretValue"; got != want {
		t.Errorf("the role may %s, want %s", got, want)
	}
	condition := dig(statements[0], "Condition")
	all := dig(condition, "ForAllValues:StringEquals")
	if fmt.Sprint(dig(all, "events:source")) != "["+source+"]" || dig(condition, "Null", "events:source") != "false" ||
		fmt.Sprint(
			dig(all, "events:detail-type"),
		) != "[push pull_request merge_group]" || dig(condition, "Null", "events:detail-type") != "false" {
		t.Errorf("the condition of PutEvents is %v", condition)
	}
	if len(tpl.Resources["Role"].Properties["Policies"].([]any)) != 1 ||
		tpl.Resources["Role"].Properties["ManagedPolicyArns"] != nil {
		t.Error("the role has further policies")
	}
}

// The template sets the variables that the function reads, and no others.
func TestTemplateSetsTheFunctionsVariables(t *testing.T) {
	tpl, _ := readTemplate(t)
	variables, _ := dig(tpl.Resources["Webhook"].Properties, "Environment", "Variables").(map[string]any)
	text, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	for name := range variables {
		if !bytes.Contains(text, []byte(`os.Getenv("`+name+`")`)) {
			t.Errorf("the function does not read %s", name)
		}
	}
	for rest := range bytes.SplitSeq(text, []byte(`os.Getenv("`)) {
		name, _, ok := bytes.Cut(rest, []byte(`")`))
		if _, set := variables[string(name)]; ok && len(name) < 40 && !bytes.ContainsAny(name, " \n") && !set &&
			!bytes.HasPrefix(name, []byte("AWS_")) {
			t.Errorf("the template does not set %s", name)
		}
	}
}

func TestTemplateDeploys(t *testing.T) {
	awstest.Moto(t)
	settings, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	bucket, zipped := "packages", []byte("not read before the function runs")
	store := s3.NewFromConfig(settings, func(o *s3.Options) { o.UsePathStyle = true })
	if _, err := store.CreateBucket(t.Context(), &s3.CreateBucketInput{
		Bucket: &bucket, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: awstest.Region},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := store.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("webhook.zip"), Body: bytes.NewReader(zipped)}); err != nil {
		t.Fatal(err)
	}
	// moto makes no function URLs, so the output of one cannot be resolved.
	_, tpl := readTemplate(t)
	delete(tpl["Outputs"].(map[string]any), "Url")
	body, err := json.Marshal(tpl)
	if err != nil {
		t.Fatal(err)
	}
	stack := aws.String("Webhook")
	client := cloudformation.NewFromConfig(settings)
	given := map[string]string{
		"LambdaS3Bucket": bucket, "LambdaS3Key": "webhook.zip", "EventBusName": "ci", "Repositories": "Codertocat/Hello-World",
		"SecretArn": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:hook-AbCdEf",
	}
	var parameters []types.Parameter
	for name, value := range given {
		parameters = append(parameters, types.Parameter{ParameterKey: &name, ParameterValue: &value})
	}
	if _, err := client.CreateStack(t.Context(), &cloudformation.CreateStackInput{
		StackName: stack, TemplateBody: aws.String(string(body)), Parameters: parameters, Capabilities: []types.Capability{types.CapabilityCapabilityIam},
	}); err != nil {
		t.Fatal(err)
	}
	made, err := client.DescribeStackResources(
		t.Context(),
		&cloudformation.DescribeStackResourcesInput{StackName: stack},
	)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, r := range made.StackResources {
		kinds = append(kinds, aws.ToString(r.ResourceType))
	}
	for _, kind := range []string{"AWS::Lambda::Function", "AWS::IAM::Role", "AWS::Logs::LogGroup", "AWS::Lambda::Permission"} {
		if !slices.Contains(kinds, kind) {
			t.Errorf("no %s was made, but %v", kind, kinds)
		}
	}
	stacks, err := client.DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{StackName: stack})
	if err != nil || len(stacks.Stacks) != 1 || stacks.Stacks[0].StackStatus != types.StackStatusCreateComplete {
		t.Errorf("the stack is %+v (%v)", stacks, err)
	}
}

package awsquery

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/carlin-cicd/runner/runner/awsjson"
)

// serve answers every request with a text, and keeps the forms that it got.
func serve(t *testing.T, status int, answer string) (aws.Config, *[]url.Values) {
	t.Helper()
	forms := &[]url.Values{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		*forms = append(*forms, form)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(server.Close)
	return aws.Config{
		Region: "eu-west-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
	}, forms
}

// The SDK's client and this one send the same form, and read the same from the same response.
func TestAServiceIsCalledAsTheSDKDoes(t *testing.T) {
	const answer = `<R xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><XResult>
<Stacks><member><StackId>arn:1</StackId><StackName>ci</StackName><StackStatus>CREATE_COMPLETE</StackStatus>
<CreationTime>2026-11-23T10:00:00.123Z</CreationTime><EnableTerminationProtection>true</EnableTerminationProtection>
<Parameters><member><ParameterKey>A</ParameterKey><ParameterValue> b &amp; c
</ParameterValue></member></Parameters><Tags/><TimeoutInMinutes>5</TimeoutInMinutes></member></Stacks><NextToken>n</NextToken>
<Id>arn:2</Id><StackId>arn:1</StackId><Status>CREATE_COMPLETE</Status>
<Changes><member><Type>Resource</Type><ResourceChange><Action>Modify</Action><LogicalResourceId>Bucket</LogicalResourceId>
<Replacement>True</Replacement><Scope><member>Properties</member></Scope></ResourceChange></member></Changes>
<TemplateBody>{"a": "&lt;b&gt;"}</TemplateBody></XResult></R>`
	parameters := []types.Parameter{
		{ParameterKey: aws.String("A"), ParameterValue: aws.String("")}, {ParameterKey: aws.String("B"), UsePreviousValue: aws.Bool(true)},
	}
	for action, c := range map[string]struct {
		input, output any
		call          func(c *cloudformation.Client, input any) (any, error)
	}{
		"DescribeStacks": {
			&cloudformation.DescribeStacksInput{StackName: aws.String("ci")}, &cloudformation.DescribeStacksOutput{},
			func(c *cloudformation.Client, input any) (any, error) {
				return c.DescribeStacks(t.Context(), input.(*cloudformation.DescribeStacksInput))
			},
		},
		"GetTemplate": {
			&cloudformation.GetTemplateInput{
				StackName: aws.String("ci"), TemplateStage: types.TemplateStageOriginal,
			}, &cloudformation.GetTemplateOutput{},
			func(c *cloudformation.Client, input any) (any, error) {
				return c.GetTemplate(t.Context(), input.(*cloudformation.GetTemplateInput))
			},
		},
		"UpdateStack": {
			&cloudformation.UpdateStackInput{
				StackName: aws.String("ci"), TemplateBody: aws.String("{}"), Parameters: parameters, Tags: []types.Tag{},
				Capabilities: []types.Capability{types.CapabilityCapabilityIam}, NotificationARNs: []string{"arn:3", "arn:4"},
			}, &cloudformation.UpdateStackOutput{},
			func(c *cloudformation.Client, input any) (any, error) {
				return c.UpdateStack(t.Context(), input.(*cloudformation.UpdateStackInput))
			},
		},
		"CreateChangeSet": {
			&cloudformation.CreateChangeSetInput{
				StackName: aws.String("ci"), ChangeSetName: aws.String("one"), ChangeSetType: types.ChangeSetTypeUpdate,
				Parameters: parameters, TemplateURL: aws.String("https://b.s3.amazonaws.com/k"),
			}, &cloudformation.CreateChangeSetOutput{},
			func(c *cloudformation.Client, input any) (any, error) {
				return c.CreateChangeSet(t.Context(), input.(*cloudformation.CreateChangeSetInput))
			},
		},
		"DescribeChangeSet": {
			&cloudformation.DescribeChangeSetInput{ChangeSetName: aws.String("one")}, &cloudformation.DescribeChangeSetOutput{},
			func(c *cloudformation.Client, input any) (any, error) {
				return c.DescribeChangeSet(t.Context(), input.(*cloudformation.DescribeChangeSetInput))
			},
		},
	} {
		t.Run(action, func(t *testing.T) {
			text := strings.ReplaceAll(answer, "XResult", action+"Result")
			config, forms := serve(t, http.StatusOK, text)
			ours, err := New(t.Context(), config, Service{Name: "cloudformation", ID: "CloudFormation", Version: "2010-05-15"})
			if err != nil {
				t.Fatal(err)
			}
			got, gotErr := c.output, ours.Call(t.Context(), action, c.input, c.output)
			want, wantErr := c.call(cloudformation.NewFromConfig(config), c.input)
			if gotErr != nil || wantErr != nil {
				t.Fatal(gotErr, wantErr)
			}
			if !reflect.DeepEqual((*forms)[0], (*forms)[1]) {
				t.Errorf("sent %v\nthe SDK %v", (*forms)[0], (*forms)[1])
			}
			reflect.ValueOf(want).Elem().FieldByName("ResultMetadata").SetZero()
			if !reflect.DeepEqual(got, want) {
				t.Errorf("read %+v\nthe SDK %+v", got, want)
			}
		})
	}
}

func TestErrorsHaveTheCodeAndTheMessageOfAWS(t *testing.T) {
	for _, c := range []struct{ name, answer, code, message string }{
		{"query", `<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>Stack with id x does not exist</Message></Error></ErrorResponse>`, "ValidationError", "Stack with id x does not exist"},
		{"ec2", `<Response><Errors><Error><Code>InvalidSubnetID.NotFound</Code><Message>no</Message></Error></Errors></Response>`, "InvalidSubnetID.NotFound", "no"},
		{"a proxy", `<html><body>no<br>`, "", ""},
		{"nothing", "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			config, _ := serve(t, http.StatusBadRequest, c.answer)
			client, err := New(t.Context(), config, Service{Name: "iam", ID: "IAM", Version: "2010-05-08"})
			if err != nil {
				t.Fatal(err)
			}
			var got *awsjson.APIError
			if err := client.Call(t.Context(), "GetRole", &struct{}{}, nil); !errors.As(err, &got) || got.Code != c.code ||
				got.Message != c.message || got.Status != http.StatusBadRequest {
				t.Errorf("%+v", err)
			}
		})
	}
}

func TestAResponseThatDoesNotFitIsAnError(t *testing.T) {
	for _, answer := range []string{
		"<a><b>", "<a></a><b></b>", "<a><When>yesterday</When></a>", "<a><Number>x</Number></a>", "<a><Is>perhaps</Is></a>",
	} {
		config, _ := serve(t, http.StatusOK, answer)
		client, err := New(t.Context(), config, Service{Name: "iam", ID: "IAM", Version: "2010-05-08"})
		if err != nil {
			t.Fatal(err)
		}
		var output struct {
			When   *time.Time
			Number int32
			Is     bool
		}
		if err := client.Call(t.Context(), "GetRole", &struct{}{}, &output); err == nil {
			t.Errorf("%s is %+v", answer, output)
		}
	}
}

func TestTheDialectOfEC2(t *testing.T) {
	config, forms := serve(t, http.StatusOK, `<DescribeSubnetsResponse><subnetSet><item><subnetId>subnet-1</subnetId><availableIpAddressCount>7</availableIpAddressCount></item></subnetSet></DescribeSubnetsResponse>`)
	client, err := New(t.Context(), config, Service{Name: "ec2", ID: "EC2", Version: "2016-11-15", EC2: true})
	if err != nil {
		t.Fatal(err)
	}
	var output struct {
		SubnetSet []struct {
			SubnetId                string
			AvailableIpAddressCount int32
		}
	}
	err = client.Call(t.Context(), "DescribeSubnets", &struct{ SubnetId []string }{[]string{"subnet-1", "subnet-2"}}, &output)
	if err != nil || len(output.SubnetSet) != 1 || output.SubnetSet[0].SubnetId != "subnet-1" ||
		output.SubnetSet[0].AvailableIpAddressCount != 7 {
		t.Errorf("%+v %v", output, err)
	}
	if got := (*forms)[0]; got.Get("SubnetId.2") != "subnet-2" || got.Get("Action") != "DescribeSubnets" {
		t.Errorf("%v", got)
	}
}

package cluster

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"

	"github.com/carlin-cicd/runner/runner/deploy/stack"
)

// failingStack is a CloudFormation in which no stack can be made: the creation fails as AWS documents it, and is rolled
// back.
type failingStack struct {
	status  string
	events  []string // the newest first
	actions []string
}

const failingID = "arn:aws:cloudformation:eu-west-1:123456789012:stack/ci/1"

func (f *failingStack) event(resource, kind, status, reason string) {
	physical := resource
	if kind == "AWS::CloudFormation::Stack" {
		physical = failingID
	}
	f.events = slices.Insert(f.events, 0, fmt.Sprintf(
		"<member><EventId>%d</EventId><StackId>%s</StackId><LogicalResourceId>%s</LogicalResourceId><PhysicalResourceId>%s</PhysicalResourceId>"+
			"<ResourceType>%s</ResourceType><ResourceStatus>%s</ResourceStatus><ResourceStatusReason>%s</ResourceStatusReason>"+
			"<Timestamp>2026-11-30T10:00:00Z</Timestamp></member>",
		len(f.events), failingID, resource, physical, kind, status, reason,
	))
}

func (f *failingStack) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	action := r.Form.Get("Action")
	f.actions = append(f.actions, action)
	result := ""
	switch action {
	case "CreateStack":
		f.event("ci", "AWS::CloudFormation::Stack", "CREATE_IN_PROGRESS", "User Initiated")
		f.event("Repository", "AWS::ECR::Repository", "CREATE_FAILED", "Resource creation cancelled")
		f.event("Cluster", "AWS::ECS::Cluster", "CREATE_FAILED", "Unable to assume the service linked role. Please verify that the ECS service linked role exists.")
		f.event("Bucket", "AWS::S3::Bucket", "CREATE_FAILED", "Resource creation cancelled")
		f.status = "ROLLBACK_IN_PROGRESS"
	case "DescribeStacks":
		if f.status == "" {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, "<ErrorResponse><Error><Code>ValidationError</Code><Message>Stack with id ci does not exist</Message></Error></ErrorResponse>")
			return
		}
		result = "<Stacks><member><StackId>" + failingID + "</StackId><StackName>ci</StackName><StackStatus>" + f.status +
			"</StackStatus><CreationTime>2026-11-30T10:00:00Z</CreationTime></member></Stacks>"
		if f.status == "ROLLBACK_IN_PROGRESS" {
			f.status = "ROLLBACK_COMPLETE"
		}
	case "DescribeStackEvents":
		result = "<StackEvents>" + strings.Join(f.events, "") + "</StackEvents>"
	case "DeleteStack":
		f.status = "DELETE_COMPLETE"
	}
	fmt.Fprintf(w, "<%[1]sResponse><%[1]sResult>%[2]s</%[1]sResult></%[1]sResponse>", action, result)
}

func TestAFailedFirstCreationIsCleanedUpAndExplained(t *testing.T) {
	fake := &failingStack{}
	server := httptest.NewServer(fake)
	defer server.Close()
	config := aws.Config{
		Region: "eu-west-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
	}
	client := cloudformation.NewFromConfig(config)
	account := &Account{Region: "eu-west-1", Poll: time.Millisecond, config: config, stacks: client}
	var seen []string
	err := account.create(t.Context(), request{name: "ci", body: "{}"}, func(e stack.Event) {
		seen = append(seen, e.Resource+" "+e.Status)
	})
	var failed *Error
	const want = "the creation of stack ci ended as ROLLBACK_COMPLETE: Cluster (AWS::ECS::Cluster) failed: Unable to assume the " +
		"service linked role. Please verify that the ECS service linked role exists.; what was made of it is deleted again"
	if !errors.As(err, &failed) || failed.Message != want {
		t.Errorf("%v\nwant %s", err, want)
	}
	if failed != nil && !strings.Contains(failed.Advice, "EcsServiceLinkedRole: create") {
		t.Errorf("the advice is %s", failed.Advice)
	}
	if fake.status != "DELETE_COMPLETE" || !slices.Contains(fake.actions, "DeleteStack") {
		t.Errorf("the stack is %s after %v", fake.status, fake.actions)
	}
	if !slices.Equal(seen, []string{"ci CREATE_IN_PROGRESS", "Repository CREATE_FAILED", "Cluster CREATE_FAILED", "Bucket CREATE_FAILED"}) {
		t.Errorf("the events are %v", seen)
	}
}

package ecs

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/carlin-cicd/runner/runner/awstest"
)

const roles = `
Resources:
  Cluster: { Type: AWS::ECS::Cluster, Properties: { ClusterName: ci } }
  Other:
    Type: AWS::IAM::Role
    Properties: { RoleName: other, AssumeRolePolicyDocument: &tasks { Version: "2012-10-17", Statement: [{ Effect: Allow, Principal: { Service: ecs-tasks.amazonaws.com }, Action: "sts:AssumeRole" }] } }
  Own: { Type: AWS::IAM::Role, Properties: { RoleName: own, AssumeRolePolicyDocument: *tasks } }
  Task:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Family: test
      TaskRoleArn: { "Fn::GetAtt": [Own, Arn] }
      ExecutionRoleArn: { "Fn::GetAtt": [Own, Arn] }
      ContainerDefinitions: [{ Name: runner, Image: IMAGE, Memory: 512 }]
  Caller:
    Type: AWS::IAM::Role
    Properties:
      RoleName: caller
      AssumeRolePolicyDocument: *tasks
      Policies:
        - PolicyName: start
          PolicyDocument:
            Version: "2012-10-17"
            Statement:
              - { Effect: Allow, Action: "ecs:RunTask", Resource: "arn:aws:ecs:eu-central-1:123456789012:task-definition/test:*", Condition: { ArnEquals: { "ecs:cluster": "arn:aws:ecs:eu-central-1:123456789012:cluster/ci" } } }
              - { Effect: Allow, Action: "iam:PassRole", Resource: { "Fn::GetAtt": [Own, Arn] }, Condition: { StringEquals: { "iam:PassedToService": ecs-tasks.amazonaws.com } } }
              - { Effect: Allow, Action: "s3:GetObject", Resource: "arn:aws:s3:::kept/*" }
              - { Effect: Allow, Action: "s3:ListBucket", Resource: "arn:aws:s3:::kept", Condition: { StringLike: { "s3:prefix": "pr/5/*" } } }
`

// Whoever starts a task passes its roles on, those that the request names too, and needs iam:PassRole for each.
func TestATaskIsStartedByThoseWhoMayPassItsRoles(t *testing.T) {
	s, err := Start(Options{Driver: "process", Entrypoint: "/bin/true", Phase: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	name, body := "roles", strings.ReplaceAll(roles, "IMAGE", t.TempDir())
	if _, err := cloudformation.NewFromConfig(s.Config()).CreateStack(t.Context(), &cloudformation.CreateStackInput{StackName: &name, TemplateBody: &body}); err != nil {
		t.Fatal(err)
	}
	key := s.assume(t, "caller")
	for request, want := range map[string]string{
		`{"cluster":"ci","taskDefinition":"test:1"}`:                                                                                         "",
		`{"cluster":"ci","taskDefinition":"test:1","overrides":{"taskRoleArn":"arn:aws:iam::123456789012:role/own"}}`:                        "",
		`{"cluster":"ci","taskDefinition":"test:1","overrides":{"taskRoleArn":"arn:aws:iam::123456789012:role/other"}}`:                      "iam:PassRole on resource: arn:aws:iam::123456789012:role/other",
		`{"cluster":"ci","taskDefinition":"test:1","overrides":{"executionRoleArn":"arn:aws:iam::123456789012:role/other"}}`:                 "iam:PassRole on resource: arn:aws:iam::123456789012:role/other",
		`{"cluster":"elsewhere","taskDefinition":"test:1"}`:                                                                                  "ecs:RunTask",
		`{"cluster":"ci","taskDefinition":"arn:aws:ecs:eu-central-1:123456789012:task-definition/test:1","propagateTags":"TASK_DEFINITION"}`: "ecs:TagResource",
	} {
		status, said := s.request(t, key, "ecs", http.MethodPost, "/", "AmazonEC2ContainerServiceV20141113.RunTask", request)
		if (status == http.StatusOK) != (want == "") || !strings.Contains(said, want) {
			t.Errorf("%s: %d %s", request, status, said)
		}
	}
}

// Without the right to list the whole bucket S3 does not say that an object is missing.
func TestAMissingObjectIsHiddenFromThoseWhoMayNotListTheBucket(t *testing.T) {
	s, err := Start(Options{Driver: "process", Entrypoint: "/bin/true"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	name, bucket := "roles", "kept"
	body := strings.ReplaceAll(roles, "IMAGE", t.TempDir())
	if _, err := cloudformation.NewFromConfig(s.Config()).CreateStack(t.Context(), &cloudformation.CreateStackInput{StackName: &name, TemplateBody: &body}); err != nil {
		t.Fatal(err)
	}
	store := s3.NewFromConfig(s.Config(), func(o *s3.Options) { o.UsePathStyle, o.Region = true, "us-east-1" })
	if _, err := store.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
	there := "pr/5/there"
	if _, err := store.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &there, Body: strings.NewReader("x")}); err != nil {
		t.Fatal(err)
	}
	key := s.assume(t, "caller")
	for path, want := range map[string]int{
		"/kept/pr/5/there": http.StatusOK, "/kept/pr/5/missing": http.StatusForbidden,
		"/kept?list-type=2&prefix=pr/5/": http.StatusOK, "/kept?list-type=2&prefix=pr/6/": http.StatusForbidden, "/kept?list-type=2": http.StatusForbidden,
	} {
		if status, said := s.request(t, key, "s3", http.MethodGet, path, "", ""); status != want {
			t.Errorf("%s: %d %s", path, status, said)
		}
	}
	if status, said := s.request(t, "AKIAIOSFODNN7EXAMPLE", "s3", http.MethodGet, "/kept/pr/5/missing", "", ""); status != http.StatusNotFound {
		t.Errorf("%d %s", status, said)
	}
}

// assume returns the access key of a session of a role.
func (s *Server) assume(t *testing.T, role string) string {
	t.Helper()
	arn, name := "arn:aws:iam::123456789012:role/"+role, "test"
	session, err := sts.NewFromConfig(s.Config()).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &arn, RoleSessionName: &name})
	if err != nil {
		t.Fatal(err)
	}
	return *session.Credentials.AccessKeyId
}

// request sends a request, whose signature no one verifies, and returns its status and its body.
func (s *Server) request(t *testing.T, key, service, method, path, target, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.Endpoint+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	scope := fmt.Sprintf("%s/20261123/%s/%s/aws4_request", key, awstest.Region, service)
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+scope+", SignedHeaders=host, Signature=0")
	if target != "" {
		request.Header.Set("X-Amz-Target", target)
		request.Header.Set("Content-Type", "application/x-amz-json-1.1")
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

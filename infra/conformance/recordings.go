package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	transport "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/carlin-cicd/runner/runner/awsjson"
	"github.com/carlin-cicd/runner/runner/awsquery"
	"github.com/carlin-cicd/runner/runner/awstest/recorded"
)

// request asks for what does not exist.
type request func(context.Context, *Suite) error

var (
	ecrService     = awsjson.Service{Name: "ecr", Host: "api.ecr", ID: "ECR", Target: "AmazonEC2ContainerRegistry_V20150921"}
	secretsService = awsjson.Service{Name: "secretsmanager", ID: "Secrets Manager", Target: "secretsmanager"}
	ssmService     = awsjson.Service{Name: "ssm", ID: "SSM", Target: "AmazonSSM"}
	eventsService  = awsjson.Service{Name: "events", ID: "EventBridge", Target: "AWSEvents"}
	statesService  = awsjson.Service{Name: "states", ID: "SFN", Target: "AWSStepFunctions", Version: "1.0"}
	queuesService  = awsjson.Service{Name: "sqs", ID: "SQS", Target: "AmazonSQS", Version: "1.0"}
	tableService   = awsjson.Service{Name: "dynamodb", ID: "DynamoDB", Target: "DynamoDB_20120810", Version: "1.0"}
	iamService     = awsquery.Service{Name: "iam", ID: "IAM", Version: "2010-05-08", Global: true}
	topicsService  = awsquery.Service{Name: "sns", ID: "SNS", Version: "2010-03-31"}
	stacksService  = awsquery.Service{Name: "cloudformation", ID: "CloudFormation", Version: "2010-05-15"}
	networkService = awsquery.Service{Name: "ec2", ID: "EC2", Version: "2016-11-15", EC2: true}
)

// requests are those that recorded.Documented has the answers to, by their service and what they are about.
var requests = map[string]request{
	"ecr: no repository":        jsonRequest(ecrService, "DescribeImages", map[string]any{"repositoryName": "conformance-none"}),
	"ecr: no image":             missingImage,
	"secretsmanager: no secret": jsonRequest(secretsService, "DescribeSecret", map[string]any{"SecretId": "conformance-none"}),
	"ssm: no parameter":         jsonRequest(ssmService, "GetParameter", map[string]any{"Name": "/conformance/none"}),
	"events: no bus":            jsonRequest(eventsService, "ListRules", map[string]any{"EventBusName": "conformance-none"}),
	"states: no machine": jsonRequest(statesService, "DescribeStateMachine", map[string]any{
		"stateMachineArn": "arn:aws:states:REGION:ACCOUNT:stateMachine:conformance-none",
	}),
	"sqs: no queue": jsonRequest(queuesService, "GetQueueAttributes", map[string]any{
		"QueueUrl": "https://sqs.REGION.amazonaws.com/ACCOUNT/conformance-none",
	}),
	"dynamodb: no table": jsonRequest(tableService, "GetItem", map[string]any{
		"TableName": "conformance-none", "Key": map[string]any{"id": map[string]string{"S": "x"}},
	}),
	"iam: no role": queryRequest(iamService, "GetRole", func(*Suite) any { return &struct{ RoleName string }{"conformance-none"} }),
	"iam: no provider": queryRequest(iamService, "GetOpenIDConnectProvider", func(s *Suite) any {
		return &struct{ OpenIDConnectProviderArn string }{s.here("arn:aws:iam::ACCOUNT:oidc-provider/conformance-none")}
	}),
	"sns: no topic": queryRequest(topicsService, "GetTopicAttributes", func(s *Suite) any {
		return &struct{ TopicArn string }{s.here("arn:aws:sns:REGION:ACCOUNT:conformance-none")}
	}),
	"cloudformation: no stack": queryRequest(stacksService, "DescribeStacks", func(*Suite) any {
		return &struct{ StackName string }{"conformance-none"}
	}),
	"ec2: no subnet": queryRequest(networkService, "DescribeSubnets", func(*Suite) any {
		return &struct{ SubnetId []string }{[]string{"subnet-0123456789abcdef0"}}
	}),
	"s3: no object": bucketRequest(func(ctx context.Context, c *s3.Client, bucket string) error {
		_, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: aws.String("conformance/none")})
		return err
	}),
	"s3: an object that exists": bucketRequest(func(ctx context.Context, c *s3.Client, bucket string) error {
		in := &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("conformance/one"), Body: strings.NewReader("one")}
		if _, err := c.PutObject(ctx, in); err != nil {
			return fmt.Errorf("the first upload: %w", err)
		}
		in.Body, in.IfNoneMatch = strings.NewReader("another"), aws.String("*")
		_, err := c.PutObject(ctx, in)
		return err
	}),
	"s3: no upload": bucketRequest(func(ctx context.Context, c *s3.Client, bucket string) error {
		_, err := c.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
			Bucket: &bucket, Key: aws.String("conformance/one"), UploadId: aws.String("none"),
		})
		return err
	}),
}

func jsonRequest(service awsjson.Service, operation string, input any) request {
	return func(ctx context.Context, s *Suite) error {
		text, err := json.Marshal(input)
		if err != nil {
			return err
		}
		return s.call(ctx, service, operation, json.RawMessage(s.here(string(text))), nil)
	}
}

func queryRequest(service awsquery.Service, action string, input func(*Suite) any) request {
	return func(ctx context.Context, s *Suite) error { return s.query(ctx, service, action, input(s), nil) }
}

func bucketRequest(f func(ctx context.Context, c *s3.Client, bucket string) error) request {
	return func(ctx context.Context, s *Suite) error {
		outputs, err := s.outputs(ctx)
		if err != nil {
			return err
		}
		return f(ctx, s.s3(), outputs["ArtifactBucket"])
	}
}

// missingImage asks the repository of the pipeline for a tag that it does not have.
func missingImage(ctx context.Context, s *Suite) error {
	outputs, err := s.outputs(ctx)
	if err != nil {
		return err
	}
	return s.call(ctx, ecrService, "DescribeImages", map[string]any{
		"repositoryName": outputs["RepositoryName"], "imageIds": []map[string]string{{"imageTag": "conformance-none"}},
	}, nil)
}

// recordErrors asks for what does not exist, records how AWS refuses it, and compares the names with those that the
// runner knows. Recordings of an account replace what fakes answer.
func (s *Suite) recordErrors(ctx context.Context) error {
	var wrong []error
	for _, known := range recorded.Documented() {
		ask, is := requests[known.Service+": "+known.About]
		if !is {
			continue // it takes a policy of its own
		}
		wrong = append(wrong, s.compare(known, ask(ctx, s)))
	}
	return errors.Join(wrong...)
}

// compare records an error and compares it with what is known.
func (s *Suite) compare(known recorded.Refusal, err error) error {
	what := fmt.Sprintf("%s of %s about %s", known.Operation, known.Service, known.About)
	var api smithy.APIError
	if !errors.As(err, &api) {
		return fmt.Errorf("%s is no refusal: %w", what, errors.Join(err, errors.New("it succeeded, or there was no answer")))
	}
	got := known
	got.Code, got.Message = api.ErrorCode(), s.anywhere(api.ErrorMessage())
	var json interface{ HTTPStatusCode() int }
	var response *transport.ResponseError
	switch {
	case errors.As(err, &response):
		got.Status = response.HTTPStatusCode()
	case errors.As(err, &json):
		got.Status = json.HTTPStatusCode()
	}
	if s.Recordings != "" {
		if err := recorded.Record(s.Recordings, got); err != nil {
			return err
		}
	}
	if !known.Knows(got.Code) {
		return fmt.Errorf("%s is refused as %q, and the runner knows %v", what, got.Code, slices.Concat([]string{known.Code}, known.Also))
	}
	return nil
}

// here names the account and the region in a text; anywhere replaces them by those of the documentation.
func (s *Suite) here(text string) string {
	return strings.NewReplacer("REGION", s.Config.Region, "ACCOUNT", s.Account).Replace(text)
}

func (s *Suite) anywhere(text string) string {
	return strings.NewReplacer(s.Config.Region, "eu-west-1", s.Account, "123456789012", s.suffix, "suffix").Replace(text)
}

// call calls a service that speaks JSON.
func (s *Suite) call(ctx context.Context, service awsjson.Service, operation string, input, output any) error {
	client, err := awsjson.New(ctx, s.Config, service)
	if err != nil {
		return err
	}
	return client.Call(ctx, operation, input, output)
}

// query calls a service that speaks the query protocol.
func (s *Suite) query(ctx context.Context, service awsquery.Service, action string, input, output any) error {
	client, err := awsquery.New(ctx, s.Config, service)
	if err != nil {
		return err
	}
	return client.Call(ctx, action, input, output)
}

// s3 is a client of S3 that finds buckets by their path where an endpoint is set.
func (s *Suite) s3() *s3.Client {
	return s3.NewFromConfig(s.Config, func(o *s3.Options) { o.UsePathStyle = s.Config.BaseEndpoint != nil })
}

// outputs are those of the pipeline's stack.
func (s *Suite) outputs(ctx context.Context) (map[string]string, error) {
	var list struct {
		Stacks []struct {
			Outputs []struct{ OutputKey, OutputValue string }
		}
	}
	err := s.query(ctx, stacksService, "DescribeStacks", &struct{ StackName string }{s.stack()}, &list)
	if err != nil || len(list.Stacks) != 1 {
		return nil, errors.Join(err, fmt.Errorf("%d stacks are called %s", len(list.Stacks), s.stack()))
	}
	outputs := map[string]string{}
	for _, o := range list.Stacks[0].Outputs {
		outputs[o.OutputKey] = o.OutputValue
	}
	return outputs, nil
}

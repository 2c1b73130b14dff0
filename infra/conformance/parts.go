package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/carlin-cicd/runner/runner/awsjson"
	"github.com/carlin-cicd/runner/runner/awsquery"
)

// deployment are the arguments that deploy everything.
func (s *Suite) deployment() []string {
	return []string{
		"cluster", "deploy", "--stack", s.stack(), "--base", s.base(), "--repository", s.Repository, "--door", "both",
		"--environments", "staging,production!", "--webhook-zip", s.Zip,
	}
}

func (s *Suite) second() string { return s.stack() + "-two" }

func (s *Suite) dryRun(ctx context.Context) error {
	if _, err := s.run(ctx, 0, append(s.deployment(), "--dry-run")...); err != nil {
		return err
	}
	return s.expect(ctx, 0, "there is nothing to delete", "cluster", "destroy", "--stack", s.stack(), "--base", s.base(), "--dry-run")
}

// expect runs the program and looks for words in what it prints.
func (s *Suite) expect(ctx context.Context, code int, words string, args ...string) error {
	said, err := s.run(ctx, code, args...)
	if err == nil && !strings.Contains(said, words) {
		err = fmt.Errorf("runner %s does not say %q:\n%s", strings.Join(args, " "), words, said)
	}
	return err
}

func (s *Suite) deploy(ctx context.Context) error {
	return s.expect(ctx, 0, "deployed\n", append(s.deployment(), "--yes")...)
}

func (s *Suite) deployAgain(ctx context.Context) error {
	return s.expect(ctx, 0, "no changes", append(s.deployment(), "--yes")...)
}

func (s *Suite) deployUnsaid(ctx context.Context) error {
	return s.expect(ctx, 0, "no changes", "cluster", "deploy", "--stack", s.stack(), "--base", s.base(), "--webhook-zip", s.Zip, "--yes")
}

func (s *Suite) deploySecond(ctx context.Context) error {
	owner, _, _ := strings.Cut(s.Repository, "/")
	err := s.expect(ctx, 0, "deployed\n", "cluster", "deploy", "--stack", s.second(), "--base", s.base(), "--repository", owner+"/second",
		"--door", "webhook", "--environments", "staging", "--webhook-zip", s.Zip, "--yes")
	if err != nil {
		return err
	}
	return s.expect(ctx, 0, "deleted\n", "cluster", "destroy", "--stack", s.second(), "--base", s.base(), "--yes")
}

func (s *Suite) checkWithoutImage(ctx context.Context) error {
	return s.expect(ctx, 1, "there is no image yet", "cluster", "check", "--stack", s.stack(), "--base", s.base(), "--no-drift")
}

func (s *Suite) checkQuotas(ctx context.Context) error {
	return s.expect(ctx, 1, "is as its template says", "cluster", "check", "--stack", s.stack(), "--base", s.base())
}

func (s *Suite) image(ctx context.Context) error {
	return s.expect(ctx, 0, "every step runs the image", "cluster", "image", "--stack", s.stack(), "--base", s.base())
}

func (s *Suite) ping(ctx context.Context) error {
	return s.expect(ctx, 0, "an event went from the bus", "cluster", "check", "--ping", "--stack", s.stack(), "--base", s.base())
}

func (s *Suite) destroy(ctx context.Context) error {
	err := s.expect(ctx, 0, "deleted\n", "cluster", "destroy", "--stack", s.stack(), "--base", s.base(), "--all", "--yes")
	if err != nil {
		return err
	}
	return s.expect(ctx, 0, "there is nothing to delete", "cluster", "destroy", "--stack", s.stack(), "--base", s.base(), "--all")
}

// Recording is how AWS refused a request.
type Recording struct {
	Service   string `json:"service"`
	Operation string `json:"operation"`
	About     string `json:"about"`
	Status    int    `json:"status"`
	Code      string `json:"code"`
}

// refusal is a request about what does not exist, of a service that speaks JSON or the query protocol.
type refusal struct {
	service          awsjson.Service
	query            *awsquery.Service
	operation, about string
	input            any
	codes            []string
}

// refusals are requests about what does not exist, and the names that the runner knows the answers by.
var refusals = []refusal{
	{service: awsjson.Service{Name: "ecr", Host: "api.ecr", ID: "ECR", Target: "AmazonEC2ContainerRegistry_V20150921"}, operation: "DescribeImages", about: "no repository", input: map[string]any{"repositoryName": "conformance-none"}, codes: []string{"RepositoryNotFoundException"}},
	{service: awsjson.Service{Name: "secretsmanager", ID: "Secrets Manager", Target: "secretsmanager"}, operation: "DescribeSecret", about: "no secret", input: map[string]any{"SecretId": "conformance-none"}, codes: []string{"ResourceNotFoundException"}},
	{service: awsjson.Service{Name: "events", ID: "EventBridge", Target: "AWSEvents"}, operation: "ListRules", about: "no bus", input: map[string]any{"EventBusName": "conformance-none"}, codes: []string{"ResourceNotFoundException"}},
	{service: awsjson.Service{Name: "states", ID: "SFN", Target: "AWSStepFunctions", Version: "1.0"}, operation: "DescribeStateMachine", about: "no machine", input: map[string]any{"stateMachineArn": "arn:aws:states:REGION:ACCOUNT:stateMachine:conformance-none"}, codes: []string{"StateMachineDoesNotExist"}},
	{service: awsjson.Service{Name: "sqs", ID: "SQS", Target: "AmazonSQS", Version: "1.0"}, operation: "GetQueueAttributes", about: "no queue", input: map[string]any{"QueueUrl": "https://sqs.REGION.amazonaws.com/ACCOUNT/conformance-none"}, codes: []string{"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"}},
	{query: &awsquery.Service{Name: "iam", ID: "IAM", Version: "2010-05-08", Global: true}, operation: "GetRole", about: "no role", input: &struct{ RoleName string }{"conformance-none"}, codes: []string{"NoSuchEntity"}},
	{query: &awsquery.Service{Name: "sns", ID: "SNS", Version: "2010-03-31"}, operation: "GetTopicAttributes", about: "no topic", input: &struct{ TopicArn string }{"arn:aws:sns:REGION:ACCOUNT:conformance-none"}, codes: []string{"NotFound", "NotFoundException"}},
	{query: &awsquery.Service{Name: "cloudformation", ID: "CloudFormation", Version: "2010-05-15"}, operation: "DescribeStacks", about: "no stack", input: &struct{ StackName string }{"conformance-none"}, codes: []string{"ValidationError"}},
	{query: &awsquery.Service{Name: "ec2", ID: "EC2", Version: "2016-11-15", EC2: true}, operation: "DescribeSubnets", about: "no subnet", input: &struct{ SubnetId []string }{[]string{"subnet-0123456789abcdef0"}}, codes: []string{"InvalidSubnetID.NotFound"}},
}

// recordErrors asks for what does not exist, records how AWS refuses it, and compares the names with those that the
// runner knows. Recordings of an account replace guesses in fakes.
func (s *Suite) recordErrors(ctx context.Context) error {
	var wrong []error
	for _, r := range refusals {
		var err error
		name := r.service.Name
		if r.query != nil {
			name = r.query.Name
			var client *awsquery.Client
			if client, err = awsquery.New(ctx, s.Config, *r.query); err != nil {
				return err
			}
			input := r.input
			if topic, is := input.(*struct{ TopicArn string }); is {
				input = &struct{ TopicArn string }{s.here(topic.TopicArn)}
			}
			err = client.Call(ctx, r.operation, input, nil)
		} else {
			client, e := awsjson.New(ctx, s.Config, r.service)
			if e != nil {
				return e
			}
			text, _ := json.Marshal(r.input)
			err = client.Call(ctx, r.operation, json.RawMessage(s.here(string(text))), nil)
		}
		var refused *awsjson.APIError
		if !errors.As(err, &refused) {
			wrong = append(wrong, fmt.Errorf("%s of %s: %w", r.operation, r.about, errors.Join(err, errors.New("it is no refusal"))))
			continue
		}
		if err := s.record(Recording{name, r.operation, r.about, refused.Status, refused.Code}); err != nil {
			return err
		}
		if !awsjson.HasCode(err, r.codes...) {
			wrong = append(wrong, fmt.Errorf("%s of %s is refused as %q, and the runner knows %v", r.operation, r.about, refused.Code, r.codes))
		}
	}
	return errors.Join(wrong...)
}

// here names the account and the region in a text.
func (s *Suite) here(text string) string {
	return strings.NewReplacer("REGION", s.Config.Region, "ACCOUNT", s.Account).Replace(text)
}

func (s *Suite) record(r Recording) error {
	if s.Recordings == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err == nil {
		err = os.MkdirAll(s.Recordings, 0o755)
	}
	if err != nil {
		return err
	}
	name := r.Service + "-" + strings.ReplaceAll(r.About, " ", "-") + ".json"
	return os.WriteFile(filepath.Join(s.Recordings, name), append(text, '\n'), 0o644)
}

package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/carlin-cicd/runner/runner/awsjson"
	"github.com/carlin-cicd/runner/runner/awsquery"
	"github.com/carlin-cicd/runner/runner/awstest/recorded"
)

var (
	alarmsService = awsquery.Service{Name: "monitoring", ID: "CloudWatch", Version: "2010-08-01"}
	costsService  = awsjson.Service{Name: "ce", ID: "Cost Explorer", Target: "AWSInsightsIndexService"}
)

// receiver is a queue that is subscribed to the pipeline's topic.
type receiver struct{ topic, url, subscription string }

// subscribe makes a receiver of what the topic sends.
func (s *Suite) subscribe(ctx context.Context) (*receiver, error) {
	outputs, err := s.outputs(ctx)
	if err != nil {
		return nil, err
	}
	r := &receiver{topic: outputs["TopicArn"]}
	name := "conformance-" + s.suffix
	arn := fmt.Sprintf("arn:%s:sqs:%s:%s:%s", awsjson.Partition(s.Config.Region), s.Config.Region, s.Account, name)
	policy, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
		"Effect": "Allow", "Principal": map[string]string{"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn,
		"Condition": map[string]any{"ArnEquals": map[string]string{"aws:SourceArn": r.topic}},
	}}})
	if err != nil {
		return nil, err
	}
	var made struct {
		URL string `json:"QueueUrl"`
	}
	err = s.call(ctx, queuesService, "CreateQueue", map[string]any{
		"QueueName": name, "Attributes": map[string]string{"Policy": string(policy)},
	}, &made)
	if err != nil {
		return nil, err
	}
	r.url = made.URL
	var subscribed struct{ SubscriptionArn string }
	err = s.query(ctx, topicsService, "Subscribe", &struct{ TopicArn, Protocol, Endpoint string }{r.topic, "sqs", arn}, &subscribed)
	if err != nil {
		s.unsubscribe(ctx, r)
		return nil, err
	}
	r.subscription = subscribed.SubscriptionArn
	return r, nil
}

// unsubscribe removes a receiver, also after the end of the context.
func (s *Suite) unsubscribe(ctx context.Context, r *receiver) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	var err error
	if r.subscription != "" {
		err = s.query(ctx, topicsService, "Unsubscribe", &struct{ SubscriptionArn string }{r.subscription}, nil)
	}
	if err = errors.Join(err, s.call(ctx, queuesService, "DeleteQueue", map[string]string{"QueueUrl": r.url}, nil)); err != nil {
		fmt.Fprintf(s.Log, "FAIL  removing queue %s: %v\n", r.url, err)
	}
}

// receive waits for a message with the words in it.
func (s *Suite) receive(ctx context.Context, r *receiver, words string, limit time.Duration) error {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); {
		var got struct {
			Messages []struct{ Body string }
		}
		err := s.call(ctx, queuesService, "ReceiveMessage", map[string]any{
			"QueueUrl": r.url, "WaitTimeSeconds": 1, "MaxNumberOfMessages": 10, "VisibilityTimeout": 600,
		}, &got)
		if err != nil {
			return err
		}
		for _, m := range got.Messages {
			if strings.Contains(m.Body, words) {
				return nil
			}
		}
	}
	return fmt.Errorf("no message with %q arrived within %s", words, limit)
}

func (s *Suite) topicDelivers(ctx context.Context) error {
	r, err := s.subscribe(ctx)
	if err != nil {
		return err
	}
	defer s.unsubscribe(ctx, r)
	words := "conformance " + s.suffix
	err = s.query(ctx, topicsService, "Publish", &struct{ TopicArn, Message string }{r.topic, words}, nil)
	if err != nil {
		return err
	}
	return s.receive(ctx, r, words, time.Minute)
}

// alarmFires sets each alarm of the pipeline off, and waits for its message.
func (s *Suite) alarmFires(ctx context.Context) error {
	r, err := s.subscribe(ctx)
	if err != nil {
		return err
	}
	defer s.unsubscribe(ctx, r)
	var list struct {
		MetricAlarms []struct{ AlarmName string }
	}
	err = s.query(ctx, alarmsService, "DescribeAlarms", &struct{ AlarmNamePrefix string }{s.stack() + "-"}, &list)
	if err == nil && len(list.MetricAlarms) == 0 {
		err = errors.New("there are no alarms")
	}
	if err != nil {
		return err
	}
	var failed []error
	for _, a := range list.MetricAlarms {
		set := &struct{ AlarmName, StateValue, StateReason string }{a.AlarmName, "ALARM", "conformance"}
		err := s.query(ctx, alarmsService, "SetAlarmState", set, nil)
		if err == nil {
			err = s.receive(ctx, r, a.AlarmName, 2*time.Minute)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("alarm %s: %w", a.AlarmName, err))
		}
	}
	return errors.Join(failed...)
}

// denied lets S3 refuse what an upload does, by the policy of the bucket, and takes the policy back.
func (s *Suite) denied(ctx context.Context) (err error) {
	outputs, err := s.outputs(ctx)
	if err != nil {
		return err
	}
	bucket := outputs["ArtifactBucket"]
	before, err := s.s3().GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: &bucket})
	if err != nil {
		return err
	}
	put := []string{"artifacts", "put", "notes", ".", "--branch", "conformance", "--sha", strings.Repeat("0", 40)}
	environ := s.Environ
	s.Environ = append(environ[:len(environ):len(environ)], "ARTIFACT_BUCKET="+bucket)
	defer func() { s.Environ = environ }()
	text, err := denying(*before.Policy, bucket, awsjson.Partition(s.Config.Region))
	if err != nil {
		return err
	}
	restore := func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		_, err := s.s3().PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &bucket, Policy: before.Policy})
		return err
	}
	if _, err = s.s3().PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &bucket, Policy: &text}); err != nil {
		return err
	}
	refusedErr := s.refusedByPolicy(ctx, bucket, put)
	if err := errors.Join(restore(), refusedErr); err != nil {
		return err
	}
	return s.eventually(ctx, time.Minute, func() error {
		_, err := s.run(ctx, 0, put...)
		return err
	})
}

// refusedByPolicy waits until the policy has effect, records the refusal, and looks whether the runner names its cause.
func (s *Suite) refusedByPolicy(ctx context.Context, bucket string, put []string) error {
	err := s.eventually(ctx, time.Minute, func() error {
		key := "manifests/conformance"
		_, err := s.s3().PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader("x")})
		if err == nil {
			return errors.New("S3 takes what the policy denies")
		}
		return s.compare(policyRefusal(), err)
	})
	if err != nil {
		return err
	}
	said, err := s.run(ctx, 1, put...)
	if err == nil && !strings.Contains(said, "Deny") {
		err = fmt.Errorf("the runner does not name the policy that denies the upload:\n%s", said)
	}
	return err
}

func policyRefusal() recorded.Refusal {
	for _, known := range recorded.Documented() {
		if known.About == "a policy that denies" {
			return known
		}
	}
	return recorded.Refusal{}
}

// denying adds a statement to a policy that denies all uploads.
func denying(policy, bucket, partition string) (string, error) {
	var document map[string]any
	if err := json.Unmarshal([]byte(policy), &document); err != nil {
		return "", err
	}
	statements, is := document["Statement"].([]any)
	if !is {
		statements = []any{document["Statement"]}
	}
	document["Statement"] = append(statements, map[string]any{
		"Sid": "conformance", "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:" + partition + ":s3:::" + bucket + "/*",
	})
	text, err := json.Marshal(document)
	return string(text), err
}

// eventually tries again until it works, since AWS takes a moment.
func (s *Suite) eventually(ctx context.Context, limit time.Duration, f func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := f()
		if err == nil || ctx.Err() != nil || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(2 * time.Second):
		}
	}
}

// costs prints what runs of this suite have cost. Cost Explorer knows a cost a day later, so that it is that of earlier
// runs.
func (s *Suite) costs(ctx context.Context) error {
	global := *s
	global.Config = s.Config.Copy()
	global.Config.Region = awsjson.GlobalRegion(s.Config.Region)
	var tags struct {
		CostAllocationTags []struct{ TagKey, Status string }
	}
	err := global.call(ctx, costsService, "ListCostAllocationTags", map[string]any{"TagKeys": []string{"pipeline"}}, &tags)
	if err != nil {
		return err
	}
	if len(tags.CostAllocationTags) == 0 || tags.CostAllocationTags[0].Status != "Active" {
		fmt.Fprintln(s.Log, "      the tag pipeline allocates no costs yet: activate it in Billing, a day after the first run of this suite")
		return nil
	}
	now := time.Now().UTC()
	var spent struct {
		ResultsByTime []struct {
			Groups []struct {
				Keys    []string
				Metrics map[string]struct{ Amount, Unit string }
			}
		}
	}
	err = global.call(ctx, costsService, "GetCostAndUsage", map[string]any{
		"TimePeriod":  map[string]string{"Start": now.AddDate(0, 0, -30).Format(time.DateOnly), "End": now.AddDate(0, 0, 1).Format(time.DateOnly)},
		"Granularity": "MONTHLY", "Metrics": []string{"UnblendedCost"}, "GroupBy": []any{map[string]string{"Type": "TAG", "Key": "pipeline"}},
	}, &spent)
	if err != nil {
		return err
	}
	for _, month := range spent.ResultsByTime {
		for _, g := range month.Groups {
			if len(g.Keys) == 1 && strings.HasPrefix(g.Keys[0], "pipeline$conformance-") {
				fmt.Fprintf(s.Log, "      %s cost %s %s\n", strings.TrimPrefix(g.Keys[0], "pipeline$"), g.Metrics["UnblendedCost"].Amount, g.Metrics["UnblendedCost"].Unit)
			}
		}
	}
	return nil
}

package stack_test

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"

	"github.com/carlin-cicd/runner/runner/deploy/stack"
	"github.com/carlin-cicd/runner/runner/deploy/stack/stacktest"
	"github.com/carlin-cicd/runner/runner/record"
)

func open(t *testing.T, endpoint, name string) *stack.Stack {
	t.Helper()
	client := cloudformation.New(cloudformation.Options{
		Region: stacktest.Region, BaseEndpoint: &endpoint, Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
		Retryer: aws.NopRetryer{},
	})
	return &stack.Stack{Client: client, Name: name, Poll: time.Millisecond}
}

// made creates a stack and returns it with its snapshot.
func made(t *testing.T, f fake, r stacktest.Revision) (*stack.Stack, stack.Snapshot) {
	t.Helper()
	f.Make("web", r)
	s := open(t, f.URL, "web")
	before, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s, before
}

var (
	first = stacktest.Revision{
		Template: `{"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}`, Parameters: map[string]string{"Size": "1", "Password": "one"},
		Hidden: []string{
			"Password",
		}, Tags: map[string]string{"team": "web"}, Outputs: map[string]string{"URL": "https://a.example"},
	}
	second = stacktest.Revision{
		Template: `{"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}`, Parameters: map[string]string{"Size": "2", "Password": "two"},
		Hidden: []string{
			"Password",
		}, Tags: map[string]string{"team": "web", "new": "yes"}, Outputs: map[string]string{"URL": "https://a.example"},
	}
)

// named returns a revision with a parameter that names a value in Parameter Store.
func named(value string) *stacktest.Revision {
	r := first
	r.Resolved = map[string]string{"Size": value}
	return &r
}

type (
	step = stacktest.Step
	fake = *stacktest.Server
)

var begun = step{Status: "UPDATE_IN_PROGRESS", Reason: "User Initiated"}

func failing(resource, status, reason string) step {
	return step{Status: status, Reason: reason, Resource: resource, Type: "AWS::SNS::Topic"}
}

// reapplies answers UpdateStack as CloudFormation does.
func reapplies(k *stacktest.Stack, form url.Values) []step {
	r := stacktest.RevisionOf(k.Revision, form)
	return []step{begun, {Status: "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"}, {Status: "UPDATE_COMPLETE", Revision: r}}
}

func TestAStackIsRestoredByTheLeastThatDoesIt(t *testing.T) {
	const web = "web"
	for name, c := range map[string]struct {
		absent   bool          // there is no stack before
		prior    func(fake)    // what happened to the stack before the snapshot
		attempts int           // how often the command was started
		refused  bool          // CloudFormation refused the command's update
		during   func(fake)    // what the command does
		existed  bool          // an event of the stack was seen
		going    bool          // it continues after the command's end
		later    func(fake)    // what else happens after that
		script   func(fake)    // how requests are answered
		action   record.Action // that is reported
		err      string        // in the error, "" for none
		hint     string        // in its hint
		requests []string      // that changed the stack, in order
		back     bool          // the stack is identical to its snapshot
		check    func(record.Rollback) bool
	}{
		"no operation began": {action: record.Untouched, back: true},
		"the update fails, and CloudFormation rolls it back": {
			during: func(f fake) {
				f.Pass(web, begun, failing("Topic", "CREATE_FAILED", "limit reached"), step{Status: "UPDATE_ROLLBACK_IN_PROGRESS"}, step{Status: "UPDATE_ROLLBACK_COMPLETE"})
			},
			going: true, action: record.ByItself, back: true,
			check: func(r record.Rollback) bool {
				return len(r.Failures) == 1 && r.Failures[0].Name == "Topic" && r.Failures[0].Reason == "limit reached" && slices.Equal(r.Unproven, []string{"Password"})
			},
		},
		"the rollback is stuck, and succeeds when it is continued": {
			during: func(f fake) {
				f.Pass(web, begun, step{Status: "UPDATE_ROLLBACK_IN_PROGRESS", Revision: &second}, failing("Queue", "UPDATE_FAILED", "throttled"), step{Status: "UPDATE_ROLLBACK_FAILED"})
			},
			script: func(f fake) {
				f.On("ContinueUpdateRollback", func(*stacktest.Stack, url.Values) []step {
					return []step{{Status: "UPDATE_ROLLBACK_IN_PROGRESS", Reason: "User Initiated"}, {Status: "UPDATE_ROLLBACK_COMPLETE", Revision: &first}}
				})
			},
			going: true, action: record.Continued, requests: []string{"ContinueUpdateRollback"}, back: true,
		},
		"drift: a resource was deleted by hand, and the rollback stays stuck": {
			during: func(f fake) {
				f.Pass(web, begun, failing("Queue", "UPDATE_FAILED", "the queue does not exist"), step{Status: "UPDATE_ROLLBACK_FAILED", Revision: &second})
			},
			script: func(f fake) {
				f.On("ContinueUpdateRollback", func(*stacktest.Stack, url.Values) []step {
					return []step{{Status: "UPDATE_ROLLBACK_IN_PROGRESS", Reason: "User Initiated"}, {Status: "UPDATE_ROLLBACK_FAILED"}}
				})
			},
			action: record.Stuck, err: "Queue UPDATE_FAILED (the queue does not exist)", hint: "--resources-to-skip", requests: []string{"ContinueUpdateRollback"},
		},
		"drift: the rollback leaves a different output": {
			during: func(f fake) {
				drifted := first
				drifted.Outputs = map[string]string{"URL": "https://b.example"}
				f.Pass(web, begun, step{Status: "UPDATE_ROLLBACK_COMPLETE", Revision: &drifted})
			},
			action: record.Failed, err: "differs from the snapshot in output URL", hint: "drift",
		},
		"the update fails without a rollback": {
			during: func(f fake) { f.Pass(web, begun, step{Status: "UPDATE_FAILED", Revision: &second}) },
			script: func(f fake) {
				f.On("RollbackStack", func(*stacktest.Stack, url.Values) []step {
					return []step{{Status: "UPDATE_ROLLBACK_IN_PROGRESS", Reason: "User Initiated"}, {Status: "UPDATE_ROLLBACK_COMPLETE", Revision: &first}}
				})
			},
			going: true, action: record.Resumed, requests: []string{"RollbackStack"}, back: true,
		},
		"the update fails without a rollback, and the rollback is stuck once": {
			during: func(f fake) { f.Pass(web, begun, step{Status: "UPDATE_FAILED", Revision: &second}) },
			script: func(f fake) {
				f.On("RollbackStack", func(*stacktest.Stack, url.Values) []step {
					return []step{{Status: "UPDATE_ROLLBACK_IN_PROGRESS", Reason: "User Initiated"}, {Status: "UPDATE_ROLLBACK_FAILED"}}
				})
				f.On("ContinueUpdateRollback", func(*stacktest.Stack, url.Values) []step {
					return []step{{Status: "UPDATE_ROLLBACK_IN_PROGRESS", Reason: "User Initiated"}, {Status: "UPDATE_ROLLBACK_COMPLETE", Revision: &first}}
				})
			},
			action: record.Continued, requests: []string{"RollbackStack", "ContinueUpdateRollback"}, back: true,
		},
		"the update succeeds, but a later check fails": {
			during: func(f fake) { f.Pass(web, begun, step{Status: "UPDATE_COMPLETE", Revision: &second}) },
			script: func(f fake) { f.On("UpdateStack", reapplies) },
			action: record.Reapplied, requests: []string{"UpdateStack"}, back: true,
			check: func(r record.Rollback) bool { return slices.Equal(r.Kept, []string{"Password"}) },
		},
		"the snapshot cannot be applied again": {
			during: func(f fake) { f.Pass(web, begun, step{Status: "UPDATE_COMPLETE", Revision: &second}) },
			script: func(f fake) {
				f.On("UpdateStack", func(*stacktest.Stack, url.Values) []step {
					return []step{begun, failing("Queue", "CREATE_FAILED", "name taken"), {Status: "UPDATE_ROLLBACK_COMPLETE"}}
				})
			},
			action: record.Failed, err: "differs from the snapshot in template, parameter Size, tag new", requests: []string{"UpdateStack"},
		},
		"the snapshot is applied again, but an output stays different": {
			during: func(f fake) { f.Pass(web, begun, step{Status: "UPDATE_COMPLETE", Revision: &second}) },
			script: func(f fake) {
				f.On("UpdateStack", func(k *stacktest.Stack, form url.Values) []step {
					r := stacktest.RevisionOf(k.Revision, form)
					r.Outputs = map[string]string{"URL": "https://b.example"}
					return []step{begun, {Status: "UPDATE_COMPLETE", Revision: r}}
				})
			},
			action: record.Failed, err: "is UPDATE_COMPLETE and differs from the snapshot in output URL", requests: []string{"UpdateStack"},
		},
		"the stack is deleted, and another is created with its name": {
			during: func(f fake) { f.Make(web, second) },
			action: record.Gone, err: "was deleted",
		},
		"the command ended during the update, and CloudFormation continued": {
			during: func(f fake) { f.Pass(web, begun) },
			later: func(f fake) {
				f.Pass(web, failing("Queue", "UPDATE_IN_PROGRESS", ""), step{Status: "UPDATE_COMPLETE", Revision: &second})
			},
			script: func(f fake) { f.On("UpdateStack", reapplies) },
			action: record.Reapplied, requests: []string{"UpdateStack"}, back: true,
		},
		"another party updates the stack after the command": {
			during: func(f fake) { f.Pass(web, begun, step{Status: "UPDATE_COMPLETE", Revision: &second}) },
			later:  func(f fake) { f.Pass(web, begun, step{Status: "UPDATE_COMPLETE"}) },
			action: record.Superseded, err: "began after the command ended", hint: "runner rollback",
		},
		"another party updates the stack after a command that did not": {
			later:  func(f fake) { f.Pass(web, begun, step{Status: "UPDATE_COMPLETE", Revision: &second}) },
			action: record.Superseded, err: "began after the command ended",
		},
		"a person updates the stack in the console meanwhile": {
			during: func(f fake) {
				byHand := begun
				byHand.Token = "Console-UpdateStack-1"
				f.Pass(web, begun, step{Status: "UPDATE_COMPLETE", Revision: &second}, byHand, step{Status: "UPDATE_COMPLETE"})
			},
			action: record.Superseded, err: "was begun in the console",
		},
		"two deploys at once": {
			during: func(f fake) {
				a, b := begun, begun
				a.Token, b.Token = "deploy-a", "deploy-b"
				f.Pass(web, a, step{Status: "UPDATE_COMPLETE", Revision: &second}, b, step{Status: "UPDATE_COMPLETE"})
			},
			action: record.Superseded, err: "is operation 2, and the command was started once",
		},
		"another party updates it while the command runs, and neither has a token": {
			during: func(f fake) {
				f.Pass(web, begun, step{Status: "UPDATE_COMPLETE", Revision: &second}, begun, step{Status: "UPDATE_COMPLETE"})
			},
			action: record.Superseded, err: "is operation 2, and the command was started once",
		},
		"the stack was busy, and the command's update was refused": {
			during:  func(f fake) { f.Pass(web, begun, step{Status: "UPDATE_COMPLETE", Revision: &second}) },
			refused: true, action: record.Superseded, err: "was in progress when CloudFormation refused the command's update",
		},
		"the command was started twice, and began two updates": {
			during: func(f fake) {
				a, b := begun, begun
				a.Token, b.Token = "deploy-a", "deploy-b"
				f.Pass(web, a, step{Status: "UPDATE_ROLLBACK_COMPLETE"}, b, step{Status: "UPDATE_COMPLETE", Revision: &second})
			},
			script:   func(f fake) { f.On("UpdateStack", reapplies) },
			attempts: 2, action: record.Reapplied, requests: []string{"UpdateStack"}, back: true,
		},
		"macros are expanded first, which is not an operation of its own": {
			during: func(f fake) {
				f.Pass(web, step{Status: "UPDATE_IN_PROGRESS", Reason: "Transformation started"}, step{Status: "UPDATE_IN_PROGRESS", Reason: "Transformation succeeded"},
					begun, step{Status: "UPDATE_COMPLETE", Revision: &second})
			},
			script: func(f fake) { f.On("UpdateStack", reapplies) },
			action: record.Reapplied, requests: []string{"UpdateStack"}, back: true,
		},
		"another party has restored it already": {
			during: func(f fake) {
				byHand := begun
				byHand.Token = "Console-UpdateStack-1"
				f.Pass(web, begun, step{Status: "UPDATE_COMPLETE", Revision: &second}, byHand, step{Status: "UPDATE_COMPLETE", Revision: &first})
			},
			action: record.Untouched, back: true,
		},
		"a person cancels the update in the console": {
			during: func(f fake) {
				f.Pass(web, begun, step{Status: "UPDATE_ROLLBACK_IN_PROGRESS", Reason: "User Initiated", Token: "Console-CancelUpdateStack-1"}, step{Status: "UPDATE_ROLLBACK_COMPLETE"})
			},
			action: record.ByItself, back: true,
		},
		"another party begins without a token right after our rollback": {
			during: func(f fake) { f.Pass(web, begun, step{Status: "UPDATE_FAILED", Revision: &second}) },
			script: func(f fake) {
				f.On("RollbackStack", func(*stacktest.Stack, url.Values) []step {
					return []step{{Status: "UPDATE_ROLLBACK_IN_PROGRESS", Reason: "User Initiated"}, {Status: "UPDATE_ROLLBACK_COMPLETE", Revision: &first, Brief: true}, begun, {Status: "UPDATE_COMPLETE", Revision: &second}}
				})
			},
			action: record.Superseded, err: "began after the command ended", requests: []string{"RollbackStack"},
		},
		"an earlier update had failed without a rollback, and the command began nothing": {
			prior:  func(f fake) { f.Pass(web, begun, step{Status: "UPDATE_FAILED"}) },
			going:  true,
			action: record.Untouched, back: true,
		},
		"an earlier rollback was stuck, and the command began nothing": {
			prior:  func(f fake) { f.Pass(web, begun, step{Status: "UPDATE_ROLLBACK_FAILED"}) },
			going:  true,
			action: record.Untouched, back: true,
		},
		"the rollback of an import is stuck": {
			during: func(f fake) {
				f.Pass(web, step{Status: "IMPORT_IN_PROGRESS", Reason: "User Initiated"}, step{Status: "IMPORT_ROLLBACK_FAILED", Revision: &second})
			},
			action: record.Stuck, err: "is IMPORT_ROLLBACK_FAILED",
		},
		"the first create is by a change set, and a later check fails": {
			absent: true,
			during: func(f fake) {
				f.Begin(web, first, step{Status: "REVIEW_IN_PROGRESS", Reason: "User Initiated", Token: "a"},
					step{Status: "CREATE_IN_PROGRESS", Reason: "User Initiated", Token: "b"}, step{Status: "CREATE_COMPLETE", Token: "b"})
			},
			action: record.FirstCreate, err: "no revision before it",
		},
		"the command makes a change set and does not execute it": {
			absent: true,
			during: func(f fake) {
				f.Begin(web, first, step{Status: "REVIEW_IN_PROGRESS", Reason: "User Initiated", Token: "a"})
			},
			action: record.FirstCreate, err: "did not exist before; now it has a change set that was never executed",
		},
		"the first create fails, and its resources cannot be deleted": {
			absent: true,
			during: func(f fake) {
				f.Begin(web, stacktest.Revision{}, step{Status: "CREATE_IN_PROGRESS", Reason: "User Initiated"}, step{Status: "ROLLBACK_COMPLETE"},
					step{Status: "DELETE_IN_PROGRESS", Reason: "User Initiated"}, failing("Bucket", "DELETE_FAILED", "not empty"), step{Status: "DELETE_FAILED"})
			},
			attempts: 2, action: record.FirstCreate, err: "is DELETE_FAILED: its first create failed, and a stack in that state cannot be updated: Bucket DELETE_FAILED (not empty)",
		},
		"its first create had failed, and the command creates it again": {
			prior: func(f fake) {
				f.Pass(web, step{Status: "ROLLBACK_IN_PROGRESS"}, step{Status: "ROLLBACK_COMPLETE"})
				f.Drain(web)
			},
			during: func(f fake) { f.Make(web, second) },
			action: record.FirstCreate, err: "no revision before it",
		},
		"the update removes a hidden parameter": {
			during: func(f fake) {
				without := second
				without.Parameters, without.Hidden = map[string]string{"Size": "2"}, nil
				f.Pass(web, begun, step{Status: "UPDATE_COMPLETE", Revision: &without})
			},
			script: func(f fake) { f.On("UpdateStack", reapplies) },
			action: record.Failed, err: "the value of parameter Password was hidden, and the update removed it", hint: "--force",
		},
		"the value that a parameter names has changed": {
			prior: func(f fake) { f.Pass(web, step{Status: "UPDATE_COMPLETE", Revision: named("ami-1")}) },
			during: func(f fake) {
				f.Pass(web, begun, step{Status: "UPDATE_COMPLETE", Revision: named("ami-2")})
			},
			script: func(f fake) { f.On("UpdateStack", reapplies) },
			action: record.Failed, err: "differs from the snapshot in parameter Size (resolved)", hint: "in Parameter Store", requests: []string{"UpdateStack"},
		},
		"another party begins between our check and our request": {
			during: func(f fake) { f.Pass(web, begun, step{Status: "UPDATE_COMPLETE", Revision: &second}) },
			script: func(f fake) {
				f.On("UpdateStack", func(*stacktest.Stack, url.Values) []step {
					theirs := begun
					theirs.Token = "theirs"
					return []step{theirs, {Status: "UPDATE_COMPLETE"}}
				})
			},
			action: record.Superseded, err: "began after the command ended", requests: []string{"UpdateStack"},
		},
		"the stack is busy when we request the update": {
			during: func(f fake) { f.Pass(web, begun, step{Status: "UPDATE_COMPLETE", Revision: &second}) },
			script: func(f fake) {
				f.Fail("UpdateStack", "ValidationError=Stack:arn:aws:cloudformation:eu-central-1:123456789012:stack/web/1 is in UPDATE_IN_PROGRESS state and can not be updated.")
			},
			action: record.Superseded, err: "is being changed by another party", hint: "wait until that is done", requests: []string{"UpdateStack"},
		},
		"the stack is deleted": {
			during: func(f fake) {
				f.Pass(web, step{Status: "DELETE_IN_PROGRESS", Reason: "User Initiated"}, step{Status: "DELETE_COMPLETE"})
			},
			action: record.Gone, err: "was deleted", hint: "create it again",
		},
		"the stack was only partly deleted": {
			during: func(f fake) {
				f.Pass(web, step{Status: "DELETE_IN_PROGRESS", Reason: "User Initiated"}, step{Status: "DELETE_FAILED"})
			},
			action: record.Gone, err: "was deleted",
		},
		"the first create fails": {
			absent: true,
			during: func(f fake) {
				f.Begin(web, stacktest.Revision{}, step{Status: "CREATE_IN_PROGRESS", Reason: "User Initiated"}, failing("Topic", "CREATE_FAILED", "not allowed"), step{Status: "ROLLBACK_IN_PROGRESS"}, step{Status: "ROLLBACK_COMPLETE"})
			},
			action: record.FirstCreate, err: "is ROLLBACK_COMPLETE: its first create failed, and a stack in that state cannot be updated: Topic CREATE_FAILED (not allowed)", hint: "delete-stack --stack-name web",
		},
		"the first create fails, and the command cleans up": {
			absent: true,
			during: func(f fake) {
				f.Begin(web, stacktest.Revision{}, step{Status: "CREATE_IN_PROGRESS", Reason: "User Initiated"}, step{Status: "ROLLBACK_COMPLETE"}, step{Status: "DELETE_IN_PROGRESS"}, step{Status: "DELETE_COMPLETE"})
			},
			existed: true, action: record.Removed, back: true,
		},
		"the stack exists neither before nor after": {absent: true, action: record.StackNotFound},
		"the first create succeeds, but a later check fails": {
			absent: true,
			during: func(f fake) {
				f.Begin(web, first, step{Status: "CREATE_IN_PROGRESS", Reason: "User Initiated"}, step{Status: "CREATE_COMPLETE"})
			},
			action: record.FirstCreate, err: "no revision before it",
		},
		"UpdateStack is denied": {
			during: func(f fake) { f.Pass(web, begun, step{Status: "UPDATE_COMPLETE", Revision: &second}) },
			script: func(f fake) { f.Deny("UpdateStack") },
			action: record.Failed, err: "AccessDenied", hint: "allow the role of this task cloudformation:UpdateStack on stack web", requests: []string{"UpdateStack"},
		},
		"ContinueUpdateRollback is denied": {
			during: func(f fake) { f.Pass(web, begun, step{Status: "UPDATE_ROLLBACK_FAILED"}) },
			script: func(f fake) { f.Deny("ContinueUpdateRollback") },
			action: record.Failed, hint: "cloudformation:ContinueUpdateRollback", err: "AccessDenied", requests: []string{"ContinueUpdateRollback"},
		},
		"DescribeStacks is denied": {
			script: func(f fake) { f.Deny("DescribeStacks") },
			action: record.Failed, err: "AccessDenied", hint: "cloudformation:DescribeStacks",
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			f := stacktest.New(t)
			if !c.absent {
				f.Make(web, first)
			}
			if c.prior != nil {
				c.prior(f)
			}
			s := open(t, f.URL, web)
			before, err := s.Snapshot(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if c.during != nil {
				c.during(f)
				if !c.going {
					f.Drain(web)
				}
			}
			mark, err := s.LastEvent(ctx, before, true)
			if err != nil {
				t.Fatal(err)
			}
			if c.later != nil {
				c.later(f)
			}
			if c.script != nil {
				c.script(f)
			}
			report, err := s.Restore(
				ctx,
				stack.RestoreOptions{
					Before:    before,
					LastEvent: mark,
					Token:     "run-1",
					Starts:    c.attempts,
					Refused:   c.refused,
					Existed:   c.existed,
				},
			)
			if report.Action != c.action {
				t.Errorf("reports %s, want %s (%v)", report.Action, c.action, err)
			}
			switch {
			case err == nil && c.err != "":
				t.Errorf("no error, want %q", c.err)
			case err != nil && (c.err == "" || !strings.Contains(err.Error(), c.err)):
				t.Errorf("error is %v, want %q", err, c.err)
			case err != nil:
				var hinted interface{ Hint() string }
				if !errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), c.hint) {
					t.Errorf("hint of %v is not %q", err, c.hint)
				}
			}
			var asked []string
			for _, name := range []string{"RollbackStack", "ContinueUpdateRollback", "UpdateStack"} {
				for range f.Requests(name) {
					asked = append(asked, name)
				}
			}
			if !slices.Equal(asked, c.requests) {
				t.Errorf("asked for %v, want %v", asked, c.requests)
			}
			if report.Proven != c.back {
				t.Errorf("proven is %v, want %v: %+v", report.Proven, c.back, report)
			}
			if now, err := s.Snapshot(ctx); c.back && (err != nil || len(before.Differences(now)) > 0) {
				t.Errorf("the stack differs in %v (%v)", before.Differences(now), err)
			}
			if password := f.Now(web).Parameters["Password"]; report.Action == record.Reapplied && password != "two" {
				t.Errorf("a hidden value was changed to %q", password)
			}
			if c.check != nil && !c.check(report) {
				t.Errorf("the report is %+v", report)
			}
		})
	}
}

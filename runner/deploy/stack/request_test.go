package stack_test

import (
	"context"
	"net/url"
	"slices"
	"testing"

	"github.com/carlin-cicd/runner/runner/deploy/stack"
	"github.com/carlin-cicd/runner/runner/deploy/stack/stacktest"
	"github.com/carlin-cicd/runner/runner/record"
)

// CloudFormation keeps what a request omits: tags are removed only if the list is present and empty.
func TestTheUpdateRequestContainsTheWholeSnapshot(t *testing.T) {
	f := stacktest.New(t)
	s, before := made(
		t,
		f,
		stacktest.Revision{
			Template: "Transform: AWS::Serverless-2016-10-31\nResources: { R: { Type: AWS::IAM::Role } }\n",
			Outputs:  second.Outputs,
		},
	)
	f.Pass("web", begun, step{Status: "UPDATE_COMPLETE", Revision: &second})
	f.On("UpdateStack", reapplies)
	report, err := s.Restore(
		t.Context(),
		stack.RestoreOptions{Before: before, Token: "run-1", LastEvent: mark(t, s, before)},
	)
	if err != nil || report.Action != record.Reapplied || !report.Proven {
		t.Fatalf("%+v, %v", report, err)
	}
	form := f.Requests("UpdateStack")[0]
	for name, want := range map[string]string{
		"Tags": "", "NotificationARNs.member.1": stacktest.Topic, "RoleARN": stacktest.Role, "StackName": f.Now("web").ID,
		"Capabilities.member.1": "CAPABILITY_IAM", "Capabilities.member.2": "CAPABILITY_AUTO_EXPAND", "ClientRequestToken": "run-1-reapplied",
	} {
		if !form.Has(name) || form.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, form.Get(name), want)
		}
	}
}

func mark(t *testing.T, s *stack.Stack, before stack.Snapshot) string {
	t.Helper()
	last, err := s.LastEvent(t.Context(), before, false)
	if err != nil {
		t.Fatal(err)
	}
	return last
}

func TestARequestWhoseResponseWasLostIsNotRepeated(t *testing.T) {
	f := stacktest.New(t)
	s, before := made(t, f, first)
	f.Pass("web", begun, step{Status: "UPDATE_COMPLETE", Revision: &second})
	last := mark(t, s, before)
	ours := begun
	ours.Token = "run-1-reapplied"
	f.Pass("web", ours, step{Status: "UPDATE_COMPLETE", Revision: &first})
	f.Fail("UpdateStack", "TokenAlreadyExistsException")
	report, err := s.Restore(t.Context(), stack.RestoreOptions{Before: before, LastEvent: last, Token: "run-1"})
	if err != nil || !report.Proven {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestTransientFailuresOfDescribeStacksAreRepeated(t *testing.T) {
	f := stacktest.New(t)
	f.Make("web", first)
	s := open(t, f.URL, "web")
	var troubles int
	s.OnRetry = func(error) { troubles++ }
	f.Pass("web", begun, step{Status: "UPDATE_COMPLETE"})
	f.Fail("DescribeStacks", "Throttling", "ServiceUnavailable", "InternalFailure")
	var busy []string
	state, err := s.WaitUntilIdle(t.Context(), func(s stack.State) { busy = append(busy, s.Status) })
	if err != nil || state.Status != "UPDATE_COMPLETE" || troubles != 3 {
		t.Errorf("%s, %d troubles, %v", state.Status, troubles, err)
	}
	f.Pass(
		"web",
		begun,
		step{Status: "UPDATE_IN_PROGRESS"},
		step{Status: "UPDATE_IN_PROGRESS"},
		step{Status: "UPDATE_COMPLETE"},
	)
	if _, err := s.WaitUntilIdle(t.Context(), func(s stack.State) { busy = append(busy, s.Status) }); err != nil ||
		!slices.Equal(busy, []string{"UPDATE_IN_PROGRESS"}) {
		t.Errorf("called with %v, %v", busy, err)
	}
	f.Fail("DescribeStacks", "ValidationError")
	if _, err := s.WaitUntilIdle(t.Context(), nil); err == nil {
		t.Error("a permanent failure is repeated")
	}
}

func TestARestorationSurvivesAnOutage(t *testing.T) {
	f := stacktest.New(t)
	s, before := made(t, f, first)
	f.Pass("web", begun, step{Status: "UPDATE_COMPLETE", Revision: &second})
	f.Fail("DescribeStackEvents", "Throttling", "ServiceUnavailable")
	last := mark(t, s, before)
	f.On("UpdateStack", reapplies)
	f.Fail("DescribeStackEvents", "ServiceUnavailable")
	f.Fail("GetTemplate", "ServiceUnavailable", "Throttling")
	f.Fail("UpdateStack", "ServiceUnavailable", "Throttling")
	report, err := s.Restore(t.Context(), stack.RestoreOptions{Before: before, LastEvent: last, Token: "run-1"})
	if err != nil || report.Action != record.Reapplied || !report.Proven {
		t.Errorf("%+v, %v", report, err)
	}
	if n := len(f.Requests("UpdateStack")); n != 3 {
		t.Errorf("it was requested %d times", n)
	}
}

func TestAChangeSetThatWasNeverExecutedIsNoStack(t *testing.T) {
	f := stacktest.New(t)
	f.Begin("web", first, step{Status: "REVIEW_IN_PROGRESS", Reason: "User Initiated"})
	s := open(t, f.URL, "web")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	state, err := s.WaitUntilIdle(ctx, func(stack.State) { cancel() }) // a wait for it would never end
	if err != nil || !state.Missing() {
		t.Errorf("%s, %v", state.Status, err)
	}
	if before, err := s.Snapshot(t.Context()); err != nil || !before.Missing() || before.Template != "" {
		t.Errorf("%+v, %v", before, err)
	}
}

func TestAManualRollbackContinuesAStuckRollback(t *testing.T) {
	f := stacktest.New(t)
	f.Make("web", first)
	s := open(t, f.URL, "web")
	f.Pass("web", begun, step{Status: "UPDATE_ROLLBACK_FAILED"})
	before, err := s.Snapshot(t.Context()) // of a deploy that could not begin an update
	if err != nil {
		t.Fatal(err)
	}
	f.On("ContinueUpdateRollback", func(*stacktest.Stack, url.Values) []step {
		return []step{
			{Status: "UPDATE_ROLLBACK_IN_PROGRESS", Reason: "User Initiated"},
			{Status: "UPDATE_ROLLBACK_COMPLETE"},
		}
	})
	report, err := s.Restore(t.Context(), stack.RestoreOptions{Before: before, OverOthers: true, Token: "run-1"})
	if err != nil || report.Action != record.Continued || !report.Proven {
		t.Errorf("%+v, %v", report, err)
	}
}

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
	"github.com/aws/smithy-go"

	"github.com/carlin-cicd/runner/infra"
	"github.com/carlin-cicd/runner/runner/deploy/stack"
)

// In each state that a stack can be left in, by us or by another operator, deploy, check and destroy do what is right for it
// and say what it is.
func TestStatesOfAStack(t *testing.T) {
	for _, c := range []struct {
		status, next string
		action       Action // of the plan
		because      string
		refuses      string // the plan
		advice       string
		check        string
		notes        string // while it is deleted
		kept         string
	}{
		{
			status: "ROLLBACK_COMPLETE", action: Recreate, because: "its first creation failed: ROLLBACK_COMPLETE",
			check: "environment staging cannot be updated: its first create failed",
		},
		{
			status: "REVIEW_IN_PROGRESS", action: Create, because: "there is only a change set of the name, which was never executed and is deleted",
			check: "environment staging has no stack ci-staging", kept: "stack ci-staging, of which there is nothing but a change set",
		},
		{
			status: "UPDATE_ROLLBACK_FAILED", refuses: "stack ci-staging cannot be updated: its last rollback is stuck",
			advice: "aws cloudformation continue-update-rollback --stack-name ci-staging",
			check:  "environment staging cannot be updated: its last rollback is stuck",
		},
		{
			status: "DELETE_FAILED", refuses: "stack ci-staging cannot be updated: it was only partly deleted",
			advice: "delete what is left: aws cloudformation delete-stack --stack-name ci-staging",
			check:  "environment staging cannot be updated: it was only partly deleted",
		},
		{
			status: "UPDATE_IN_PROGRESS", next: "UPDATE_COMPLETE", action: Later, because: "what it is connected to is made on the way",
			check: "stack ci-staging is UPDATE_IN_PROGRESS", notes: "waiting for stack ci-staging, which is UPDATE_IN_PROGRESS",
		},
		{
			status: "UPDATE_ROLLBACK_IN_PROGRESS", next: "UPDATE_ROLLBACK_COMPLETE", action: Later, because: "what it is connected to is made on the way",
			check: "stack ci-staging is UPDATE_ROLLBACK_IN_PROGRESS", notes: "waiting for stack ci-staging, which is UPDATE_ROLLBACK_IN_PROGRESS",
		},
	} {
		t.Run(c.status, func(t *testing.T) {
			t.Parallel()
			f := ownedAWS(t)
			delete(f.stacks, "ci-qa")
			d := f.inspect(t).Deployment
			var notes []string
			d.Note = func(line string) { notes = append(notes, line) }
			set := func() { f.stacks["ci-staging"].status, f.stacks["ci-staging"].next = c.status, c.next }
			set()
			parts, err := d.parts(facts{})
			if err != nil {
				t.Fatal(err)
			}
			planned, _, err := d.planPart(t.Context(), parts[2], nil)
			var refused *Error
			switch {
			case c.refuses != "" && (!errors.As(err, &refused) || refused.Message != c.refuses || !strings.Contains(refused.Advice, c.advice)):
				t.Errorf("deploy: %v", err)
			case c.refuses == "" && (err != nil || planned.Action != c.action || planned.Because != c.because):
				t.Errorf("deploy: %+v %v", planned, err)
			case c.next != "" && !slices.Contains(notes, c.notes):
				t.Errorf("deploy does not say what it waits for: %q", notes)
			}

			bad, _ := f.run(t, func(*Inspection) { set(); f.stacks["ci-staging"].next = "" })
			if len(bad) != 1 || !strings.HasPrefix(bad[0].Problem, c.check) || bad[0].Advice == "" {
				t.Errorf("check: %+v", bad)
			}

			set()
			notes = nil
			d.Account.Note = d.Note
			f.stacks["ci-staging"].next = "" // until the removal is planned
			r, err := d.Removal(t.Context(), false)
			if err != nil {
				t.Fatal(err)
			}
			if c.kept != "" {
				if !strings.Contains(strings.Join(r.Kept, "\n"), c.kept) || slices.Contains(r.Stacks, "ci-staging") {
					t.Errorf("destroy: %v %v", r.Stacks, r.Kept)
				}
				return
			}
			set()
			if err := d.Destroy(t.Context(), r); err != nil || f.stacks["ci-staging"] != nil || f.stacks["ci"] != nil {
				t.Errorf("destroy: %v", err)
			}
			if c.next != "" && !slices.Contains(notes, c.notes) {
				t.Errorf("destroy does not say what it waits for: %q", notes)
			}
		})
	}
}

// A stack that cannot be deleted ends the removal, with what is left of it.
func TestAStackThatCannotBeDeletedIsSaid(t *testing.T) {
	f := ownedAWS(t)
	f.stacks["ci-staging"].stuck = true
	d := f.inspect(t).Deployment
	r, err := d.Removal(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	err = d.Destroy(t.Context(), r)
	if err == nil || !strings.HasPrefix(err.Error(), "the deletion of stack ci-staging ended as DELETE_FAILED") || f.stacks["ci"] == nil {
		t.Error(err)
	}
}

// An older runner does not put its templates over those of a newer one, unless --downgrade is set.
func TestADeploymentDoesNotGoBackByItself(t *testing.T) {
	f := ownedAWS(t)
	d := f.inspect(t).Deployment
	f.stacks["ci-base"].outputs = with(f.stacks["ci-base"].outputs, versionOutput, "0.10.0")
	f.stacks["ci-base"].template += "# newer\n"
	f.xml["CreateChangeSet"], f.xml["DescribeChangeSet"] = "<Id>arn:set</Id>", "<Status>CREATE_COMPLETE</Status>"
	parts, err := d.parts(facts{})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = d.planPart(t.Context(), parts[0], nil)
	var refused *Error
	if !errors.As(err, &refused) || refused.Message != "stack ci-base is of runner 0.10.0, which is newer than this one, "+infra.Version() ||
		refused.Advice != "use runner 0.10.0; to go back nevertheless: runner cluster deploy --downgrade" {
		t.Errorf("%v", err)
	}
	d.Downgrade = true
	if planned, _, err := d.planPart(t.Context(), parts[0], nil); err != nil || planned.Action != Update {
		t.Errorf("%+v %v", planned, err)
	}
}

// silentAccount is an account whose CloudFormation answers as the test says.
func silentAccount(t *testing.T, handler http.HandlerFunc) *Account {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	config := aws.Config{
		Region: "eu-west-1", BaseEndpoint: &server.URL, RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
	}
	return &Account{Region: "eu-west-1", Poll: time.Millisecond, Patience: 40 * time.Millisecond, config: config, stacks: cloudformation.NewFromConfig(config)}
}

// CloudFormation that stops answering is said, not at each request, and ends the command at last, with what the stack was.
func TestACloudFormationThatDoesNotAnswerIsSaidAndEndsTheCommand(t *testing.T) {
	for name, c := range map[string]struct {
		status     int
		code, says string
	}{
		"a fault":       {500, "InternalFailure", "InternalFailure"},
		"no service":    {503, "ServiceUnavailable", "ServiceUnavailable"},
		"too many asks": {400, "Throttling", "Throttling"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			a := silentAccount(t, func(w http.ResponseWriter, r *http.Request) {
				_ = r.ParseForm()
				if r.Form.Get("Action") == "DescribeStacks" {
					asked++
				}
				if asked > 1 {
					w.WriteHeader(c.status)
					fmt.Fprintf(w, "<ErrorResponse><Error><Code>%s</Code><Message>later</Message></Error></ErrorResponse>", c.code)
					return
				}
				s := &fakeStack{status: "UPDATE_IN_PROGRESS"}
				fmt.Fprintf(w, "<%[1]sResponse><%[1]sResult>%[2]s</%[1]sResult></%[1]sResponse>", r.Form.Get("Action"), s.xml("ci"))
			})
			var notes []string
			a.Note = func(line string) { notes = append(notes, line) }
			_, _, err := a.follow(t.Context(), "ci", stack.Snapshot{ID: "arn:ci"}, func(stack.Event) {})
			var failed *Error
			const want = "CloudFormation has not answered for 40ms, so the state of stack ci is not known; it was UPDATE_IN_PROGRESS when last seen, " +
				"and CloudFormation goes on with it"
			if !errors.As(err, &failed) || failed.Message != want || !strings.Contains(failed.Advice, "describe-stacks --stack-name ci") ||
				!strings.Contains(err.Error(), c.says) {
				t.Errorf("%v", err)
			}
			if asked < 3 || len(notes) != 1 || !strings.Contains(notes[0], "trying again for up to 40ms") {
				t.Errorf("%d requests, and the lines are %q", asked, notes)
			}
		})
	}
}

// What a failed request is said to have left is what it did leave: no stack that was not made is looked at.
func TestTheAdviceOnARequestFollowsWhatItDid(t *testing.T) {
	refusal := &smithy.GenericAPIError{Code: "ValidationError", Message: "no", Fault: smithy.FaultClient}
	for _, c := range []struct {
		action string
		err    error
		want   string
	}{
		{"cloudformation:CreateStack", refusal, "stack ci was not made: correct what AWS says, and run the command again"},
		{"cloudformation:ExecuteChangeSet", refusal, "stack ci is as it was: correct what AWS says, and run the command again"},
		{"cloudformation:DeleteStack", refusal, "stack ci was not deleted: correct what AWS says, and run the command again"},
		{"ecr:DeleteRepository", refusal, "correct what AWS says, and run the command again"},
		{
			"cloudformation:CreateStack", &smithy.GenericAPIError{Code: "Throttling", Message: "no"},
			"run the command again in a minute: AWS did not do it now; whether it was carried out is not known: " +
				"aws cloudformation describe-stacks --stack-name ci shows it, and the same command goes on from there",
		},
		{
			"cloudformation:CreateStack", errors.New("connection reset"),
			"check that the network lets this machine reach AWS; whether it was carried out is not known: " +
				"aws cloudformation describe-stacks --stack-name ci shows it, and the same command goes on from there",
		},
		{"sts:GetCallerIdentity", errors.New("connection reset"), "check that the network lets this machine reach AWS"},
	} {
		var failed *Error
		if err := requestError(t.Context(), c.action, "ci", c.err); !errors.As(err, &failed) || failed.Advice != c.want {
			t.Errorf("%s, %v: %s", c.action, c.err, failed.Advice)
		}
	}
}

package stack_test

import (
	"testing"

	"github.com/carlin-cicd/runner/runner/deploy/stack"
)

func TestTheRefusalOfABusyStackIsDetectedInAnyToolsOutput(t *testing.T) {
	const arn = "arn:aws:cloudformation:eu-central-1:123456789012:stack/web/0d3f"
	for text, want := range map[string]bool{
		"An error occurred (ValidationError) when calling the UpdateStack operation: Stack:" + arn + " is in UPDATE_IN_PROGRESS state and can not be updated.\n": true,
		`ERR! cloudformation Error message: "Stack:` + arn + ` is in UPDATE_COMPLETE_CLEANUP_IN_PROGRESS state and can not be updated."`:                         true,
		"first\nStack:" + arn + " is in UPDATE_ROLLBACK_IN_PROGRESS state and can not be updated.\nlast\n":                                                       true,
		"Stack:" + arn + " is in ROLLBACK_COMPLETE state and can not be updated.\n":                                                                              false,
		"Stack:arn:aws:cloudformation:eu-central-1:123456789012:stack/web-2/0d3f is in UPDATE_IN_PROGRESS state\n":                                               false,
		"stack/web/0d3f\nis in UPDATE_IN_PROGRESS state\n":                                                                                                       false,
		"": false,
	} {
		whole, bytewise := stack.NewRefusalDetector("web"), stack.NewRefusalDetector("web")
		_, _ = whole.Write([]byte(text))
		for i := range len(text) {
			_, _ = bytewise.Write([]byte(text[i : i+1]))
		}
		if whole.Seen() != want || bytewise.Seen() != want {
			t.Errorf("%q: %v and %v, want %v", text, whole.Seen(), bytewise.Seen(), want)
		}
	}
}

func TestASnapshotSaysWhyAStackCannotBeUpdatedAndWhatToDo(t *testing.T) {
	const id = "arn:aws:cloudformation:eu-central-1:123456789012:stack/web/0d3f"
	for status, want := range map[string][2]string{
		"CREATE_COMPLETE":          {},
		"UPDATE_ROLLBACK_COMPLETE": {},
		stack.Absent:               {},
		"REVIEW_IN_PROGRESS":       {"it has a change set that was never executed, and nothing else", "execute the change set, or delete the stack: aws cloudformation delete-stack --stack-name web"},
		"PONDERING":                {"its state is unknown to this version of the runner", "look at it in the console; if nothing helps there, delete the stack: aws cloudformation delete-stack --stack-name web"},
		"ROLLBACK_COMPLETE":        {"its first create failed", "delete it, and deploy again: aws cloudformation delete-stack --stack-name web"},
		"DELETE_FAILED":            {"it was only partly deleted", "delete what is left: aws cloudformation delete-stack --stack-name web"},
		"UPDATE_ROLLBACK_FAILED":   {"its last rollback is stuck", "repair the resources that failed, then: aws cloudformation continue-update-rollback --stack-name web"},
		"UPDATE_FAILED":            {"its last update failed and was not rolled back", "continue with --disable-rollback, or: aws cloudformation rollback-stack --stack-name web"},
	} {
		if why, advice := (stack.Snapshot{ID: id, Status: status}).Blocked("web"); why != want[0] || advice != want[1] {
			t.Errorf("%s: %q, %q", status, why, advice)
		}
	}
}

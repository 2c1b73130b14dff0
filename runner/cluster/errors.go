package cluster

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/carlin-cicd/runner/artifacts/credentials"
)

// Error reports something in the account that cannot be done, or is not there.
type Error struct {
	Message, Advice string
	Err             error // of AWS, or nil
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

func (e *Error) Unwrap() error { return e.Err }

// Hint returns the advice.
func (e *Error) Hint() string { return e.Advice }

// requestError explains a request that AWS refused or that did not arrive. The action is as a policy names it.
func requestError(ctx context.Context, action, subject string, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	message := action + " of " + subject + " failed"
	if hint := credentials.Hint(err); hint != "" {
		return &Error{Message: message, Advice: hint, Err: errors.New(credentials.Message(err))}
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		return &Error{
			Message: message, Advice: "check that the network lets this machine reach AWS" + unknownEffect(action, subject),
			Err: errors.New(credentials.Message(err)),
		}
	}
	e := &Error{Message: message, Err: errors.New(credentials.Message(err))}
	e.Advice = effect(action, subject) + "correct what AWS says, and run the command again"
	switch code := api.ErrorCode(); {
	case api.ErrorFault() == smithy.FaultServer || strings.Contains(code, "Throttl") || strings.Contains(code, "RequestLimit") || code == "ServiceUnavailable":
		e.Advice = "run the command again in a minute: AWS did not do it now" + unknownEffect(action, subject)
	case isDenied(code):
		e.Advice = "use credentials that may " + action + "; who deploys the cluster makes roles and needs the rights of an administrator"
	}
	return e
}

// effect says what a request that AWS refused has left as it was.
func effect(action, subject string) string {
	switch action {
	case "cloudformation:CreateStack":
		return "stack " + subject + " was not made: "
	case "cloudformation:CreateChangeSet", "cloudformation:ExecuteChangeSet":
		return "stack " + subject + " is as it was: "
	case "cloudformation:DeleteStack":
		return "stack " + subject + " was not deleted: "
	}
	return ""
}

// unknownEffect says how to find out whether a request was carried out whose answer is missing.
func unknownEffect(action, subject string) string {
	if effect(action, subject) == "" {
		return ""
	}
	return "; whether it was carried out is not known: aws cloudformation describe-stacks --stack-name " + subject +
		" shows it, and the same command goes on from there"
}

// isDenied reports whether an error code is about a missing permission.
func isDenied(code string) bool {
	return strings.HasPrefix(code, "AccessDenied") || strings.HasPrefix(code, "UnauthorizedOperation")
}

// says reports whether an error of AWS contains the words.
func says(err error, words string) bool {
	var api smithy.APIError
	return errors.As(err, &api) && strings.Contains(api.ErrorMessage(), words)
}

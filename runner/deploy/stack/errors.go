package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/aws/smithy-go"

	"github.com/carlin-cicd/runner/artifacts/credentials"
	"github.com/carlin-cicd/runner/runner/record"
)

// ServiceError says that CloudFormation refused a request, or could not be reached.
type ServiceError struct {
	Stack, Action string // the action as a policy names it
	Err           error
}

func (e *ServiceError) Error() string {
	operation := strings.TrimPrefix(e.Action, "cloudformation:")
	if message := e.Message(); message != "" {
		return fmt.Sprintf("%s of stack %s failed: %s", operation, e.Stack, message)
	}
	return fmt.Sprintf("%s of stack %s failed: %s", operation, e.Stack, credentials.Message(e.Err))
}

func (e *ServiceError) Unwrap() error { return e.Err }

// Denied reports whether a permission is missing.
func (e *ServiceError) Denied() bool { return strings.HasPrefix(errorCode(e.Err), "AccessDenied") }

// Message returns CloudFormation's answer as "code: message", or "" if there was none.
func (e *ServiceError) Message() string {
	var api smithy.APIError
	if errors.As(e.Err, &api) {
		return api.ErrorCode() + ": " + api.ErrorMessage()
	}
	return ""
}

// Hint says what to do about it.
func (e *ServiceError) Hint() string {
	switch code, hint := errorCode(e.Err), credentials.Hint(e.Err); {
	case hint != "":
		return hint
	case e.Denied():
		return fmt.Sprintf("allow the role of this task %s on stack %s, and what the resources need", e.Action, e.Stack)
	case code == "":
		return "check that there are credentials and a region, and that the network lets this machine reach CloudFormation"
	default:
		return "look at the events of stack " + e.Stack + " in the console"
	}
}

// NoAnswerError says that requests for the state of a stack failed for too long.
type NoAnswerError struct {
	After time.Duration
	Err   error // the last one, a *ServiceError
}

func (e *NoAnswerError) Error() string {
	return fmt.Sprintf("no answer of CloudFormation for %s: %v", e.After, e.Err)
}

func (e *NoAnswerError) Unwrap() error { return e.Err }

// RestoreError says that a stack was not restored, and why.
type RestoreError struct {
	Stack, Message, Advice string
	Action                 record.Action
	Err                    error
}

func (e *RestoreError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("stack %s %s: %v", e.Stack, e.Message, e.Err)
	}
	return fmt.Sprintf("stack %s %s", e.Stack, e.Message)
}

func (e *RestoreError) Unwrap() error { return e.Err }

// Hint says what is left for a person to do.
func (e *RestoreError) Hint() string { return e.Advice }

// serviceError returns the cause if the context ended, else a *ServiceError.
func (s *Stack) serviceError(ctx context.Context, action string, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return &ServiceError{Stack: s.Name, Action: action, Err: err}
}

func errorCode(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// isValidationError reports whether CloudFormation answered with a ValidationError that contains the words. It has no
// other code for what it refuses.
func isValidationError(err error, words string) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == "ValidationError" && strings.Contains(api.ErrorMessage(), words)
}

func isAbsent(err error) bool { return isValidationError(err, "does not exist") }

// isTransient reports whether a repeated request may succeed: after throttling, and after faults of the service or the
// network.
func isTransient(err error) bool {
	var e *ServiceError
	if !errors.As(err, &e) {
		return false
	}
	var status interface{ HTTPStatusCode() int }
	var network net.Error
	var unsigned *credentials.Error
	var api smithy.APIError
	switch {
	case errors.As(e.Err, &unsigned):
		return unsigned.RetryableError()
	case errors.As(e.Err, &status) && status.HTTPStatusCode() >= 500:
		return true
	case errors.As(e.Err, &api):
		return api.ErrorFault() == smithy.FaultServer || strings.Contains(api.ErrorCode(), "Throttl")
	}
	return errors.As(e.Err, &network)
}

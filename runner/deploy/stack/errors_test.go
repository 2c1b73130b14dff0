package stack

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"testing"

	"github.com/aws/smithy-go"

	"github.com/carlin-cicd/runner/artifacts/credentials"
)

// A login that has expired does not come back by itself, so that a step must not wait for it; its error is one of a
// file, which has a method Timeout as errors of the network do.
func TestErrorsThatMayPass(t *testing.T) {
	login := &fs.PathError{Op: "open", Path: "sso/cache/token.json", Err: fs.ErrNotExist}
	for name, c := range map[string]struct {
		err       error
		transient bool
	}{
		"a file that is missing": {login, false},
		"no host":                {&net.OpError{Op: "dial", Err: errors.New("no route to host")}, true},
		"throttling":             {&smithy.GenericAPIError{Code: "Throttling"}, true},
		"a refusal":              {&smithy.GenericAPIError{Code: "AccessDenied"}, false},
	} {
		if got := isTransient(&ServiceError{Stack: "web", Action: "cloudformation:DescribeStacks", Err: c.err}); got != c.transient {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestMissingCredentialsHaveAdviceOfTheirOwn(t *testing.T) {
	_, err := credentials.Explain(nil).Retrieve(t.Context())
	e := &ServiceError{
		Stack: "web", Action: "cloudformation:DescribeStacks",
		Err: &smithy.OperationError{ServiceID: "CloudFormation", OperationName: "DescribeStacks", Err: fmt.Errorf("get identity: %w", err)},
	}
	if e.Error() != "DescribeStacks of stack web failed: no credentials are configured" || isTransient(e) ||
		!strings.HasPrefix(e.Hint(), "give the task a role") {
		t.Errorf("%v\nhint: %s", e, e.Hint())
	}
}

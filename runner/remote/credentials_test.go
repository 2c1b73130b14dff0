package remote

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/carlin-cicd/runner/artifacts/credentials"
)

// Without credentials no network is at fault: the advice is about them.
func TestWithoutCredentialsTheAdviceIsAboutThem(t *testing.T) {
	config := aws.Config{Region: "eu-west-1", Credentials: credentials.Explain(nil)}
	_, inCluster := FindCluster(t.Context(), config, "ci")
	_, ofCaller := CallerARN(t.Context(), config)
	for _, err := range []error{inCluster, ofCaller} {
		var e *Error
		if !errors.As(err, &e) || !strings.HasPrefix(e.Advice, "give the task a role, or set AWS_PROFILE") {
			t.Fatalf("%v: %#v", err, e)
		}
		if text := e.Error(); !strings.HasSuffix(text, ": no AWS credentials: no credentials are configured") || strings.Contains(text, "operation error") {
			t.Error(text)
		}
	}
}

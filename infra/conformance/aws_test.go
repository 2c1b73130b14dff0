//go:build aws

package conformance

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
)

// TestAWS runs the suite in an account: make test-aws ACCOUNT=… REGION=… REPOSITORY=…
func TestAWS(t *testing.T) {
	c, err := config.LoadDefaultConfig(t.Context(), config.WithRegion(os.Getenv("REGION")))
	if err != nil {
		t.Fatal(err)
	}
	suite := &Suite{
		Account: os.Getenv("ACCOUNT"), Runner: os.Getenv("RUNNER"), Zip: os.Getenv("WEBHOOK_ZIP"), Repository: os.Getenv("REPOSITORY"),
		Second: os.Getenv("SECOND"),
		Folder: os.Getenv("CHECKOUT"), Recordings: "testdata/aws", Log: os.Stdout, Config: c,
		Environ: []string{"AWS_REGION=" + os.Getenv("REGION")},
	}
	ctx, stop := UntilInterrupted(t.Context())
	defer stop()
	if deadline, limited := t.Deadline(); limited { // it leaves time to take everything down
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-tearDownTimeout-time.Minute))
		defer cancel()
	}
	if err := suite.Run(ctx); err != nil {
		t.Fatal(err)
	}
}

//go:build aws

package conformance

import (
	"os"
	"testing"

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
		Folder: os.Getenv("CHECKOUT"), Recordings: "testdata/aws", Log: os.Stdout, Config: c,
		Environ: []string{"AWS_REGION=" + os.Getenv("REGION")},
	}
	if err := suite.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

package awstest

import (
	"net/http"
	"os"
	"testing"
)

func TestTheServerAnswersAndTheEnvironmentPointsToIt(t *testing.T) {
	aws := Moto(t)
	if got := os.Getenv("AWS_ENDPOINT_URL"); got != aws.Endpoint {
		t.Errorf("AWS_ENDPOINT_URL is %q, not %q", got, aws.Endpoint)
	}
	answer, err := http.Get(aws.Endpoint + "/moto-api/data.json")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("it answers %s", answer.Status)
	}
	if Moto(t) != aws {
		t.Error("a second server was started")
	}
}

//go:build container

package image

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/infra/ecs"
	"github.com/carlin-cicd/runner/runner/awstest"
)

func (c *chain) newQueue(t *testing.T, name string) (url string) {
	t.Helper()
	var made struct {
		QueueURL string `json:"QueueUrl"`
	}
	c.call(t, "sqs", "AmazonSQS.CreateQueue", map[string]any{"QueueName": name}, &made)
	return made.QueueURL
}

// receive takes the next message out of a queue.
func (c *chain) receive(t *testing.T, queue string) string {
	t.Helper()
	var received struct {
		Messages []struct{ Body, ReceiptHandle string }
	}
	for deadline := time.Now().Add(time.Minute); len(received.Messages) == 0; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("nothing comes into %s", queue)
		}
		c.call(t, "sqs", "AmazonSQS.ReceiveMessage", map[string]any{"QueueUrl": queue}, &received)
	}
	message := received.Messages[0]
	c.call(
		t,
		"sqs",
		"AmazonSQS.DeleteMessage",
		map[string]any{"QueueUrl": queue, "ReceiptHandle": message.ReceiptHandle},
		nil,
	)
	return message.Body
}

// call speaks AWS's JSON protocol.
func (c *chain) call(t *testing.T, service, target string, input, output any) {
	t.Helper()
	if err := c.ask(service, target, input, output); err != nil {
		t.Fatal(err)
	}
}

// ask is call without a test.
func (c *chain) ask(service, target string, input, output any) error {
	body, err := json.Marshal(input)
	if err != nil {
		return err
	}
	request, err := http.NewRequest(http.MethodPost, c.cloud.Endpoint, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("X-Amz-Target", target)
	request.Header.Set("Content-Type", "application/x-amz-json-1.0")
	text, err := answerOf(request, service)
	if err != nil {
		return fmt.Errorf("%s: %w", target, err)
	}
	if output == nil {
		return nil
	}
	return json.Unmarshal(text, output)
}

// answerOf sends a request with a signature that moto reads and does not verify.
func answerOf(request *http.Request, service string) ([]byte, error) {
	request.Header.Set(
		"Authorization",
		"AWS4-HMAC-SHA256 Credential=x/20260101/"+awstest.Region+"/"+service+"/aws4_request, SignedHeaders=host, Signature=x",
	)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", answer.Status, text)
	}
	return text, err
}

// refusal is something that a role was not allowed to do.
type refusal struct {
	Role, Action, Resource string
	Context                map[string]any
}

func refusals(t *testing.T, cloud *ecs.Server) (all []refusal) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, cloud.Endpoint+"/ecs/denied", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return all
}

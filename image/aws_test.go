//go:build container

package image

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

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
	body, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	request, _ := http.NewRequestWithContext(
		context.WithoutCancel(t.Context()),
		http.MethodPost,
		c.cloud.Endpoint,
		bytes.NewReader(body),
	)
	request.Header.Set("X-Amz-Target", target)
	request.Header.Set("Content-Type", "application/x-amz-json-1.0")
	request.Header.Set(
		"Authorization",
		"AWS4-HMAC-SHA256 Credential=x/20260101/"+awstest.Region+"/"+service+"/aws4_request, SignedHeaders=host, Signature=x",
	)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v %s", target, answer.Status, err, text)
	}
	if output != nil {
		if err := json.Unmarshal(text, output); err != nil {
			t.Fatal(err)
		}
	}
}

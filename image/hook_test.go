//go:build container

package image

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// send lets GitHub send an event of a recorded payload, with the words in it replaced. It returns the message that
// starts the machine.
func (c *chain) send(t *testing.T, event, payload string, replace ...string) string {
	t.Helper()
	recorded, err := os.ReadFile(filepath.Join(top(t), "cmd/webhook/testdata", payload))
	if err != nil {
		t.Fatal(err)
	}
	body := strings.NewReplacer(append(replace, "Codertocat/Hello-World", c.repository)...).Replace(string(recorded))
	mac := hmac.New(sha256.New, []byte(c.hookKey))
	mac.Write([]byte(body))
	delivery := "72d3162e-cc78-11e3-81ab-" + replace[1][:12]
	request := map[string]any{
		"version": "2.0", "rawPath": "/", "body": body,
		"headers": map[string]string{
			"content-type": "application/json", "x-github-event": event, "x-github-delivery": delivery,
			"x-hub-signature-256": "sha256=" + hex.EncodeToString(mac.Sum(nil)),
		},
		"requestContext": map[string]any{"http": map[string]string{"method": "POST"}},
	}
	answer := c.hook.invoke(t, request)
	// On a slow machine moto takes longer than the function waits: it says to redeliver.
	for deadline := time.Now().Add(3 * time.Minute); strings.Contains(answer, `"statusCode":50`) && time.Now().Before(deadline); {
		time.Sleep(time.Second)
		answer = c.hook.invoke(t, request)
	}
	if !strings.Contains(answer, `"statusCode":202`) {
		t.Fatalf("the webhook answers %s", answer)
	}
	for { // one that moto was slow to answer may have come twice, that of an earlier delivery too
		if message := c.receive(t, c.started); strings.Contains(message, delivery) {
			return message
		}
	}
}

// makeWebhook makes the webhook's zip, and the program in it, for the processor that the function has.
func makeWebhook(t *testing.T) (zip string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "make", "webhook")
	c.Dir = top(t)
	if said, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	return filepath.Join(top(t), "bin/webhook.zip")
}

// function is the Lambda's process, with Lambda's runtime API before it.
type function struct {
	requests chan []byte
	answers  chan string
	ended    chan error
	said     bytes.Buffer
}

func startFunction(t *testing.T, environment []string, command ...string) *function {
	t.Helper()
	f := &function{requests: make(chan []byte), answers: make(chan string), ended: make(chan error, 1)}
	serving, stop := context.WithCancel(context.Background())
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, r *http.Request) {
		select {
		case body := <-f.requests:
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", fmt.Sprint(time.Now().UnixNano()))
			w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(time.Minute).UnixMilli()))
			w.Write(body)
		case <-serving.Done():
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/{kind}", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted)
		select {
		case f.answers <- string(body):
		case <-serving.Done():
		}
	})
	server := httptest.NewServer(mux)
	c := exec.CommandContext(serving, command[0], command[1:]...)
	c.Env = append(
		environment,
		"AWS_LAMBDA_FUNCTION_NAME=hook",
		"PATH="+os.Getenv("PATH"),
		"AWS_LAMBDA_RUNTIME_API="+strings.TrimPrefix(server.URL, "http://"),
	)
	c.Stdout, c.Stderr = &f.said, &f.said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { f.ended <- c.Wait() }()
	t.Cleanup(func() {
		stop()
		<-f.ended
		server.Close()
	})
	return f
}

// invoke calls the function's URL.
func (f *function) invoke(t *testing.T, request any) string {
	t.Helper()
	body, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	hang := time.After(2 * time.Minute)
	select {
	case f.requests <- body:
	case err := <-f.ended:
		f.ended <- err
		t.Fatalf("the function ended: %v: %s", err, f.said.String())
	case <-hang:
		t.Fatal("the function asks for nothing")
	}
	select {
	case answer := <-f.answers:
		return answer
	case err := <-f.ended:
		f.ended <- err
		t.Fatalf("the function ended: %v: %s", err, f.said.String())
	case <-hang:
		t.Fatal("the function answers nothing")
	}
	return ""
}

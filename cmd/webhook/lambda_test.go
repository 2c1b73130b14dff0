package main

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/carlin-cicd/runner/runner/awstest"
)

// The binary runs as in Lambda, from the zip, with moto as AWS: what GitHub sends arrives in a queue behind a rule like
// the pipeline's.
func TestZipRunsUnderTheRuntimeAPI(t *testing.T) {
	cloud := awstest.Moto(t)
	settings, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	secrets, bridge := secretsmanager.NewFromConfig(settings), eventbridge.NewFromConfig(settings)
	secret, err := secrets.CreateSecret(
		t.Context(),
		&secretsmanager.CreateSecretInput{Name: aws.String("hook"), SecretString: aws.String(testKey)},
	)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bridge.CreateEventBus(t.Context(), &eventbridge.CreateEventBusInput{Name: aws.String("ci")}); err != nil {
		t.Fatal(err)
	}
	queue := newQueue(t, cloud.Endpoint)
	if _, err := bridge.PutRule(t.Context(), &eventbridge.PutRuleInput{
		Name: aws.String("push"), EventBusName: aws.String("ci"),
		EventPattern: aws.String(`{"source":["ci.github"],"detail-type":["push"],"detail":{"repository":["Codertocat/Hello-World"],"ref":[{"prefix":"refs/heads/"}],"deleted":[false]}}`),
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := bridge.PutTargets(t.Context(), &eventbridge.PutTargetsInput{
		Rule: aws.String("push"), EventBusName: aws.String("ci"), Targets: []ebtypes.Target{{Id: aws.String("q"), Arn: aws.String(queue.arn)}},
	}); err != nil {
		t.Fatal(err)
	}

	runtime := startRuntime(t, unpack(t, packed(t, ".", os.Environ())), append(
		cloud.Environment(),
		"EVENT_BUS_NAME=ci",
		"WEBHOOK_SECRET_ARN="+*secret.ARN,
		"REPOSITORIES=Codertocat/Hello-World",
		"AWS_LAMBDA_FUNCTION_NAME=hook",
		"PATH="+os.Getenv("PATH"),
	))

	reply := runtime.invoke(t, signed("push", file(t, "push")))
	if reply.StatusCode != 202 || !strings.Contains(reply.Body, `"forwarded"`) {
		t.Fatalf("the answer is %d %s\n%s", reply.StatusCode, reply.Body, runtime.output.String())
	}
	var arrived struct {
		Source string `json:"source"`
		Type   string `json:"detail-type"`
		Detail push   `json:"detail"`
	}
	if err := json.Unmarshal(queue.receive(t), &arrived); err != nil {
		t.Fatal(err)
	}
	if arrived.Source != "ci.github" || arrived.Type != "push" || arrived.Detail.After != mainSHA ||
		arrived.Detail.Delivery != testDelivery {
		t.Errorf("in the queue is %+v", arrived)
	}

	forged := signed("push", file(t, "push"))
	forged.Headers["x-hub-signature-256"] = signature("another secret altogether", file(t, "push"))
	if reply := runtime.invoke(t, forged); reply.StatusCode != 401 {
		t.Errorf("a forged signature is answered %d %s", reply.StatusCode, reply.Body)
	}
	if reply := runtime.invoke(t, signed("push", file(t, "deletion"))); reply.StatusCode != 200 {
		t.Errorf("a deletion is answered %d %s", reply.StatusCode, reply.Body)
	}
	// The same process goes on after each of them.
	if reply := runtime.invoke(t, signed("pull_request", file(t, "pull_request_of_a_fork"))); reply.StatusCode != 202 {
		t.Errorf("a pull request is answered %d %s", reply.StatusCode, reply.Body)
	}
}

func TestMissingVariablesEndTheFunction(t *testing.T) {
	bootstrap := unpack(t, packed(t, ".", os.Environ()))
	for want, environment := range map[string][]string{
		"EVENT_BUS_NAME and WEBHOOK_SECRET_ARN must be set": {},
		"REPOSITORIES has": {"EVENT_BUS_NAME=ci", "WEBHOOK_SECRET_ARN=arn"},
	} {
		command := exec.CommandContext(t.Context(), bootstrap)
		command.Env = environment
		said, err := command.CombinedOutput()
		if err == nil || !strings.Contains(string(said), want) {
			t.Errorf("%v: %s", err, said)
		}
	}
}

// The zip depends on the sources alone, not on their folder.
func TestZipIsReproducible(t *testing.T) {
	environment := append(os.Environ(), "GOOS=linux", "GOARCH=arm64")
	here := packed(t, ".", environment)
	other := t.TempDir()
	for _, name := range []string{"go.mod", "go.sum", "cmd/webhook", "runner/telemetry", "artifacts/keys", "artifacts/retry"} {
		copyTree(t, filepath.Join("..", "..", name), filepath.Join(other, name))
	}
	templates, err := filepath.Glob("../../infra/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(templates, "../../infra/embed.go") { // the version is theirs
		copyTree(t, name, filepath.Join(other, "infra", filepath.Base(name)))
	}
	there := packed(t, filepath.Join(other, "cmd", "webhook"), environment)
	one, err := os.ReadFile(here)
	if err != nil {
		t.Fatal(err)
	}
	two, err := os.ReadFile(there)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := sha256.Sum256(one), sha256.Sum256(two); a != b {
		t.Errorf("the zips differ: %x and %x", a, b)
	}
	archive, err := zip.NewReader(bytes.NewReader(one), int64(len(one)))
	if err != nil {
		t.Fatal(err)
	}
	if len(archive.File) != 1 || archive.File[0].Name != "bootstrap" || archive.File[0].Mode() != 0o755 {
		t.Errorf("in the zip is %+v", archive.File)
	}
}

// packed builds the zip as make webhook does.
func packed(t *testing.T, dir string, environment []string) string {
	t.Helper()
	out := t.TempDir()
	binary, archive := filepath.Join(out, "bootstrap"), filepath.Join(out, "webhook.zip")
	for _, c := range []struct {
		environment []string
		arguments   []string
	}{
		{environment, []string{"build", "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-o", binary, "."}},
		{os.Environ(), []string{"run", "./pack", binary, archive}},
	} {
		command := exec.CommandContext(t.Context(), "go", c.arguments...)
		command.Dir, command.Env = dir, append(c.environment, "CGO_ENABLED=0")
		if said, err := command.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v: %s", strings.Join(c.arguments, " "), err, said)
		}
	}
	return archive
}

func unpack(t *testing.T, archive string) string {
	t.Helper()
	z, err := zip.OpenReader(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	in, err := z.File[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	path := filepath.Join(t.TempDir(), z.File[0].Name)
	out, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, z.File[0].Mode())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if err := filepath.WalkDir(from, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return os.MkdirAll(filepath.Join(to, relative), 0o755)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(to, relative)), 0o755); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, relative), text, 0o644)
	}); err != nil {
		t.Fatal(err)
	}
}

// runtimeAPI is the Lambda runtime API: the function's process asks for the next invocation and posts its answer.
type runtimeAPI struct {
	requests chan []byte
	answers  chan invocation
	output   bytes.Buffer
	ended    chan error
}

type invocation struct {
	failed bool
	body   []byte
}

func startRuntime(t *testing.T, bootstrap string, environment []string) *runtimeAPI {
	t.Helper()
	r := &runtimeAPI{requests: make(chan []byte), answers: make(chan invocation), ended: make(chan error, 1)}
	serving, stop := context.WithCancel(context.Background())
	number := 0
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, q *http.Request) {
		select {
		case body := <-r.requests:
			number++
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", fmt.Sprintf("8476a536-e9f4-11e8-9739-%012d", number))
			w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(time.Minute).UnixMilli()))
			w.Header().Set(
				"Lambda-Runtime-Invoked-Function-Arn",
				"arn:aws:lambda:eu-central-1:123456789012:function:hook",
			)
			w.Write(body)
		case <-serving.Done():
		case <-q.Context().Done():
		}
	})
	take := func(failed bool) http.HandlerFunc {
		return func(w http.ResponseWriter, q *http.Request) {
			body, _ := io.ReadAll(q.Body)
			w.WriteHeader(http.StatusAccepted)
			select {
			case r.answers <- invocation{failed, body}:
			case <-serving.Done():
			}
		}
	}
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", take(false))
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", take(true))
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", take(true))
	server := httptest.NewServer(mux)

	command := exec.CommandContext(serving, bootstrap)
	command.Env = append(environment, "AWS_LAMBDA_RUNTIME_API="+strings.TrimPrefix(server.URL, "http://"))
	command.Stdout, command.Stderr = &r.output, &r.output
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { r.ended <- command.Wait() }()
	t.Cleanup(func() {
		stop()
		<-r.ended
		server.Close()
	})
	return r
}

func (r *runtimeAPI) invoke(t *testing.T, request events.LambdaFunctionURLRequest) events.LambdaFunctionURLResponse {
	t.Helper()
	body, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	hang := time.After(2 * time.Minute)
	var reply events.LambdaFunctionURLResponse
	select {
	case r.requests <- body:
	case err := <-r.ended:
		r.ended <- err
		t.Fatalf("the function ended: %v: %s", err, r.output.String())
	case <-hang:
		t.Fatal("the function does not ask for an invocation")
	}
	select {
	case answer := <-r.answers:
		if err := json.Unmarshal(answer.body, &reply); answer.failed || err != nil {
			t.Fatalf("the function answers %s (%v)", answer.body, err)
		}
	case err := <-r.ended:
		r.ended <- err
		t.Fatalf("the function ended: %v: %s", err, r.output.String())
	case <-hang:
		t.Fatal("the function does not answer")
	}
	return reply
}

// queue is an SQS queue. Two calls are not worth the dependency on its client.
type queue struct{ endpoint, url, arn string }

func newQueue(t *testing.T, endpoint string) queue {
	t.Helper()
	q := queue{endpoint: endpoint}
	var made struct {
		URL string `xml:"CreateQueueResult>QueueUrl"`
	}
	q.call(t, url.Values{"Action": {"CreateQueue"}, "QueueName": {"arrived"}}, &made)
	q.url = made.URL
	q.arn = "arn:aws:sqs:" + awstest.Region + ":123456789012:arrived"
	return q
}

func (q queue) receive(t *testing.T) []byte {
	t.Helper()
	var got struct {
		Bodies []string `xml:"ReceiveMessageResult>Message>Body"`
	}
	for range 600 {
		q.call(t, url.Values{"Action": {"ReceiveMessage"}, "QueueUrl": {q.url}}, &got)
		if len(got.Bodies) > 0 {
			return []byte(got.Bodies[0])
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("no message arrived in the queue")
	return nil
}

func (q queue) call(t *testing.T, form url.Values, out any) {
	t.Helper()
	form.Set("Version", "2012-11-05")
	r, err := http.NewRequestWithContext(t.Context(), "POST", q.endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set(
		"Authorization",
		"AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260101/"+awstest.Region+"/sqs/aws4_request, SignedHeaders=host, Signature=0",
	)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("the queue answers %s: %s (%v)", answer.Status, text, err)
	}
	if err := xml.Unmarshal(text, out); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}

package secrets

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/carlin-cicd/runner/runner/awsjson"
	"github.com/carlin-cicd/runner/steps/reference"
)

// refuse returns an error as the services send it.
func refuse(code, message string) (int, any) {
	return http.StatusBadRequest, object{"__type": code, "message": message}
}

// fake returns a resolver for a server whose responses to operations come from reply.
func fake(t testing.TB, reply func(operation string, input object) (int, any)) (*Resolver, *counter) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		service, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		signed := map[string]string{
			"secretsmanager": "/secretsmanager/aws4_request", "AmazonSSM": "/ssm/aws4_request",
		}[service]
		if signed == "" || !strings.Contains(r.Header.Get("Authorization"), signed) ||
			r.Header.Get("Content-Type") != "application/x-amz-json-1.1" {
			t.Errorf("a request that AWS would refuse: %v", r.Header)
		}
		var input object
		if err := json.NewDecoder(r.Body).Decode(&input); errors.Is(err, io.ErrUnexpectedEOF) {
			return // the client has cancelled the request
		} else if err != nil {
			t.Errorf("%s: %v", operation, err)
		}
		status, output := reply(operation, input)
		w.WriteHeader(status)
		if text, ok := output.(string); ok {
			_, _ = w.Write([]byte(text))
			return
		}
		_ = json.NewEncoder(w).Encode(output)
	}))
	t.Cleanup(server.Close)
	count := &counter{}
	return &Resolver{
		maxBackoff: time.Millisecond,
		LoadConfig: func(context.Context) (aws.Config, error) {
			return aws.Config{
				Region: "eu-west-1", BaseEndpoint: aws.String(server.URL), HTTPClient: count,
				Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "secret", ""),
			}, nil
		},
	}, count
}

// single is a response to GetSecretValue with the value "value of NAME".
func single(input object) (int, any) {
	return http.StatusOK, object{
		"Name":         input["SecretId"],
		"ARN":          "arn",
		"VersionId":    "1",
		"SecretString": fmt.Sprint("value of ", input["SecretId"]),
	}
}

// list returns the strings of a list in a request.
func list(input object, key string) []string {
	var found []string
	for _, v := range input[key].([]any) {
		found = append(found, v.(string))
	}
	return found
}

const user = "arn:aws:sts::123456789012:assumed-role/ci-task/abc"

func TestWithoutThePermissionForBatchesSecretsAreFetchedOneByOne(t *testing.T) {
	for name, refusal := range map[string]func() (int, any){
		"denied": func() (int, any) {
			return refuse(
				"AccessDeniedException",
				"User: "+user+" is not authorized to perform: secretsmanager:BatchGetSecretValue because no "+
					"identity-based policy allows the secretsmanager:BatchGetSecretValue action",
			)
		},
		"a service that does not know the operation": func() (int, any) {
			return refuse(
				"UnknownOperationException", "",
			)
		},
		"an emulator that does not know it": func() (int, any) { return http.StatusNotImplemented, "" },
	} {
		t.Run(name, func(t *testing.T) {
			r, count := fake(t, func(operation string, input object) (int, any) {
				if operation == "BatchGetSecretValue" {
					return refusal()
				}
				if input["VersionStage"] != "AWSCURRENT" {
					t.Errorf("the stage is not named: %v", input)
				}
				return single(input)
			})
			written, want := map[string]string{}, map[string]string{}
			for i := range maxBatch + 2 {
				written[fmt.Sprint("V", i)], want[fmt.Sprint("V", i)] = fmt.Sprint(
					"secretsmanager:s",
					i,
				), fmt.Sprint(
					"value of s",
					i,
				)
			}
			resolved, err := resolve(t, r, written)
			if got := values(resolved); err != nil || !maps.Equal(got, want) {
				t.Errorf("%q, %v", got, err)
			}
			if asked := count.take(); !maps.Equal(
				asked,
				map[string]int{"BatchGetSecretValue": 2, "GetSecretValue": maxBatch + 2},
			) {
				t.Errorf("asked for %v", asked)
			}
			if noted := len(resolved.Notes) == 1 && strings.Contains(
				resolved.Notes[0], batchSecret,
			); noted != (name == "denied") {
				t.Errorf("notes: %q", resolved.Notes)
			}
		})
	}
}

func TestAPartlyFailedBatchReturnsTheRest(t *testing.T) {
	r, count := fake(t, func(operation string, input object) (int, any) {
		switch {
		case operation == "BatchGetSecretValue":
			return http.StatusOK, object{
				"SecretValues": []object{
					{
						"Name":         "a",
						"ARN":          "arn:aws:secretsmanager:eu-west-1:1:secret:a-AAAAAA",
						"SecretString": "A",
						"VersionId":    "1",
					},
				},
				"Errors": []object{{"SecretId": "b", "ErrorCode": "AccessDeniedException", "Message": "no"}},
			}
		case input["SecretId"] == "b":
			return refuse(
				"AccessDeniedException",
				"User: "+user+" is not authorized to perform: secretsmanager:GetSecretValue on resource: b because "+
					"no identity-based policy allows the secretsmanager:GetSecretValue action",
			)
		}
		return single(input) // c, which the batch leaves out
	})
	resolved, err := resolve(
		t,
		r,
		map[string]string{"A": "secretsmanager:a", "B": "secretsmanager:b", "C": "secretsmanager:c"},
	)
	if got := values(resolved); !maps.Equal(got, map[string]string{"A": "A", "C": "value of c"}) {
		t.Errorf("%q", got)
	}
	f := problems(t, err)["B"]
	if f.Problem != "secretsmanager:GetSecretValue is denied on the secret b in "+
		"eu-west-1 to "+user+", because no identity-based policy allows the secretsmanager:GetSecretValue action" {
		t.Errorf("%s", f.Problem)
	}
	if f.Advice != "allow secretsmanager:GetSecretValue on arn:aws:secretsmanager:eu-west-1:*:secret:b-?????? to "+
		"the task role" ||
		f.Retryable() {
		t.Errorf("%s", f.Advice)
	}
	if asked := count.take(); !maps.Equal(asked, map[string]int{"BatchGetSecretValue": 1, "GetSecretValue": 2}) {
		t.Errorf("asked for %v", asked)
	}
}

func TestASecretIsDistinguishedFromSimilarNames(t *testing.T) {
	const arn = "arn:aws:secretsmanager:eu-west-1:1:secret:ci/npm"
	for _, c := range []struct {
		requested, arn, name string
		want                 bool
	}{
		{"ci/npm", arn + "-AbCdEf", "ci/npm", true},
		{arn + "-AbCdEf", arn + "-AbCdEf", "ci/npm", true},
		{arn, arn + "-AbCdEf", "ci/npm", true},
		{arn, arn + "-token-AbCdEf", "ci/npm-token", false},
		{arn, arn + "2-AbCdEf", "ci/npm2", false},
		{arn + "-AbCdEf", arn + "-GhIjKl", "ci/npm", false},
		{"npm", arn + "-AbCdEf", "ci/npm", false},
		{"", "-AbCdEf", "x", false},
	} {
		if isSecret(c.requested, c.arn, c.name) != c.want {
			t.Errorf("%q is %s: %v", c.requested, c.arn, !c.want)
		}
	}
}

func TestRequestsToABusyServiceAreRetried(t *testing.T) {
	for name, busy := range map[string]func() (int, any){
		"throttled": func() (int, any) { return refuse("ThrottlingException", "Rate exceeded") },
		"a 500": func() (int, any) {
			return http.StatusInternalServerError, object{
				"__type": "InternalServiceError",
			}
		},
		"a 503 of a proxy": func() (int, any) { return http.StatusServiceUnavailable, "<html>come back later</html>" },
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			r, _ := fake(t, func(_ string, input object) (int, any) {
				if asked.Add(1) < awsjson.MaxAttempts {
					return busy()
				}
				return single(input)
			})
			resolved, err := resolve(t, r, map[string]string{"A": "secretsmanager:a"})
			if got := values(resolved); err != nil || got["A"] != "value of a" {
				t.Errorf("%q, %v", got, err)
			}
		})
		t.Run(name+" for too long", func(t *testing.T) {
			r, count := fake(t, func(string, object) (int, any) { return busy() })
			_, err := resolve(t, r, map[string]string{"A": "secretsmanager:a", "B": "secretsmanager:b"})
			var failed *Error
			if !errors.As(err, &failed) || len(failed.Failures) != 2 || !failed.Retryable() ||
				!strings.Contains(err.Error(), "because the service failed") {
				t.Errorf("%v", err)
			}
			if asked := count.take(); !maps.Equal(asked, map[string]int{"BatchGetSecretValue": awsjson.MaxAttempts}) {
				t.Errorf("asked for %v", asked)
			}
		})
	}
}

// BenchmarkResolve is what a run waits for, without the network: 25 secrets used by 50 variables, and 25 parameters.
func BenchmarkResolve(b *testing.B) {
	r, count := fake(b, func(operation string, input object) (int, any) {
		var found []object
		if operation == "GetParameters" {
			for _, name := range list(input, "Names") {
				found = append(found, object{"Name": name, "Value": "value", "Version": 1})
			}
			return http.StatusOK, object{"Parameters": found}
		}
		for _, name := range list(input, "SecretIdList") {
			found = append(
				found,
				object{
					"Name":         name,
					"SecretString": `{"user":"ci","token":"` + strings.Repeat("x", 40) + `"}`,
					"VersionId":    "1",
				},
			)
		}
		return http.StatusOK, object{"SecretValues": found}
	})
	references := map[string]reference.Reference{}
	for i := range 25 {
		references[fmt.Sprint("USER", i)] = reference.Reference{
			Kind: reference.SecretsManager,
			Text: fmt.Sprint("secretsmanager:s", i, ":user"),
		}
		references[fmt.Sprint("TOKEN", i)] = reference.Reference{
			Kind: reference.SecretsManager,
			Text: fmt.Sprint("secretsmanager:s", i, ":token"),
		}
		references[fmt.Sprint("P", i)] = reference.Reference{
			Kind: reference.ParameterStore,
			Text: fmt.Sprint("ssm:/p", i),
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if resolved, err := r.Resolve(context.Background(), references); err != nil || len(resolved.Secrets) != 75 {
			b.Fatal(err)
		}
	}
	requests := 0
	for _, n := range count.take() {
		requests += n
	}
	b.ReportMetric(float64(requests)/float64(b.N), "requests/op")
}

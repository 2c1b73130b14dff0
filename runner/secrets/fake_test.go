package secrets

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// refuse is an error as the services send it.
func refuse(code, message string) (int, any) {
	return http.StatusBadRequest, object{"__type": code, "message": message}
}

// fake returns a resolver for a server that answers each operation with what reply returns.
func fake(t *testing.T, reply func(operation string, input object) (int, any)) (*Resolver, *counter) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		service, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		signed := map[string]string{"secretsmanager": "/secretsmanager/aws4_request", "AmazonSSM": "/ssm/aws4_request"}[service]
		if signed == "" || !strings.Contains(r.Header.Get("Authorization"), signed) || r.Header.Get("Content-Type") != "application/x-amz-json-1.1" {
			t.Errorf("a request that AWS would refuse: %v", r.Header)
		}
		var input object
		if err := json.NewDecoder(r.Body).Decode(&input); err != nil {
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
		Load: func(context.Context) (aws.Config, error) {
			return aws.Config{
				Region: "eu-west-1", BaseEndpoint: aws.String(server.URL), HTTPClient: count,
				Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "secret", ""),
			}, nil
		},
	}, count
}

// single answers GetSecretValue with "value of" the secret's name.
func single(input object) (int, any) {
	return http.StatusOK, object{"Name": input["SecretId"], "ARN": "arn", "VersionId": "1", "SecretString": fmt.Sprint("value of ", input["SecretId"])}
}

// strings of a list in a request.
func list(input object, key string) []string {
	var found []string
	for _, v := range input[key].([]any) {
		found = append(found, v.(string))
	}
	return found
}

const user = "arn:aws:sts::123456789012:assumed-role/ci-task/abc"

func TestWithoutThePermissionForBatchesSecretsAreReadOneByOne(t *testing.T) {
	for name, refusal := range map[string]func() (int, any){
		"denied": func() (int, any) {
			return refuse("AccessDeniedException", "User: "+user+" is not authorized to perform: secretsmanager:BatchGetSecretValue because no identity-based policy allows the secretsmanager:BatchGetSecretValue action")
		},
		"a service that does not know the operation": func() (int, any) { return refuse("UnknownOperationException", "") },
		"an emulator that does not know it":          func() (int, any) { return http.StatusNotImplemented, "" },
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
			for i := range 12 {
				written[fmt.Sprint("V", i)], want[fmt.Sprint("V", i)] = fmt.Sprint("secretsmanager:s", i), fmt.Sprint("value of s", i)
			}
			resolved, err := resolve(t, r, written)
			if got := values(resolved); err != nil || !maps.Equal(got, want) {
				t.Errorf("%q, %v", got, err)
			}
			if asked := count.take(); !maps.Equal(asked, map[string]int{"BatchGetSecretValue": 1, "GetSecretValue": 12}) {
				t.Errorf("asked for %v", asked)
			}
			if noted := len(resolved.Notes) == 1 && strings.Contains(resolved.Notes[0], batchSecret); noted != (name == "denied") {
				t.Errorf("notes: %q", resolved.Notes)
			}
		})
	}
}

func TestABatchThatFailsInPartBringsTheRest(t *testing.T) {
	r, count := fake(t, func(operation string, input object) (int, any) {
		switch {
		case operation == "BatchGetSecretValue":
			return http.StatusOK, object{
				"SecretValues": []object{{"Name": "a", "ARN": "arn:aws:secretsmanager:eu-west-1:1:secret:a-AAAAAA", "SecretString": "A", "VersionId": "1"}},
				"Errors":       []object{{"SecretId": "b", "ErrorCode": "AccessDeniedException", "Message": "no"}},
			}
		case input["SecretId"] == "b":
			return refuse("AccessDeniedException", "User: "+user+" is not authorized to perform: secretsmanager:GetSecretValue on resource: b because no identity-based policy allows the secretsmanager:GetSecretValue action")
		}
		return single(input) // c, which the batch says nothing of
	})
	resolved, err := resolve(t, r, map[string]string{"A": "secretsmanager:a", "B": "secretsmanager:b", "C": "secretsmanager:c"})
	if got := values(resolved); !maps.Equal(got, map[string]string{"A": "A", "C": "value of c"}) {
		t.Errorf("%q", got)
	}
	f := problems(t, err)["B"]
	if f.Problem != "secretsmanager:GetSecretValue is denied on the secret b in eu-west-1 to "+user+", because no identity-based policy allows the secretsmanager:GetSecretValue action" {
		t.Errorf("%s", f.Problem)
	}
	if f.Advice != "allow secretsmanager:GetSecretValue on arn:aws:secretsmanager:eu-west-1:*:secret:b-?????? to the task role" || f.Retryable() {
		t.Errorf("%s", f.Advice)
	}
	if asked := count.take(); !maps.Equal(asked, map[string]int{"BatchGetSecretValue": 1, "GetSecretValue": 2}) {
		t.Errorf("asked for %v", asked)
	}
}

func TestWhatABusyServiceRefusesIsTriedAgain(t *testing.T) {
	for name, busy := range map[string]func() (int, any){
		"throttled":        func() (int, any) { return refuse("ThrottlingException", "Rate exceeded") },
		"a 500":            func() (int, any) { return http.StatusInternalServerError, object{"__type": "InternalServiceError"} },
		"a 503 of a proxy": func() (int, any) { return http.StatusServiceUnavailable, "<html>come back later</html>" },
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			r, _ := fake(t, func(_ string, input object) (int, any) {
				if asked.Add(1) < tries {
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
			if !errors.As(err, &failed) || len(failed.Failures) != 2 || !failed.Retryable() || !strings.Contains(err.Error(), "the service is to blame") {
				t.Errorf("%v", err)
			}
			if asked := count.take(); !maps.Equal(asked, map[string]int{"BatchGetSecretValue": tries}) {
				t.Errorf("asked for %v", asked)
			}
		})
	}
}

func TestEachRefusalHasItsOwnWords(t *testing.T) {
	const key = "arn:aws:kms:eu-west-1:123456789012:key/8a1b-22"
	for _, c := range []struct {
		name, reference string
		status          int // 0 for 400
		code, message   string
		problem, advice string
	}{
		{"a secret's key that may not be used", "secretsmanager:s", 0, "AccessDeniedException", "Access to KMS is not allowed", "the secret s in eu-west-1 cannot be decrypted", "allow kms:Decrypt on its KMS key"},
		{"a secret's key that cannot", "secretsmanager:s", 0, "DecryptionFailure", "Secrets Manager can't decrypt the protected secret text using the provided KMS key.", "cannot be decrypted: DecryptionFailure", "see that the key is enabled"},
		{"a parameter's key by name", "ssm:/p", 0, "AccessDeniedException", "User: " + user + " is not authorized to perform: kms:Decrypt on resource: " + key + " because no identity-based policy allows it (Service: AWSKMS)", "the parameter /p in eu-west-1 cannot be decrypted", "allow kms:Decrypt on " + key},
		{"a parameter's key", "ssm:/p", 0, "AccessDeniedException", "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.", "the parameter /p in eu-west-1 cannot be decrypted", "allow kms:Decrypt on its KMS key"},
		{"a parameter's key that is off", "ssm:/p", 0, "InvalidKeyId", key + " is disabled.", "cannot be decrypted: InvalidKeyId", "see that the key is enabled"},
		{"a parameter that is denied", "ssm:/p", 0, "AccessDeniedException", "User: " + user + " is not authorized to perform: ssm:GetParameters on resource: arn:aws:ssm:eu-west-1:123456789012:parameter/p because no identity-based policy allows the ssm:GetParameters action", "ssm:GetParameters is denied on the parameter /p in eu-west-1 to " + user + ", because no identity-based policy", "allow ssm:GetParameters on arn:aws:ssm:eu-west-1:*:parameter/p to the task role"},
		{"a path that is denied", "ssm:/p/q/*", 0, "AccessDeniedException", "User: " + user + " is not authorized", "ssm:GetParametersByPath is denied on the path /p/q in eu-west-1 to " + user, "on arn:aws:ssm:eu-west-1:*:parameter/p/q and arn:aws:ssm:eu-west-1:*:parameter/p/q/*"},
		{"an explicit Deny", "secretsmanager:s", 0, "AccessDeniedException", "User: " + user + " is not authorized to perform: secretsmanager:GetSecretValue on resource: s with an explicit deny in a service control policy", "with an explicit deny in a service control policy", "find its Deny"},
		{"an ARN that is denied", "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:s-AbCdEf:k::", 0, "AccessDeniedException", "", "denied on the secret s-AbCdEf in cn-north-1", "on arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:s-AbCdEf to"},
		{"a partial ARN that is denied", "arn:aws:secretsmanager:us-east-1:123456789012:secret:ci/npm", 0, "AccessDeniedException", "", "denied on the secret ci/npm in us-east-1", "secret:ci/npm-?????? to"},
		{"an expired token", "secretsmanager:s", 0, "ExpiredTokenException", "The security token included in the request is expired", "the AWS credentials have expired (ExpiredTokenException)", "log in again"},
		{"a token of nobody", "ssm:/p", 0, "UnrecognizedClientException", "The security token included in the request is invalid.", "AWS does not accept the credentials in eu-west-1: UnrecognizedClientException", "eu-west-1 is enabled"},
		{"a clock that is wrong", "ssm:/p", 0, "InvalidSignatureException", "Signature expired: 20261123T000000Z is now earlier than 20261123T001000Z", "Signature expired", "that the clock is right"},
		{"a name space before the code", "ssm:/p", 0, "com.amazonaws.ssm#InvalidKeyId:http://internal.amazon.com/coral/", "no", "cannot be decrypted: InvalidKeyId: no", ""},
		{"a secret on its way out", "secretsmanager:s", 0, "InvalidRequestException", "You can't perform this operation on the secret because it was marked for deletion.", "the secret s in eu-west-1 is scheduled for deletion", "restore it"},
		{"a stage and an id that do not fit", "secretsmanager:s::AWSCURRENT:id", 0, "InvalidRequestException", "You provided a VersionStage that is not associated to the provided VersionId.", "has no version id at the stage AWSCURRENT", "not both"},
		{"no such secret", "secretsmanager:s", 0, "ResourceNotFoundException", "Secrets Manager can't find the specified secret.", "there is no secret s in eu-west-1", "referred to by its ARN"},
		{"no such stage", "secretsmanager:s::AWSPENDING", 0, "ResourceNotFoundException", "Secrets Manager can't find the specified secret value for staging label: AWSPENDING", "the secret s in eu-west-1 has no version at the stage AWSPENDING", "stages"},
		{"no such version", "secretsmanager:s:::v", 0, "ResourceNotFoundException", "Secrets Manager can't find the specified secret value for VersionId: v", "has no version v", ""},
		{"a secret without a value", "secretsmanager:s", 0, "ResourceNotFoundException", "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT", "the secret s in eu-west-1 has no value", "never given a value"},
		{"a name that AWS refuses", "secretsmanager:s", 0, "ValidationException", "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!", "cannot be asked for: ValidationException: Invalid name", "see that the reference is right"},
		{"a code nobody has heard of", "secretsmanager:s", 0, "TeapotException", "short\nand   stout", "cannot be read: TeapotException: short and stout", ""},
		{"a proxy that refuses", "secretsmanager:s", 403, "", "", "cannot be read: 403 Forbidden", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			status := c.status
			if status == 0 {
				status = http.StatusBadRequest
			}
			r, count := fake(t, func(string, object) (int, any) { return status, object{"__type": c.code, "Message": c.message} })
			_, err := resolve(t, r, map[string]string{"V": c.reference})
			f := problems(t, err)["V"]
			if !strings.Contains(f.Problem, c.problem) || !strings.Contains(f.Advice, c.advice) || f.Retryable() {
				t.Errorf("%s\nhint: %s", f.Problem, f.Advice)
			}
			if strings.Contains(f.Problem, "\n") {
				t.Errorf("%q is more than one line", f.Problem)
			}
			for operation, n := range count.take() {
				if n != 1 {
					t.Errorf("%s was tried %d times", operation, n)
				}
			}
		})
	}
}

func TestOneParameterThatIsDeniedDoesNotTakeTheOthersWithIt(t *testing.T) {
	r, count := fake(t, func(_ string, input object) (int, any) {
		names := list(input, "Names")
		if slices.Contains(names, "/denied") {
			return refuse("AccessDeniedException", "User: "+user+" is not authorized to perform: ssm:GetParameters on resource: arn:aws:ssm:eu-west-1:123456789012:parameter/denied")
		}
		if slices.Contains(names, "/locked") {
			return refuse("AccessDeniedException", "The ciphertext refers to a customer master key that does not exist")
		}
		var found []object
		for _, name := range names {
			found = append(found, object{"Name": name, "Value": "value of " + name, "Version": 1})
		}
		return http.StatusOK, object{"Parameters": found}
	})
	resolved, err := resolve(t, r, map[string]string{"A": "ssm:/a", "B": "ssm:/b", "D": "ssm:/denied", "L": "ssm:/locked"})
	if got := values(resolved); !maps.Equal(got, map[string]string{"A": "value of /a", "B": "value of /b"}) {
		t.Errorf("%q", got)
	}
	failed := problems(t, err)
	if len(failed) != 2 || !strings.Contains(failed["D"].Problem, "denied on the parameter /denied") || !strings.Contains(failed["L"].Problem, "/locked in eu-west-1 cannot be decrypted") {
		t.Errorf("%v", err)
	}
	if asked := count.take(); asked["GetParameters"] != 5 {
		t.Errorf("asked for %v", asked)
	}
}

func TestParametersAreAskedForByTheirARNs(t *testing.T) {
	const arn = "arn:aws:ssm:us-east-2:111122223333:parameter/shared/token"
	r, _ := fake(t, func(operation string, input object) (int, any) {
		if operation == "GetParametersByPath" {
			return http.StatusOK, object{"Parameters": []object{{"Name": "/shared/x", "ARN": "arn:aws:ssm:us-east-2:999999999999:parameter/shared/x", "Value": "another account's", "Version": 1}}}
		}
		if input["WithDecryption"] != true {
			t.Errorf("not decrypted: %v", input)
		}
		if names := list(input, "Names"); !slices.Equal(names, []string{arn + ":4"}) {
			t.Errorf("asked for %q", names)
		}
		return http.StatusOK, object{"Parameters": []object{{"Name": "/shared/token", "ARN": arn, "Value": "v", "Version": 4, "Selector": ":4"}}}
	})
	resolved, err := resolve(t, r, map[string]string{"V": arn + ":4", "P": "arn:aws:ssm:us-east-2:111122223333:parameter/shared/*"})
	if len(resolved.Secrets) != 1 || resolved.Secrets[0].Source != "Parameter Store us-east-2 /shared/token version 4" {
		t.Errorf("%v", resolved)
	}
	if f := problems(t, err)["P"]; !strings.Contains(f.Problem, "which is not 111122223333") {
		t.Errorf("%v", err)
	}
}

func TestPagesOfAPathAreFollowedAlsoWhenTheyAreEmpty(t *testing.T) {
	next := map[any]object{
		nil: {"NextToken": "1"},
		"1": {"NextToken": "2", "Parameters": []object{{"Name": "/p/a", "Value": "A"}}},
		"2": {"Parameters": []object{{"Name": "/p/b/c", "Value": "B"}}},
	}
	r, _ := fake(t, func(_ string, input object) (int, any) { return http.StatusOK, next[input["NextToken"]] })
	resolved, err := resolve(t, r, map[string]string{"P": "ssm:/p/*"})
	if got := values(resolved); err != nil || !maps.Equal(got, map[string]string{"A": "A", "B_C": "B"}) {
		t.Errorf("%q, %v", got, err)
	}
	r, _ = fake(t, func(string, object) (int, any) { return http.StatusOK, object{"NextToken": "again"} })
	if _, err = resolve(t, r, map[string]string{"P": "ssm:/p/*"}); err == nil || !strings.Contains(err.Error(), "repeats a page") {
		t.Errorf("%v", err)
	}
}

func TestAServiceThatDoesNotAnswerIsGivenUp(t *testing.T) {
	done := make(chan struct{})
	r, count := fake(t, func(string, object) (int, any) {
		<-done
		return http.StatusOK, nil
	})
	t.Cleanup(func() { close(done) }) // before the server waits for its handlers
	r.patience = 20 * time.Millisecond
	_, err := resolve(t, r, map[string]string{"A": "secretsmanager:a"})
	f := problems(t, err)["A"]
	if !strings.Contains(f.Problem, "does not answer within 20ms") || !strings.Contains(f.Advice, "VPC endpoint of secretsmanager") || !f.Retryable() {
		t.Errorf("%s (%s)", f.Problem, f.Advice)
	}
	if asked := count.take(); asked["GetSecretValue"] != stalls {
		t.Errorf("asked for %v", asked)
	}
}

func TestAnAnswerThatStopsHalfWayIsAskedForAgain(t *testing.T) {
	var asked atomic.Int32
	done := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		switch asked.Add(1) {
		case 1: // half an answer, then nothing
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte(`{"SecretString":"half`))
			w.(http.Flusher).Flush()
			<-done
		case 2: // half an answer, then the end
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte(`{"SecretString":"half`))
		case 3: // no answer
			panic(http.ErrAbortHandler)
		default:
			_, _ = w.Write([]byte(`{"SecretString":"whole"}`))
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(done) })
	r := fixed(server.URL)
	r.patience = 100 * time.Millisecond
	resolved, err := resolve(t, r, map[string]string{"A": "secretsmanager:a"})
	if got := values(resolved); err != nil || got["A"] != "whole" {
		t.Errorf("%q, %v", got, err)
	}
}

// fixed returns a resolver for an address.
func fixed(url string) *Resolver {
	return &Resolver{
		maxBackoff: time.Millisecond,
		Load: func(context.Context) (aws.Config, error) {
			return aws.Config{Region: "eu-west-1", BaseEndpoint: aws.String(url), Credentials: credentials.NewStaticCredentialsProvider("A", "B", "")}, nil
		},
	}
}

func TestAnAnswerThatIsNoneIsNotQuoted(t *testing.T) {
	r, _ := fake(t, func(string, object) (int, any) { return http.StatusOK, `{"SecretString":"hunter2` })
	_, err := resolve(t, r, map[string]string{"A": "secretsmanager:a"})
	if err == nil || strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), "hunter2") {
		t.Errorf("%#v", err)
	}
}

func TestAHostThatIsNotThereIsNamed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	_, err = resolve(t, fixed("http://"+l.Addr().String()), map[string]string{"A": "ssm:/a"})
	if f := problems(t, err)["A"]; !strings.Contains(f.Problem, l.Addr().String()+" cannot be reached: ") || !strings.Contains(f.Problem, "connection refused") || !f.Retryable() {
		t.Errorf("%v", err)
	}
	nowhere := &net.DNSError{Err: "no such host", Name: "ssm.eu-wset-1.amazonaws.com", IsNotFound: true}
	r := fixed("https://ssm.eu-wset-1.amazonaws.com")
	load := r.Load
	r.Load = func(ctx context.Context) (aws.Config, error) {
		c, err := load(ctx)
		c.HTTPClient = clientFunc(func(*http.Request) (*http.Response, error) { return nil, nowhere })
		return c, err
	}
	_, err = resolve(t, r, map[string]string{"A": "arn:aws:ssm:eu-wset-1:123456789012:parameter/a"})
	if f := problems(t, err)["A"]; f.Problem != "there is no host ssm.eu-wset-1.amazonaws.com" || !strings.Contains(f.Advice, "eu-wset-1, the region that its ARN names") || f.Retryable() {
		t.Errorf("%v", err)
	}
}

func TestACertificateThatIsNotTrustedIsNoMatterOfTime(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(server.Close)
	_, err := resolve(t, fixed(server.URL), map[string]string{"A": "secretsmanager:a"})
	if f := problems(t, err)["A"]; !strings.Contains(f.Problem, "is not trusted") || !strings.Contains(f.Advice, "AWS_CA_BUNDLE") || f.Retryable() {
		t.Errorf("%v", err)
	}
}

type clientFunc func(*http.Request) (*http.Response, error)

func (f clientFunc) Do(r *http.Request) (*http.Response, error) { return f(r) }

func TestARunThatIsStoppedStopsAsking(t *testing.T) {
	ctx, cancel := context.WithCancelCause(guard(t))
	done := make(chan struct{})
	r, _ := fake(t, func(string, object) (int, any) {
		cancel(errors.New("told to stop"))
		<-done
		return http.StatusOK, nil
	})
	t.Cleanup(func() { close(done) })
	_, err := r.Resolve(ctx, map[string]Reference{"A": {SecretsManager, "secretsmanager:a"}, "B": {ParameterStore, "ssm:/b"}})
	if !errors.Is(err, context.Canceled) || len(problems(t, err)) != 2 {
		t.Errorf("%v", err)
	}
}

func TestCredentialsAndRegionThatAreMissing(t *testing.T) {
	for _, c := range []struct {
		name            string
		config          aws.Config
		err             error
		problem, advice string
	}{
		{"no credentials", aws.Config{Region: "eu-west-1", Credentials: failing("no EC2 IMDS role found")}, nil, "A, B: no AWS credentials can be had: no EC2 IMDS role found", "task role"},
		{"no provider", aws.Config{Region: "eu-west-1"}, nil, "A, B: no AWS credentials can be had: none are set", "task role"},
		{"what a process prints", aws.Config{Region: "eu-west-1", Credentials: failing("process provider error: parse failed of process output: hunter2")}, nil, "A, B: no AWS credentials can be had: credential_process has failed", ""},
		{"no region", aws.Config{}, nil, "A: no region is known to look for a in; B: no region is known to look for /b in", "set AWS_REGION"},
		{"a region that is none", aws.Config{Region: "evil.example/"}, nil, `"evil.example/" is no region`, "set AWS_REGION"},
		{"no configuration", aws.Config{}, errors.New("failed to get shared config profile, nobody"), "A, B: the AWS configuration cannot be loaded: failed to get shared config profile, nobody", "AWS_PROFILE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &Resolver{Load: func(context.Context) (aws.Config, error) { return c.config, c.err }}
			_, err := resolve(t, r, map[string]string{"A": "secretsmanager:a", "B": "ssm:/b"})
			var failed *Error
			if !errors.As(err, &failed) || !strings.Contains(err.Error(), c.problem) || !strings.Contains(failed.Hint(), c.advice) || failed.Retryable() {
				t.Errorf("%v\nhint: %s", err, failed.Hint())
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("a secret is in it")
			}
		})
	}
	loaded := 0
	r := &Resolver{Load: func(context.Context) (aws.Config, error) { loaded++; return aws.Config{}, nil }}
	if _, err := resolve(t, r, map[string]string{"A": "file:/dev/null", "B": "secretsmanager:a b"}); err == nil || loaded != 0 {
		t.Errorf("AWS is configured %d times for nothing: %v", loaded, err)
	}
	if _, err := resolve(t, &Resolver{}, map[string]string{"A": "secretsmanager:a"}); err == nil {
		t.Error("no configuration is no failure")
	}
}

func failing(message string) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, errors.New(message) })
}

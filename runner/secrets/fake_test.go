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
	"slices"
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
				"User: "+user+" is not authorized to perform: secretsmanager:BatchGetSecretValue because no identity-based policy allows the secretsmanager:BatchGetSecretValue action",
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
				"User: "+user+" is not authorized to perform: secretsmanager:GetSecretValue on resource: b because no identity-based policy allows the secretsmanager:GetSecretValue action",
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
	if f.Problem != "secretsmanager:GetSecretValue is denied on the secret b in eu-west-1 to "+user+", because no identity-based policy allows the secretsmanager:GetSecretValue action" {
		t.Errorf("%s", f.Problem)
	}
	if f.Advice != "allow secretsmanager:GetSecretValue on arn:aws:secretsmanager:eu-west-1:*:secret:b-?????? to the task role" ||
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

func TestErrorResponsesAreExplained(t *testing.T) {
	const key = "arn:aws:kms:eu-west-1:123456789012:key/8a1b-22"
	for _, c := range []struct {
		name, reference string
		status          int // 0 for 400
		code, message   string
		problem, advice string
	}{
		{
			"a secret whose key is denied", "secretsmanager:s", 0, "AccessDeniedException",
			"Access to KMS is not allowed", "the secret s in eu-west-1 cannot be decrypted",
			"allow kms:Decrypt on its KMS key",
		},
		{
			"a secret whose key cannot decrypt it", "secretsmanager:s", 0, "DecryptionFailure",
			"Secrets Manager can't decrypt the protected secret text using the provided KMS key.",
			"cannot be decrypted: DecryptionFailure", "check that the key is enabled",
		},
		{
			"a parameter whose key is denied by name", "ssm:/p", 0, "AccessDeniedException",
			"User: " + user + " is not authorized to perform: kms:Decrypt on resource: " + key + " because no identity-based policy allows it (Service: AWSKMS)",
			"the parameter /p in eu-west-1 cannot be decrypted", "allow kms:Decrypt on " + key,
		},
		{
			"a parameter whose key is denied", "ssm:/p", 0, "AccessDeniedException",
			"The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.",
			"the parameter /p in eu-west-1 cannot be decrypted", "allow kms:Decrypt on its KMS key",
		},
		{
			"a parameter whose key is disabled", "ssm:/p", 0, "InvalidKeyId", key + " is disabled.",
			"cannot be decrypted: InvalidKeyId", "check that the key is enabled",
		},
		{
			"a denied parameter", "ssm:/p", 0, "AccessDeniedException",
			"User: " + user + " is not authorized to perform: ssm:GetParameters on resource: arn:aws:ssm:eu-west-1:123456789012:parameter/p because no identity-based policy allows the ssm:GetParameters action",
			"ssm:GetParameters is denied on the parameter /p in eu-west-1 to " + user + ", because no identity-based policy",
			"allow ssm:GetParameters on arn:aws:ssm:eu-west-1:*:parameter/p to the task role",
		},
		{
			"a denied path", "ssm:/p/q/*", 0, "AccessDeniedException", "User: " + user + " is not authorized",
			"ssm:GetParametersByPath is denied on the path /p/q in eu-west-1 to " + user,
			"on arn:aws:ssm:eu-west-1:*:parameter/p/q and arn:aws:ssm:eu-west-1:*:parameter/p/q/*",
		},
		{
			"an explicit Deny", "secretsmanager:s", 0, "AccessDeniedException",
			"User: " + user + " is not authorized to perform: secretsmanager:GetSecretValue on resource: s with an explicit deny in a service control policy",
			"with an explicit deny in a service control policy", "find its Deny",
		},
		{
			"a denied ARN", "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:s-AbCdEf:k::", 0,
			"AccessDeniedException", "", "denied on the secret s-AbCdEf in cn-north-1",
			"on arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:s-AbCdEf to",
		},
		{
			"a denied partial ARN", "arn:aws:secretsmanager:us-east-1:123456789012:secret:ci/npm", 0,
			"AccessDeniedException", "", "denied on the secret ci/npm in us-east-1", "secret:ci/npm-?????? to",
		},
		{
			"a name that ends like an ARN", "secretsmanager:db-passwd", 0, "AccessDeniedException", "",
			"denied on the secret db-passwd", "secret:db-passwd-?????? to",
		},
		{
			"an expired token", "secretsmanager:s", 0, "ExpiredTokenException",
			"The security token included in the request is expired",
			"the AWS credentials have expired (ExpiredTokenException)", "log in again",
		},
		{
			"an unknown token", "ssm:/p", 0, "UnrecognizedClientException",
			"The security token included in the request is invalid.",
			"AWS does not accept the credentials in eu-west-1: UnrecognizedClientException", "eu-west-1 is enabled",
		},
		{
			"a wrong clock", "ssm:/p", 0, "InvalidSignatureException",
			"Signature expired: 20261123T000000Z is now earlier than 20261123T001000Z", "Signature expired",
			"that the clock is right",
		},
		{
			"a namespace before the code", "ssm:/p", 0,
			"com.amazonaws.ssm#InvalidKeyId:http://internal.amazon.com/coral/", "no",
			"cannot be decrypted: InvalidKeyId: no", "",
		},
		{
			"a secret scheduled for deletion", "secretsmanager:s", 0, "InvalidRequestException",
			"You can't perform this operation on the secret because it was marked for deletion.",
			"the secret s in eu-west-1 is scheduled for deletion", "restore it",
		},
		{
			"a stage and an id that do not match", "secretsmanager:s::AWSCURRENT:id", 0, "InvalidRequestException",
			"You provided a VersionStage that is not associated to the provided VersionId.",
			"has no version id at the stage AWSCURRENT", "not both",
		},
		{
			"no such secret", "secretsmanager:s", 0, "ResourceNotFoundException",
			"Secrets Manager can't find the specified secret.", "there is no secret s in eu-west-1", "by its ARN",
		},
		{
			"no such stage", "secretsmanager:s::AWSPENDING", 0, "ResourceNotFoundException",
			"Secrets Manager can't find the specified secret value for staging label: AWSPENDING",
			"the secret s in eu-west-1 has no version at the stage AWSPENDING", "stages",
		},
		{
			"no such version", "secretsmanager:s:::v", 0, "ResourceNotFoundException",
			"Secrets Manager can't find the specified secret value for VersionId: v", "has no version v", "",
		},
		{
			"a secret without a value", "secretsmanager:s", 0, "ResourceNotFoundException",
			"Secrets Manager can't find the specified secret value for staging label: AWSCURRENT",
			"the secret s in eu-west-1 has no value", "without a value has none",
		},
		{
			"an invalid name", "secretsmanager:s", 0, "ValidationException",
			"Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!",
			"cannot be requested: ValidationException: Invalid name", "correct the reference",
		},
		{
			"an unknown code", "secretsmanager:s", 0, "TeapotException", "short\nand   stout",
			"cannot be read: TeapotException: short and stout", "",
		},
		{"a proxy that refuses", "secretsmanager:s", 403, "", "", "cannot be read: 403 Forbidden", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			status := c.status
			if status == 0 {
				status = http.StatusBadRequest
			}
			r, count := fake(
				t,
				func(string, object) (int, any) { return status, object{"__type": c.code, "Message": c.message} },
			)
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
					t.Errorf("there were %[2]d attempts of %[1]s", operation, n)
				}
			}
		})
	}
}

func TestADeniedParameterDoesNotFailTheOthers(t *testing.T) {
	r, count := fake(t, func(_ string, input object) (int, any) {
		names := list(input, "Names")
		if slices.Contains(names, "/denied") {
			return refuse(
				"AccessDeniedException",
				"User: "+user+" is not authorized to perform: ssm:GetParameters on resource: arn:aws:ssm:eu-west-1:123456789012:parameter/denied",
			)
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
	resolved, err := resolve(
		t,
		r,
		map[string]string{"A": "ssm:/a", "B": "ssm:/b", "D": "ssm:/denied", "L": "ssm:/locked"},
	)
	if got := values(resolved); !maps.Equal(got, map[string]string{"A": "value of /a", "B": "value of /b"}) {
		t.Errorf("%q", got)
	}
	failed := problems(t, err)
	if len(failed) != 2 || !strings.Contains(failed["D"].Problem, "denied on the parameter /denied") ||
		!strings.Contains(failed["L"].Problem, "/locked in eu-west-1 cannot be decrypted") {
		t.Errorf("%v", err)
	}
	if asked := count.take(); asked["GetParameters"] != 5 {
		t.Errorf("asked for %v", asked)
	}
}

func TestParametersAreRequestedByTheirARNs(t *testing.T) {
	const arn = "arn:aws:ssm:us-east-2:111122223333:parameter/shared/token"
	r, _ := fake(t, func(operation string, input object) (int, any) {
		if operation == "GetParametersByPath" {
			return http.StatusOK, object{
				"Parameters": []object{
					{
						"Name":    "/shared/x",
						"ARN":     "arn:aws:ssm:us-east-2:999999999999:parameter/shared/x",
						"Value":   "another account's",
						"Version": 1,
					},
				},
			}
		}
		if input["WithDecryption"] != true {
			t.Errorf("not decrypted: %v", input)
		}
		if names := list(input, "Names"); !slices.Equal(names, []string{arn + ":4"}) {
			t.Errorf("asked for %q", names)
		}
		return http.StatusOK, object{
			"Parameters": []object{{"Name": "/shared/token", "ARN": arn, "Value": "v", "Version": 4, "Selector": ":4"}},
		}
	})
	resolved, err := resolve(
		t,
		r,
		map[string]string{"V": arn + ":4", "P": "arn:aws:ssm:us-east-2:111122223333:parameter/shared/*"},
	)
	if len(resolved.Secrets) != 1 || resolved.Secrets[0].Source != "Parameter Store us-east-2 /shared/token version 4" {
		t.Errorf("%v", resolved)
	}
	if f := problems(t, err)["P"]; !strings.Contains(f.Problem, "which is not 111122223333") {
		t.Errorf("%v", err)
	}
}

func TestAnARNMayBeThatOfAParameterWithoutASlash(t *testing.T) {
	const arn = "arn:aws:ssm:us-east-2:111122223333:parameter/flat"
	r, _ := fake(t, func(_ string, input object) (int, any) {
		found := []object{}
		if slices.Contains(list(input, "Names"), "flat:2") {
			found = append(found, object{"Name": "flat", "ARN": arn, "Value": "v", "Version": 2})
		}
		return http.StatusOK, object{"Parameters": found}
	})
	resolved, err := resolve(t, r, map[string]string{"V": arn + ":2"})
	if got := values(resolved); err != nil || got["V"] != "v" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestAllPagesOfAPathAreRead(t *testing.T) {
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
	if _, err = resolve(t, r, map[string]string{"P": "ssm:/p/*"}); err == nil ||
		!strings.Contains(err.Error(), "repeats a page") {
		t.Errorf("%v", err)
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

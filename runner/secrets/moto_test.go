package secrets

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/carlin-cicd/runner/runner/awstest"
	"github.com/carlin-cicd/runner/steps/reference"
)

// counter counts the requests by operation.
type counter struct {
	mu    sync.Mutex
	asked map[string]int
	http.Client
}

func (c *counter) Do(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	if c.asked == nil {
		c.asked = map[string]int{}
	}
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	c.asked[operation]++
	c.mu.Unlock()
	return c.Client.Do(r)
}

// take returns the counts since the last call.
func (c *counter) take() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	asked := c.asked
	c.asked = nil
	return asked
}

// moto returns a resolver for the package's moto_server, and a function that calls it.
func moto(t *testing.T) (*Resolver, *counter, func(kind reference.Kind, operation string, input any) map[string]any) {
	t.Helper()
	awstest.Moto(t)
	count := &counter{}
	r := &Resolver{LoadConfig: func(ctx context.Context) (aws.Config, error) {
		loaded, err := config.LoadDefaultConfig(ctx)
		loaded.HTTPClient = count
		return loaded, err
	}}
	s, err := newFetcher(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	return r, count, func(kind reference.Kind, operation string, input any) map[string]any {
		t.Helper()
		a, err := s.newClient(context.Background(), kind, awstest.Region)
		if err != nil {
			t.Fatal(err)
		}
		var output map[string]any
		if err := a.Call(context.Background(), operation, input, &output); err != nil {
			t.Fatalf("%s: %v", operation, err)
		}
		count.take()
		return output
	}
}

type object = map[string]any

// guard is the time after which a test hangs.
func guard(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// resolve resolves references as the environment has them.
func resolve(t *testing.T, r *Resolver, written map[string]string) (Resolved, error) {
	t.Helper()
	references := map[string]reference.Reference{}
	for variable, text := range written {
		ref, ok := reference.Parse(text, true)
		if !ok {
			t.Fatalf("%s is no reference", text)
		}
		references[variable] = ref
	}
	return r.Resolve(guard(t), references)
}

// problems returns the failures by variable.
func problems(t *testing.T, err error) map[string]Failure {
	t.Helper()
	var failed *Error
	if !errors.As(err, &failed) {
		t.Fatalf("%v is no *Error", err)
	}
	found := map[string]Failure{}
	for _, f := range failed.Failures {
		found[f.Variable] = f
	}
	return found
}

func TestASecretIsFetchedOnceForAllItsKeys(t *testing.T) {
	r, count, call := moto(t)
	created := call(
		reference.SecretsManager,
		"CreateSecret",
		object{
			"Name":         "once/json",
			"SecretString": `{"user":"ci","port":5432,"ratio":1.0,"huge":1e400,"on":true,"deep":{"x":"y"}}`,
		},
	)
	arn := created["ARN"].(string)
	partial := arn[:len(arn)-7]
	resolved, err := resolve(t, r, map[string]string{
		"USER": arn + ":user::", "PORT": arn + ":port", "RATIO": arn + ":ratio::", "HUGE": arn + ":huge::",
		"ON": arn + ":on::", "DEEP": arn + ":deep::", "WHOLE": arn,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"USER": "ci", "PORT": "5432", "RATIO": "1.0", "HUGE": "1e400", "ON": "true", "DEEP": `{"x":"y"}`,
		"WHOLE": `{"user":"ci","port":5432,"ratio":1.0,"huge":1e400,"on":true,"deep":{"x":"y"}}`,
	}
	if got := values(resolved); !maps.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if asked := count.take(); !maps.Equal(asked, map[string]int{"GetSecretValue": 1}) {
		t.Errorf("seven variables of one secret asked for %v", asked)
	}
	for _, s := range resolved.Secrets {
		if !slices.Contains(s.Leaves(), want["WHOLE"]) || !slices.Contains(s.Leaves(), "ci") ||
			!slices.Contains(s.Leaves(), "y") {
			t.Errorf("%s leaves out %q", s.Variable, s.Leaves())
		}
	}
	if s := resolved.Secrets[5]; s.Variable != "USER" ||
		s.Source != "Secrets Manager eu-central-1 once/json key user" ||
		s.Version != created["VersionId"].(string)+" (AWSCURRENT)" {
		t.Errorf("%s, version %s", s, s.Version)
	}

	// The name, the ARN and the ARN without its random end are one secret each to us, and three of a batch to AWS.
	resolved, err = resolve(
		t,
		r,
		map[string]string{
			"NAME":    "secretsmanager:once/json:user",
			"ARN":     arn + ":user::",
			"PARTIAL": partial + ":user::",
		},
	)
	if got := values(resolved); err != nil || got["NAME"] != "ci" || got["ARN"] != "ci" || got["PARTIAL"] != "ci" {
		t.Errorf("%q, %v", got, err)
	}
	if asked := count.take(); !maps.Equal(asked, map[string]int{"BatchGetSecretValue": 1}) {
		t.Errorf("three spellings asked for %v", asked)
	}
}

func TestManySecretsAreFetchedInBatches(t *testing.T) {
	r, count, call := moto(t)
	written, want := map[string]string{}, map[string]string{}
	for i := range 41 {
		name := fmt.Sprintf("many/%02d", i)
		call(reference.SecretsManager, "CreateSecret", object{"Name": name, "SecretString": "value " + name})
		written[fmt.Sprintf("V%02d", i)] = "secretsmanager:" + name
		want[fmt.Sprintf("V%02d", i)] = "value " + name
	}
	for i := range 23 {
		name := fmt.Sprintf("/many/%02d", i)
		call(
			reference.ParameterStore,
			"PutParameter",
			object{"Name": name, "Value": "value " + name, "Type": "SecureString"},
		)
		written[fmt.Sprintf("P%02d", i)] = "ssm:" + name
		want[fmt.Sprintf("P%02d", i)] = "value " + name
	}
	resolved, err := resolve(t, r, written)
	if got := values(resolved); err != nil || !maps.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	if asked := count.take(); !maps.Equal(asked, map[string]int{"BatchGetSecretValue": 3, "GetParameters": 3}) {
		t.Errorf("41 secrets and 23 parameters asked for %v", asked)
	}
	if !slices.IsSortedFunc(
		resolved.Secrets,
		func(a, b Secret) int { return strings.Compare(a.Variable, b.Variable) },
	) {
		t.Error("they are not sorted")
	}
	if len(resolved.Notes) > 0 {
		t.Errorf("notes: %q", resolved.Notes)
	}
}

func TestVersionsAndStagesOfASecret(t *testing.T) {
	r, _, call := moto(t)
	first := call(
		reference.SecretsManager, "CreateSecret", object{"Name": "staged", "SecretString": `{"k":"old"}`},
	)["VersionId"].(string)
	call(reference.SecretsManager, "PutSecretValue", object{"SecretId": "staged", "SecretString": `{"k":"new"}`})
	resolved, err := resolve(t, r, map[string]string{
		"NOW": "secretsmanager:staged:k", "STAGE": "secretsmanager:staged:k:AWSPREVIOUS",
		"ID": "secretsmanager:staged:k::" + first, "BOTH": "secretsmanager:staged:k:AWSPREVIOUS:" + first,
	})
	if got := values(resolved); err != nil ||
		!maps.Equal(got, map[string]string{"NOW": "new", "STAGE": "old", "ID": "old", "BOTH": "old"}) {
		t.Errorf("%q, %v", got, err)
	}
	_, err = resolve(t, r, map[string]string{
		"ID":       "secretsmanager:staged:::11111111-1111-1111-1111-111111111111",
		"MISMATCH": "secretsmanager:staged::AWSCURRENT:" + first, "KEY": "secretsmanager:staged:K",
	})
	failed := problems(t, err)
	for variable, want := range map[string]string{
		"ID":       "the secret staged in eu-central-1 has no version 11111111-1111-1111-1111-111111111111",
		"MISMATCH": "the secret staged in eu-central-1 has no version " + first + " at the stage AWSCURRENT",
		"KEY":      "the secret staged in eu-central-1 has no key K among its 1",
	} {
		if f := failed[variable]; f.Problem != want || f.Advice == "" || f.Retryable() {
			t.Errorf("%s: %s (%s)", variable, f.Problem, f.Advice)
		}
	}
}

func TestBinarySecretsAreTextOrRefused(t *testing.T) {
	r, _, call := moto(t)
	for name, bytes := range map[string]string{
		"binary/text": "pass\nwörd", "binary/nul": "pass\x00word", "binary/key": "\xff\xfe\x01",
	} {
		call(
			reference.SecretsManager,
			"CreateSecret",
			object{"Name": name, "SecretBinary": base64.StdEncoding.EncodeToString([]byte(bytes))},
		)
	}
	resolved, err := resolve(
		t,
		r,
		map[string]string{
			"TEXT": "secretsmanager:binary/text",
			"NUL":  "secretsmanager:binary/nul",
			"KEY":  "secretsmanager:binary/key",
		},
	)
	if got := values(resolved); !maps.Equal(got, map[string]string{"TEXT": "pass\nwörd"}) {
		t.Errorf("%q", got)
	}
	failed := problems(t, err)
	if len(failed) != 2 || !strings.Contains(failed["NUL"].Problem, "binary/nul contains a NUL byte") ||
		!strings.Contains(failed["KEY"].Problem, "binary/key is binary") {
		t.Errorf("%v", err)
	}
	if strings.Contains(err.Error(), "word") || strings.Contains(err.Error(), "pass") {
		t.Errorf("a value is in %q", err)
	}
}

func TestMissingSecretsAreNamedWithTheirRegion(t *testing.T) {
	r, _, call := moto(t)
	call(reference.SecretsManager, "CreateSecret", object{"Name": "there", "SecretString": "value"})
	call(reference.SecretsManager, "CreateSecret", object{"Name": "deleted", "SecretString": "value"})
	call(reference.SecretsManager, "DeleteSecret", object{"SecretId": "deleted"})
	call(reference.ParameterStore, "PutParameter", object{"Name": "/there", "Value": "v", "Type": "String"})
	resolved, err := resolve(t, r, map[string]string{
		"THERE": "secretsmanager:there", "GONE": "secretsmanager:gone", "DELETED": "secretsmanager:deleted",
		"ELSEWHERE": "arn:aws:secretsmanager:us-west-2:123456789012:secret:there", "PARAM": "ssm:/gone",
		"PATH_OF_NONE": "ssm:/nothing/*",
		"OLD":          "ssm:/there:9", "LABEL": "ssm:/there:prod", "NONE": "ssm:/gone:1",
	})
	if got := values(resolved); !maps.Equal(got, map[string]string{"THERE": "value"}) {
		t.Errorf("%q", got)
	}
	failed := problems(t, err)
	for variable, want := range map[string]string{
		"GONE":      "there is no secret gone in eu-central-1, the region of AWS_REGION or of the AWS profile",
		"DELETED":   "the secret deleted in eu-central-1 is scheduled for deletion",
		"ELSEWHERE": "there is no secret there in us-west-2, the region that its ARN names",
		"PARAM":     "there is no parameter /gone in eu-central-1, the region of AWS_REGION or of the AWS profile",
		"PATH_OF_NONE": "there is no parameter under /nothing in eu-central-1, the region of AWS_REGION or of " +
			"the AWS profile",
		"OLD":   "the parameter /there in eu-central-1 has no version or label 9; its newest version is 1",
		"LABEL": "the parameter /there in eu-central-1 has no version or label prod; its newest version is 1",
		"NONE":  "there is no parameter /gone in eu-central-1, the region of AWS_REGION or of the AWS profile",
	} {
		if f := failed[variable]; f.Problem != want || f.Advice == "" || f.Retryable() {
			t.Errorf("%s: %s (%s)", variable, f.Problem, f.Advice)
		}
	}
	if len(failed) != 8 {
		t.Errorf("%d failures: %v", len(failed), err)
	}
}

func TestRegionsHaveAClientEach(t *testing.T) {
	r, count, call := moto(t)
	arn := call(
		reference.SecretsManager, "CreateSecret", object{"Name": "regional", "SecretString": "here"},
	)["ARN"].(string)
	r.Region = "us-west-2"
	resolved, err := resolve(
		t,
		r,
		map[string]string{"HERE": arn, "THERE": "secretsmanager:regional", "EMPTY": "secretsmanager:regional-2"},
	)
	if got := values(resolved); !maps.Equal(got, map[string]string{"HERE": "here"}) {
		t.Errorf("%q", got)
	}
	if f := problems(
		t, err,
	)["THERE"]; f.Problem != "there is no secret regional in us-west-2, the region that the runner is configured with" {
		t.Errorf("%s", f.Problem)
	}
	if asked := count.take(); asked["GetSecretValue"] != 3 || asked["BatchGetSecretValue"] != 1 {
		t.Errorf("asked for %v", asked)
	}
}

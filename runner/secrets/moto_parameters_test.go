package secrets

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/steps/reference"
)

func TestVersionsAndLabelsOfAParameter(t *testing.T) {
	r, count, call := moto(t)
	for _, value := range []string{"one", "two", "three"} {
		call(
			reference.ParameterStore,
			"PutParameter",
			object{"Name": "/labelled", "Value": value, "Type": "SecureString", "Overwrite": true},
		)
	}
	call(
		reference.ParameterStore,
		"LabelParameterVersion",
		object{"Name": "/labelled", "ParameterVersion": 2, "Labels": []string{"prod"}},
	)
	resolved, err := resolve(
		t,
		r,
		map[string]string{"NEWEST": "ssm:/labelled", "FIRST": "ssm:/labelled:1", "PROD": "ssm:/labelled:prod"},
	)
	if got := values(resolved); err != nil ||
		!maps.Equal(got, map[string]string{"NEWEST": "three", "FIRST": "one", "PROD": "two"}) {
		t.Errorf("%q, %v", got, err)
	}
	if asked := count.take(); asked["GetParameters"] != 3 {
		t.Errorf("asked for %v: the results of one request cannot be distinguished", asked)
	}
	if s := resolved.Secrets[2]; s.Source != "Parameter Store eu-central-1 /labelled version prod" || s.Version != "2" {
		t.Errorf("%s, version %s", s, s.Version)
	}
}

func TestAnARNSelectsItsOwnParameterAlsoWhereARNsAreNotAccepted(t *testing.T) {
	r, _, call := moto(t)
	const arn = "arn:aws:ssm:eu-central-1:123456789012:parameter"
	for name, value := range map[string]string{"/arn/deep": "deep", "arn-flat": "flat", "/arn-rooted": "rooted"} {
		call(reference.ParameterStore, "PutParameter", object{"Name": name, "Value": value, "Type": "SecureString"})
	}
	resolved, err := resolve(
		t,
		r,
		map[string]string{
			"DEEP":   arn + "/arn/deep",
			"FIRST":  arn + "/arn/deep:1",
			"FLAT":   arn + "/arn-flat",
			"ROOTED": arn + "/arn-rooted",
		},
	)
	if got := values(resolved); err != nil ||
		!maps.Equal(got, map[string]string{"DEEP": "deep", "FIRST": "deep", "FLAT": "flat", "ROOTED": "rooted"}) {
		t.Errorf("%q, %v", got, err)
	}
	resolved, err = resolve(
		t,
		r,
		map[string]string{
			"OTHER":  "arn:aws:ssm:eu-central-1:999999999999:parameter/arn/deep",
			"SECOND": arn + "/arn/deep:2",
		},
	)
	failed := problems(t, err)
	if len(resolved.Secrets) != 0 || !strings.Contains(failed["OTHER"].Problem, "there is no parameter /arn/deep") ||
		!strings.Contains(failed["SECOND"].Problem, "its newest version is 1") {
		t.Errorf("%v, %v", resolved, err)
	}
}

func TestAPathSetsAVariableForEachParameterUnderIt(t *testing.T) {
	r, count, call := moto(t)
	want := map[string]string{"OWN": "explicit"}
	for i := range 12 {
		call(
			reference.ParameterStore,
			"PutParameter",
			object{"Name": fmt.Sprintf("/path/app/n%02d", i), "Value": fmt.Sprint(i), "Type": "SecureString"},
		)
		want[fmt.Sprintf("N%02d", i)] = fmt.Sprint(i)
	}
	for name, value := range map[string]string{
		"/path/app/db/pass-word.v2": "deep", "/path/app/2fa": "digit", "/path/app/own": "by path",
		"/path/apple/x": "another path",
	} {
		call(reference.ParameterStore, "PutParameter", object{"Name": name, "Value": value, "Type": "String"})
	}
	want["DB_PASS_WORD_V2"], want["_2FA"] = "deep", "digit"
	call(
		reference.ParameterStore,
		"PutParameter",
		object{"Name": "/path/explicit", "Value": "explicit", "Type": "String"},
	)
	written := map[string]string{
		"APP":   "ssm:/path/app/*",
		"AGAIN": "arn:aws:ssm:eu-central-1:123456789012:parameter/path/app/*",
		"OWN":   "ssm:/path/explicit",
	}
	resolved, err := resolve(t, r, written)
	if got := values(resolved); err != nil || !maps.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	if asked := count.take(); asked["GetParametersByPath"] != 2 {
		t.Errorf("15 parameters asked for %v", asked)
	}
	for _, s := range resolved.Secrets {
		if s.Variable == "DB_PASS_WORD_V2" &&
			(s.Source != "Parameter Store eu-central-1 /path/app/db/pass-word.v2" || s.Version != "1") {
			t.Errorf("%s, version %s", s, s.Version)
		}
	}

	r.Reserved = func(name string) bool { return name == "N03" || name == "OWN" }
	call(reference.ParameterStore, "PutParameter", object{"Name": "/path/app/n-04", "Value": "x", "Type": "String"})
	call(reference.ParameterStore, "PutParameter", object{"Name": "/path/app/n_04", "Value": "x", "Type": "String"})
	delete(written, "AGAIN")
	_, err = resolve(t, r, written)
	var failed *Error
	if !errors.As(err, &failed) || len(failed.Failures) != 2 {
		t.Fatalf("%v", err)
	}
	if got := failed.Failures[1]; got.Variable != "APP" ||
		got.Problem != "Parameter Store eu-central-1 /path/app/n03 would set N03, which the runner sets or relies on" ||
		got.Advice == "" {
		t.Errorf("%+v", got)
	}
	if got := failed.Failures[0]; !strings.Contains(got.Problem, "/path/app/n-04") ||
		!strings.Contains(got.Problem, "/path/app/n_04") ||
		!strings.Contains(got.Problem, "N_04") {
		t.Errorf("%+v", got)
	}
}

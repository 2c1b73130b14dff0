package secrets

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestADeniedParameterDoesNotFailTheOthers(t *testing.T) {
	r, count := fake(t, func(_ string, input object) (int, any) {
		names := list(input, "Names")
		if slices.Contains(names, "/denied") {
			return refuse(
				"AccessDeniedException",
				"User: "+user+" is not authorized to perform: ssm:GetParameters on resource: "+
					"arn:aws:ssm:eu-west-1:123456789012:parameter/denied",
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

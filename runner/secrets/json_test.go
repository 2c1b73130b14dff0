package secrets

import (
	"slices"
	"strings"
	"testing"
)

func TestAKeyOfAJSONSecretKeepsItsExactText(t *testing.T) {
	const secret = "\ufeff " + `{"text":"a\u00e9\n\"","big":12345678901234567890,"huge":1e400,"one":1.0,"yes":true,"no":false,` +
		`"empty":"","object":{"a": [1, "x"]},"list":[ 1 ],"null":null,"Case":"upper","case":"lower","a.b":"dotted",` +
		`"twice":"first","twice":"last"}` + "\n"
	for key, want := range map[string]string{
		"text": "aé\n\"", "big": "12345678901234567890", "huge": "1e400", "one": "1.0", "yes": "true", "no": "false",
		"empty":  "",
		"object": `{"a": [1, "x"]}`, "list": "[ 1 ]", "Case": "upper", "case": "lower", "a.b": "dotted",
		"twice": "last",
	} {
		if got, err := pick(secret, key); err != nil || got != want {
			t.Errorf("%s is %q, %v, want %q", key, got, err, want)
		}
	}
	for _, c := range []struct{ secret, key, want string }{
		{secret, "TEXT", "has no key TEXT among its 14"},
		{secret, "null", "has null under the key null"},
		{"hunter2", "key", "is not a JSON object"},
		{`"hunter2"`, "key", "is not a JSON object"},
		{`["hunter2"]`, "key", "is not a JSON object"},
		{"null", "key", "is not a JSON object"},
		{"", "key", "is not a JSON object"},
		{`{"key":"hunter2"`, "key", "is not a JSON object"},
		{`{"key":hunter2}`, "key", "is not a JSON object"},
	} {
		_, err := pick(c.secret, c.key)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s of %s: %v, want %s", c.key, c.secret, err, c.want)
		}
		if err != nil &&
			(strings.Contains(
				err.Error(), "hunter2",
			) || strings.Contains(err.Error(), "dotted") || strings.Contains(err.Error(), "Case")) {
			t.Errorf("the secret is in %q", err)
		}
	}
}

func TestEveryStringOfAJSONSecretIsALeaf(t *testing.T) {
	for text, want := range map[string][]string{
		`{"a":"one","b":{"c":"two","d":["three",{"e":"four"}],"f":5},"g":"","h":null,"a":"again"}`: {
			"one", "two", "three", "four", "again",
		},
		` ["x\u0041",["y"],{"k":"v"},"z"] `: {"xA", "y", "v", "z"},
		`{}`:                                {},
		`[[],{},[{"a":{}}],"end"]`:          {"end"},
		`{"a":{"b":{}},"c":"d"}`:            {"d"},
		"\ufeff{\"a\":\"b\"}":               {"b"},
	} {
		got := leaves(text)
		if len(got) == 0 || got[0] != text || !slices.Equal(got[1:], want) {
			t.Errorf("%s has the leaves %q, want itself and %q", text, got, want)
		}
	}
	for _, text := range []string{
		"", "plain", `"string"`, "12345678", "true", "null", `{"a":`, `{"a":"b"} trailing`, "-----BEGIN KEY-----",
	} {
		if got := leaves(text); got != nil {
			t.Errorf("%q has the leaves %q", text, got)
		}
	}
}

func FuzzLeaves(f *testing.F) {
	f.Add(`{"a":"b","c":[1,"d",{"e":null}]}`, "a")
	f.Add("[]", "")
	f.Fuzz(func(t *testing.T, text, key string) {
		found := leaves(text)
		value, err := pick(text, key)
		if err != nil {
			return
		}
		// A string that a variable is set to is among the leaves.
		if value != "" && !strings.ContainsAny(value[:1], "{[-0123456789tf") && !slices.Contains(found, value) {
			t.Fatalf("%q of %q is none of %q", value, text, found)
		}
	})
}

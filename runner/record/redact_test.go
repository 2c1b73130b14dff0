package record

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/runner/redact"
)

const secret = "hunter2-hunter2"

// Whatever is added to a record is redacted unless its tag or its type says that it is written by this program.
func TestEveryTextOfARecordIsRedacted(t *testing.T) {
	r := redact.New(redact.Secret{Name: "PASSWORD", Value: secret})
	for _, masked := range []string{string(RolledBack), string(Superseded), string(Failure), "UPDATE_COMPLETE"} {
		r.Add(redact.Secret{Name: "MASK", Value: masked})
	}
	var run Run
	texts := fill(reflect.ValueOf(&run).Elem())
	if texts < 60 {
		t.Fatalf("only %d texts were filled", texts)
	}
	run.Delivery.Outcome, run.Delivery.Rollback.Action, run.Reason, run.Delivery.Status = RolledBack, Superseded, Failure, "UPDATE_COMPLETE"
	clean := redact.Value(r, run)
	var found []string
	collect(reflect.ValueOf(clean), "", &found)
	for _, place := range found {
		t.Errorf("%s holds the secret", place)
	}
	if clean.Delivery.Outcome != RolledBack || clean.Delivery.Rollback.Action != Superseded ||
		clean.Reason != Failure ||
		clean.Delivery.Status != "UPDATE_COMPLETE" {
		t.Errorf("a mask changed a verdict: %+v", clean)
	}
}

// fill sets every text below v that has to be redacted, makes what pointers, slices and maps refer to, and counts.
func fill(v reflect.Value) (texts int) {
	switch v.Kind() {
	case reflect.String:
		if v.Type() == reflect.TypeFor[string]() {
			v.SetString(secret)
			return 1
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		return fill(v.Index(0))
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && f.Tag.Get("redact") != "-" {
				texts += fill(v.Field(i))
			}
		}
	}
	return texts
}

// collect appends the places of texts that hold the secret.
func collect(v reflect.Value, place string, found *[]string) {
	switch v.Kind() {
	case reflect.String:
		if strings.Contains(v.String(), secret) {
			*found = append(*found, place)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			collect(v.Elem(), place, found)
		}
	case reflect.Slice:
		for i := range v.Len() {
			collect(v.Index(i), fmt.Sprintf("%s[%d]", place, i), found)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				collect(v.Field(i), place+"."+f.Name, found)
			}
		}
	}
}

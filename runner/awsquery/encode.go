package awsquery

import (
	"net/url"
	"reflect"
	"strconv"
)

// encoder writes the fields of a struct to a form.
type encoder struct {
	form url.Values
	ec2  bool
}

// encode writes a value under a name. What is not set is left out, except for an empty list, which empties one.
func (e encoder) encode(name string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			e.encodeSet(name, v.Elem())
		}
	case reflect.String:
		if v.String() != "" { // a word of an enumeration
			e.encodeSet(name, v)
		}
	default:
		e.encodeSet(name, v)
	}
}

// encodeSet writes a value that is set.
func (e encoder) encodeSet(name string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.IsExported() && field.Name != "ResultMetadata" {
				e.encode(join(name, field.Name), v.Field(i))
			}
		}
	case reflect.Slice:
		e.list(name, v)
	case reflect.String:
		e.form.Set(name, v.String())
	case reflect.Bool:
		e.form.Set(name, strconv.FormatBool(v.Bool()))
	case reflect.Int, reflect.Int32, reflect.Int64:
		e.form.Set(name, strconv.FormatInt(v.Int(), 10))
	}
}

func (e encoder) list(name string, v reflect.Value) {
	if v.IsNil() {
		return
	}
	if v.Len() == 0 {
		e.form.Set(name, "")
	}
	member := name + ".member."
	if e.ec2 {
		member = name + "."
	}
	for i := range v.Len() {
		e.encodeSet(member+strconv.Itoa(i+1), v.Index(i))
	}
}

func join(name, field string) string {
	if name == "" {
		return field
	}
	return name + "." + field
}

package redact

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"sort"
	"strings"
	"sync"
)

// Constant marks a type whose values are all written in this program, such as a status or a reason. Value copies
// them as they are, so that a mask like "success" cannot change what a reader decides by. The method is never
// called.
//
// Do not implement it on a type that holds text from outside.
type Constant interface{ RedactConstant() }

// Value returns a deep copy of v in which every string is redacted. Encode the copy: keys, tags and punctuation
// that an encoder adds are then out of reach of any secret or mask.
//
//   - Redacted: strings of any type in exported fields, elements, map values and map keys, behind pointers and
//     interfaces; []byte as text; json.RawMessage leaf by leaf, and replaced by a JSON string if it is not valid
//     JSON.
//   - Copied as they are: names of fields, values of types that implement Constant (as T or *T), fields tagged
//     `redact:"-"`, unexported fields, numbers, booleans, times. Types that hold no strings are shared with v.
//   - Keys of a map that become equal get a number: "[REDACTED:A]", "[REDACTED:A] 2", in the order of the
//     original keys.
//
// Values that contain themselves are not supported. Texts behind unexported fields, such as those of most errors,
// are not found: store err.Error() instead.
func Value[T any](r *Redactor, v T) T {
	clean := reflect.ValueOf(&v).Elem()
	if p := planOf(clean.Type()); p != nil {
		p(r, clean)
	}
	return v
}

// plan redacts a settable value, which is a shallow copy of the original. A nil plan is for types without strings.
type plan func(*Redactor, reflect.Value)

var (
	plans        sync.Map // of plan by reflect.Type
	constantType = reflect.TypeFor[Constant]()
	rawType      = reflect.TypeFor[json.RawMessage]()
	numberType   = reflect.TypeFor[json.Number]()
)

func planOf(t reflect.Type) plan {
	if p, ok := plans.Load(t); ok {
		return p.(plan)
	}
	return planner{}.plan(t)
}

// planner makes the plans of a type and of those it contains. Its keys are the types whose plan is not complete.
type planner map[reflect.Type]bool

func (b planner) plan(t reflect.Type) plan {
	if p, ok := plans.Load(t); ok {
		return p.(plan)
	}
	if b[t] { // a type that contains itself
		return func(r *Redactor, v reflect.Value) {
			if p := planOf(t); p != nil {
				p(r, v)
			}
		}
	}
	b[t] = true
	p := b.make(t)
	delete(b, t)
	if len(b) == 0 { // else it may refer to a type whose plan is not complete
		plans.Store(t, p)
	}
	return p
}

func (b planner) make(t reflect.Type) plan {
	switch {
	case t.Implements(constantType), reflect.PointerTo(t).Implements(constantType), t == numberType:
		return nil
	case t == rawType:
		return redactRaw
	}
	switch t.Kind() {
	case reflect.String:
		return redactString
	case reflect.Interface:
		return redactInterface
	case reflect.Struct:
		return b.fields(t)
	case reflect.Pointer:
		return pointerPlan(b.plan(t.Elem()))
	case reflect.Array:
		return elementsPlan(b.plan(t.Elem()))
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return redactBytes
		}
		return slicePlan(b.plan(t.Elem()))
	case reflect.Map:
		return mapPlan(b.plan(t.Key()), b.plan(t.Elem()))
	}
	return nil
}

func (b planner) fields(t reflect.Type) plan {
	type field struct {
		index int
		plan  plan
	}
	var fields []field
	for i := range t.NumField() {
		f := t.Field(i)
		promotes := f.Anonymous && f.Type.Kind() == reflect.Struct
		if f.Tag.Get("redact") == "-" || !f.IsExported() && !promotes {
			continue
		}
		if p := b.plan(f.Type); p != nil {
			fields = append(fields, field{i, p})
		}
	}
	if fields == nil {
		return nil
	}
	return func(r *Redactor, v reflect.Value) {
		for _, f := range fields {
			f.plan(r, v.Field(f.index))
		}
	}
}

func redactString(r *Redactor, v reflect.Value) {
	text := v.String()
	if clean := r.String(text); clean != text && v.CanSet() {
		v.SetString(clean)
	}
}

func redactBytes(r *Redactor, v reflect.Value) {
	if !v.IsNil() {
		v.SetBytes(bytes.Clone(r.Bytes(v.Bytes())))
	}
}

// redactRaw redacts the strings and keys of encoded JSON.
func redactRaw(r *Redactor, v reflect.Value) {
	if v.IsNil() {
		return
	}
	var tree any
	decoder := json.NewDecoder(bytes.NewReader(v.Bytes()))
	decoder.UseNumber()
	if err := decoder.Decode(&tree); err != nil || decoder.More() {
		tree = string(v.Bytes())
	}
	encoded, err := json.Marshal(Value(r, tree))
	if err != nil {
		encoded = []byte("null") // a number that no encoder takes
	}
	v.SetBytes(encoded)
}

func redactInterface(r *Redactor, v reflect.Value) {
	if v.IsNil() {
		return
	}
	inner := v.Elem()
	p := planOf(inner.Type())
	if p == nil {
		return
	}
	clean := reflect.New(inner.Type()).Elem()
	clean.Set(inner)
	p(r, clean)
	v.Set(clean)
}

func pointerPlan(element plan) plan {
	if element == nil {
		return nil
	}
	return func(r *Redactor, v reflect.Value) {
		if v.IsNil() {
			return
		}
		clean := reflect.New(v.Type().Elem())
		clean.Elem().Set(v.Elem())
		element(r, clean.Elem())
		v.Set(clean)
	}
}

func elementsPlan(element plan) plan {
	if element == nil {
		return nil
	}
	return func(r *Redactor, v reflect.Value) {
		for i := range v.Len() {
			element(r, v.Index(i))
		}
	}
}

func slicePlan(element plan) plan {
	each := elementsPlan(element)
	if each == nil {
		return nil
	}
	return func(r *Redactor, v reflect.Value) {
		if v.IsNil() {
			return
		}
		clean := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(clean, v)
		each(r, clean)
		v.Set(clean)
	}
}

func mapPlan(key, element plan) plan {
	if key == nil && element == nil {
		return nil
	}
	return func(r *Redactor, v reflect.Value) {
		if v.IsNil() {
			return
		}
		clean := reflect.MakeMapWithSize(v.Type(), v.Len())
		keys := v.MapKeys()
		if key != nil {
			sort.Slice(keys, func(i, j int) bool {
				a, b := keys[i], keys[j]
				return strings.Compare(keyText(a), keyText(b)) < 0
			})
		}
		for _, k := range keys {
			value := settable(v.MapIndex(k))
			if element != nil {
				element(r, value)
			}
			if key != nil {
				k = redactKey(r, key, k, v, clean)
			}
			clean.SetMapIndex(k, value)
		}
		v.Set(clean)
	}
}

// redactKey returns the key that stands for k in clean, the copy of original.
func redactKey(r *Redactor, key plan, k, original, clean reflect.Value) reflect.Value {
	to := settable(k)
	key(r, to)
	if to.Kind() != reflect.String || to.String() == k.String() {
		return to
	}
	for base, n := to.String(), 2; clean.MapIndex(to).IsValid() || original.MapIndex(to).IsValid(); n++ {
		to.SetString(fmt.Sprintf("%s %d", base, n))
	}
	return to
}

// keyText is what keys are sorted by.
func keyText(k reflect.Value) string {
	if k.Kind() == reflect.String {
		return k.String()
	}
	return fmt.Sprint(k)
}

// settable returns a shallow copy of v that can be changed.
func settable(v reflect.Value) reflect.Value {
	c := reflect.New(v.Type()).Elem()
	c.Set(v)
	return c
}

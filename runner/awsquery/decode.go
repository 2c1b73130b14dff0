package awsquery

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// node is an element of a response.
type node struct {
	name     string
	value    string // its text, as it is
	children []*node
}

func (n *node) child(name string) *node {
	for _, c := range n.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

func (n *node) text(name string) string {
	if c := n.child(name); c != nil {
		return c.value
	}
	return ""
}

// parse reads a response.
func parse(text []byte) (*node, error) {
	d := xml.NewDecoder(bytes.NewReader(text))
	top := &node{}
	open := []*node{top}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		last := open[len(open)-1]
		switch t := token.(type) {
		case xml.StartElement:
			child := &node{name: t.Name.Local}
			last.children = append(last.children, child)
			open = append(open, child)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			last.value += string(t)
		}
	}
	if len(top.children) != 1 {
		return nil, errors.New("there is not one element")
	}
	return top.children[0], nil
}

// decode reads a node into a value. Elements without a field are ignored.
func decode(v reflect.Value, n *node) error {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		return decode(v.Elem(), n)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return decodeTime(v, n)
		}
		for _, c := range n.children {
			name := strings.ToUpper(c.name[:1]) + c.name[1:] // EC2's begin with a small letter
			if field := v.FieldByName(name); field.IsValid() && field.CanSet() {
				if err := decode(field, c); err != nil {
					return err
				}
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 0, len(n.children)))
		for _, c := range n.children {
			item := reflect.New(v.Type().Elem()).Elem()
			if err := decode(item, c); err != nil {
				return err
			}
			v.Set(reflect.Append(v, item))
		}
	default:
		return decodeScalar(v, n)
	}
	return nil
}

func decodeTime(v reflect.Value, n *node) error {
	t, err := time.Parse(time.RFC3339, n.value)
	if err != nil {
		return fmt.Errorf("%s is not a time", n.name)
	}
	v.Set(reflect.ValueOf(t))
	return nil
}

func decodeScalar(v reflect.Value, n *node) error {
	var err error
	switch v.Kind() {
	case reflect.String:
		v.SetString(n.value)
	case reflect.Bool:
		var is bool
		is, err = strconv.ParseBool(strings.ToLower(n.value))
		v.SetBool(is)
	case reflect.Int, reflect.Int32, reflect.Int64:
		var number int64
		number, err = strconv.ParseInt(n.value, 10, 64)
		v.SetInt(number)
	case reflect.Float64:
		var number float64
		number, err = strconv.ParseFloat(n.value, 64)
		v.SetFloat(number)
	}
	if err != nil {
		return fmt.Errorf("%s has the value %q", n.name, n.value)
	}
	return nil
}

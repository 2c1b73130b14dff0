package secrets

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// pick returns the value of a key in a JSON secret: a string as it is, anything else as its JSON text, so that numbers
// are neither rounded nor reformatted. The error has neither the secret's text nor its other keys.
func pick(text, key string) (string, error) {
	var object map[string]json.RawMessage
	if json.Unmarshal(jsonText(text), &object) != nil || object == nil {
		return "", fmt.Errorf("is not a JSON object, so it has no key %s", key)
	}
	raw, ok := object[key]
	switch {
	case !ok:
		return "", fmt.Errorf("has no key %s among its %d", key, len(object))
	case string(raw) == "null":
		return "", fmt.Errorf("has null under the key %s", key)
	case raw[0] != '"':
		return string(raw), nil
	}
	var value string
	if json.Unmarshal(raw, &value) != nil {
		return "", fmt.Errorf("has an invalid string under the key %s", key)
	}
	return value, nil
}

// leaves returns the text and every string in it if it is a JSON object or array, and nothing otherwise.
func leaves(text string) []string {
	raw := jsonText(text)
	if !json.Valid(raw) || !strings.ContainsAny(string(raw[:1]), "{[") {
		return nil
	}
	found := []string{text}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	// Every other token of an object is a key, which is not a secret.
	type level struct{ object, key bool }
	var open []level
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) || err != nil {
			return found
		}
		isKey := len(open) > 0 && open[len(open)-1].key
		if len(open) > 0 && open[len(open)-1].object {
			open[len(open)-1].key = !isKey
		}
		switch token := token.(type) {
		case json.Delim:
			switch token {
			case '{':
				open = append(open, level{object: true, key: true})
			case '[':
				open = append(open, level{})
			default:
				open = open[:len(open)-1]
			}
		case string:
			if !isKey && token != "" {
				found = append(found, token)
			}
		}
	}
}

// jsonText is the text without a byte order mark and surrounding space.
func jsonText(text string) []byte {
	return bytes.TrimSpace([]byte(strings.TrimPrefix(text, "\ufeff")))
}

package secrets

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// pick returns what a JSON secret has under key: a string as it is, anything else as the text it was written in, so
// that a number is neither rounded nor reshaped. Neither the secret's text nor its other keys are in the error.
func pick(text, key string) (string, error) {
	var object map[string]json.RawMessage
	if json.Unmarshal(jsonText(text), &object) != nil || object == nil {
		return "", fmt.Errorf("is no JSON object, so it has no key %s", key)
	}
	raw, ok := object[key]
	switch {
	case !ok:
		return "", fmt.Errorf("has no key %s among its %d", key, len(object))
	case string(raw) == "null":
		return "", fmt.Errorf("has null under the key %s, which is no value", key)
	case raw[0] != '"':
		return string(raw), nil
	}
	var value string
	if json.Unmarshal(raw, &value) != nil {
		return "", fmt.Errorf("has no text under the key %s", key)
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
	// Of an object's tokens every other one is a key, and a key is no secret.
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

// jsonText is text without the mark that some editors begin a file with, and the space around it.
func jsonText(text string) []byte {
	return bytes.TrimSpace([]byte(strings.TrimPrefix(text, "\ufeff")))
}

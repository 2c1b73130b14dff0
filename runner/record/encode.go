package record

import (
	"bytes"
	"encoding/json"
	"regexp"
)

// Encode returns v as indented JSON with a final line break; lists of numbers stand on one line. Redact v first.
func Encode(v any) ([]byte, error) {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(compactNumbers(text), '\n'), nil
}

// numbers matches a list of nothing but numbers in indented JSON. No string can match, since it has no line breaks.
var numbers = regexp.MustCompile(`\[\n\s+-?[0-9][-+0-9.eE,\s]*\]`)

// compactNumbers puts each list of numbers on one line.
func compactNumbers(text []byte) []byte {
	return numbers.ReplaceAllFunc(text, func(list []byte) []byte { return bytes.Join(bytes.Fields(list), nil) })
}

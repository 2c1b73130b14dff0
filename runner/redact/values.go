package redact

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// minimum is the length of the shortest value that is redacted, in bytes.
const minimum = 6

// Longer values are looked for in pieces, so that little has to be held back to know one, and a part of one is
// known, too. Pieces overlap, so that no base64 character falls between two.
const (
	pieceLength  = 192
	pieceOverlap = 3
)

// valuesOf returns all that counts as the secret: the value, the strings in it if it is JSON, the password in it
// if it is a URL, and its lines. Short are the names of those that cannot be redacted.
func valuesOf(s Secret) (values, short []string) {
	v := collector{}
	v.add(s.Name, s.Value, true)
	return slices.Sorted(maps.Keys(v.values)), v.short
}

type collector struct {
	values map[string]bool
	short  []string
}

// add takes a value in. Of one that is too short, the name is kept if it is expected to be secret.
func (c *collector) add(name, value string, expected bool) {
	value = unquote(strings.TrimSpace(value)) // what is inside is in the text wherever the whole is
	if value == "" {
		return
	}
	if trivial(value) {
		if expected {
			c.short = append(c.short, name)
		}
		return
	}
	if c.values == nil {
		c.values = map[string]bool{}
	}
	for _, piece := range pieces(value) {
		if !trivial(piece) {
			c.values[piece] = true
		}
	}
	if value[0] == '{' || value[0] == '[' {
		var tree any
		if json.Unmarshal([]byte(value), &tree) == nil {
			c.leaves(name, tree, expected)
			return // its lines are punctuation and what is a leaf already
		}
	}
	for _, password := range urlPasswords(value) {
		c.add(name+".password", password, true)
	}
	c.lines(name, value)
}

// leaves takes in the strings of a JSON value, not its keys.
func (c *collector) leaves(name string, tree any, expected bool) {
	switch t := tree.(type) {
	case string:
		c.add(name, t, expected)
	case []any:
		for _, e := range t {
			c.leaves(name, e, expected)
		}
	case map[string]any:
		for key, e := range t {
			c.leaves(name+"."+key, e, IsSecretName(key))
		}
	}
}

// pieces cuts a long value, at no place inside a rune.
func pieces(value string) []string {
	var cut []string
	for len(value) > pieceLength*3/2 {
		end, next := pieceLength, pieceLength-pieceOverlap
		for n := 0; n < utf8.UTFMax && !utf8.RuneStart(value[end]); n++ {
			end++
		}
		for n := 0; n < utf8.UTFMax && !utf8.RuneStart(value[next]); n++ {
			next--
		}
		cut = append(cut, value[:end])
		value = value[next:]
	}
	return append(cut, value)
}

func unquote(s string) string {
	if n := len(s); n >= minimum+2 && (s[0] == '"' || s[0] == '\'') && s[n-1] == s[0] {
		return s[1 : n-1]
	}
	return s
}

// trivial reports whether a value is in so many texts that to redact it would tell more than it hides.
func trivial(s string) bool {
	if len(s) < minimum || strings.Trim(s, s[:1]) == "" {
		return true
	}
	if strings.Trim(s, "0123456789.,:+-_ ") == "" && len(s) < 2*minimum {
		return true // a number, a version, a date
	}
	if strings.Trim(s, "{}[]()<>,;:.=-_*#/\\|+~'\"` \t\r\n") == "" {
		return true
	}
	switch strings.ToLower(s) {
	case "undefined", "default", "example", "enabled", "disabled", "localhost",
		"production", "staging", "development", "password", "secret":
		return true
	}
	return false
}

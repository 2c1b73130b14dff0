package redact

import (
	"slices"
	"strings"
	"unicode"
)

// lines takes in what of a value of several lines is secret when a tool shows one of them, or indents them. They
// may be separated by the two characters \n, as variables hold them.
//
// A line is a frame, which is in every file of its kind (-----BEGIN, [section], key:, braces, comments); or a
// field, of which the value counts, but for plain words under a key that does not sound secret (apiVersion: v1,
// region = eu-west-1); or neither, as those of keys are, and then it counts as it is.
func (c *collector) lines(name, value string) {
	separated := strings.NewReplacer(`\r\n`, "\n", `\n`, "\n", "\r", "\n").Replace(value)
	if !strings.Contains(separated, "\n") {
		return
	}
	var words []string // of a .netrc, which may have them on one line or on several
	for line := range strings.SplitSeq(separated, "\n") {
		line = strings.TrimSpace(line)
		if list := strings.Fields(line); netrc(list) {
			words = append(words, list...)
		} else if key, value, ok := field(line); ok {
			c.field(name, key, value)
		} else if !frame(line) {
			c.add(name, line, false)
		}
	}
	for i := 1; i < len(words); i++ {
		if words[i-1] == "password" || words[i-1] == "account" {
			c.add(name+"."+words[i-1], words[i], true)
		}
	}
}

func (c *collector) field(name, key, value string) {
	switch strings.Trim(value, `"'{}[]|>+-&*~ `) {
	case "", "null", "true", "false":
		return
	}
	if secret := IsSecretName(key); secret || !plain(value) {
		c.add(name+"."+key, value, secret)
		if before, _, ok := strings.Cut(value, " #"); ok { // a comment
			c.add(name+"."+key, before, secret)
		}
	}
}

// frame reports whether a line is of the kind that says nothing.
func frame(line string) bool {
	if line == "" || strings.HasPrefix(line, dashes) {
		return true
	}
	if line[0] == '#' || line[0] == ';' { // a comment, if it looks like one
		return !slices.ContainsFunc(strings.Fields(line), func(word string) bool { return !plain(word) })
	}
	last := line[len(line)-1]
	return (line[0] == '[' && last == ']' || line[0] == '<' && last == '>') && plain(line)
}

// field splits a line of YAML, JSON, TOML, INI, XML, .env, .npmrc or Java's properties. An item of a list is a
// field without a key.
func field(line string) (key, value string, ok bool) {
	line, item := strings.CutPrefix(line, "- ")
	line = strings.TrimSuffix(strings.TrimPrefix(line, "export "), ",")
	if inside, ok := strings.CutPrefix(line, "{"); ok {
		line = strings.TrimSuffix(inside, "}")
	}
	line = strings.TrimSpace(line)
	if element, ok := strings.CutPrefix(line, "<"); ok {
		key, value, _ = strings.Cut(element, ">")
		value, ok = strings.CutSuffix(value, "</"+key+">")
		return key, value, ok
	}
	at := separator(line)
	if at <= 0 {
		return "", line, item
	}
	key, value = strings.Trim(line[:at], `"' `), strings.TrimSpace(line[at+1:])
	base64 := line[at] == '=' && strings.Trim(value, "=") == ""
	if base64 || strings.Contains(key, "://") || strings.ContainsAny(key, " \t") || !plain(key) {
		return "", line, item
	}
	return key, value, true
}

// separator returns where the key of a field ends: before what comes first of a colon and an equals sign.
func separator(line string) int {
	at := strings.IndexByte(line, '=')
	for _, colon := range []string{": ", `":`} {
		if n := strings.Index(line+" ", colon); n >= 0 && (at < 0 || n < at) {
			at = n + len(colon) - 1
			if colon == ": " {
				at = n
			}
		}
	}
	return at
}

// netrc reports whether words are of a .netrc.
func netrc(words []string) bool {
	for i := 0; i < len(words); i += 2 {
		switch words[i] {
		case "default":
			i--
		case "machine", "login", "password", "account":
			if i+1 == len(words) {
				return false
			}
		default:
			return false
		}
	}
	return len(words) > 0
}

// plain reports whether s is made of words and numbers as people write them, with whatever between: a name, a
// path, a date, a URL without password. What mixes letters with digits, or capitals with small letters, or is
// long, is a password or a key, and a few words may be a phrase that is one.
func plain(s string) bool {
	const (
		phrase  = 4  // words
		longest = 20 // bytes of a word
	)
	if len(strings.Fields(s)) >= phrase || strings.Contains(s, "://") && strings.Contains(s, "@") {
		return false
	}
	abbreviations := 0 // v1, k8s
	for _, word := range strings.FieldsFunc(s, func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) }) {
		switch {
		case len(word) > longest:
			return false
		case spelled(word):
		case len(word) > 3 || abbreviations > 0:
			return false
		default:
			abbreviations++
		}
	}
	return true
}

// spelled reports whether a word has digits only, or letters: small ones, capitals, or small ones with a capital
// at the beginning of its parts (apiVersion, KeyId).
func spelled(word string) bool {
	var digits, capitals, small int
	for _, c := range word {
		switch {
		case unicode.IsDigit(c):
			digits++
		case unicode.IsUpper(c):
			capitals++
		default:
			small++
		}
	}
	if digits > 0 {
		return capitals+small == 0
	}
	return small == 0 || small >= 2*capitals
}

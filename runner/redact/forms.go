package redact

import (
	"encoding/hex"
	"strconv"
	"strings"
)

// formsOf returns value and what encoders make of it, each once. What is inside another is not left out:
// the longest that matches is replaced, so that no quotes or padding remain.
func formsOf(value string) []string {
	f := forms{seen: map[string]bool{}}
	f.add(value)
	f.encoded(value)
	if isPlain(value) {
		return f.list // nothing escapes it
	}
	for _, v := range lineEndings(value) {
		f.add(v)
		f.escaped(v)
		if v != value {
			f.encoded(v)
		}
	}
	return f.list
}

// coreFormsOf returns value and what the usual encoders make of it: base64 at each alignment, hexadecimal,
// escaped for URLs, JSON, XML and shells. There are a fifth as many as formsOf has.
func coreFormsOf(value string) []string {
	f := forms{seen: map[string]bool{}}
	f.add(value)
	h := hex.EncodeToString([]byte(value))
	f.add(h)
	f.add(strings.ToUpper(h))
	for shift := range 3 {
		core, _ := base64Core(value, shift)
		f.base64Text(core)
	}
	if isPlain(value) {
		return f.list
	}
	for _, v := range lineEndings(value) {
		f.add(v)
		for _, u := range coreURLs {
			f.add(u.escape(v, strings.ToLower))
			f.add(u.escape(v, strings.ToUpper))
		}
		for _, j := range coreJSONs {
			f.add(j.escape(v))
		}
		for _, r := range coreReplacements {
			f.add(r.Replace(v))
		}
	}
	return f.list
}

type forms struct {
	list []string
	seen map[string]bool
}

func (f *forms) add(text string) {
	if len(text) >= minimum && !f.seen[text] {
		f.seen[text] = true
		f.list = append(f.list, text)
	}
}

// isPlain reports whether no escaping changes s.
func isPlain(s string) bool {
	return strings.IndexFunc(s, func(c rune) bool { return !isAlnum(c) && c != '_' && c != '-' && c != '.' }) < 0
}

func isAlnum[T byte | rune](c T) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// lineEndings returns s with each kind of line ending, and with spaces, as an unquoted shell variable has them.
func lineEndings(s string) []string {
	unix := strings.ReplaceAll(s, "\r\n", "\n")
	if !strings.Contains(unix, "\n") {
		return []string{s}
	}
	return []string{s, unix, strings.ReplaceAll(unix, "\n", "\r\n"), strings.ReplaceAll(unix, "\n", " ")}
}

// escaped adds what is made of s to put it into a URL, JSON, XML, a mail, a program's text or a shell's command.
func (f *forms) escaped(s string) {
	f.percentEncoded(s)
	for i, j := range jsons {
		inner := j.escape(s)
		twice := jsons[0].escape(inner) // a text with JSON in it, as JSON
		f.add(inner)
		f.add(twice)
		f.add(j.escape(inner))
		if i < len(coreJSONs) {
			f.add(jsons[0].escape(twice))
		}
	}
	if inner := jsons[0].escape(s); inner != s {
		for shift := range 3 { // JSON files in base64 are how clusters keep credentials
			f.base64(inner, shift)
		}
	}
	for _, r := range replacements {
		f.add(r.Replace(s))
	}
	for _, quote := range []func(string) string{strconv.Quote, strconv.QuoteToASCII} {
		q := quote(s)
		f.add(q[1 : len(q)-1])
	}
	f.add(backslashed(s))
	for _, b := range byteEscapers {
		f.add(b.escape(s))
	}
}

// percentEncoded adds s as it is in URLs: once, twice, and in base64.
func (f *forms) percentEncoded(s string) {
	for i, u := range urls {
		upper := u.escape(s, strings.ToUpper)
		f.add(u.escape(s, strings.ToLower))
		f.add(upper)
		if i < len(coreURLs) {
			f.add(u.escape(upper, strings.ToUpper))
		}
	}
	for shift := range 3 {
		f.base64(urls[0].escape(s, strings.ToUpper), shift)
	}
}

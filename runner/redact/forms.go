package redact

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// MinLength is how long a value, or a form of it, must be to be redacted, in bytes.
const MinLength = 6

// tooCommon tells values that a log is full of anyway.
func tooCommon(value string) bool {
	value = strings.TrimSpace(value)
	switch strings.ToLower(value) {
	case "undefined", "example", "default", "production", "staging", "development", "localhost", "password", "secret", "enabled", "disabled":
		return true
	}
	return len(value) < MinLength
}

// forms returns the texts by which a secret is known: its value, each line of it, every string in it if it is JSON, and of each
// of these what the usual encoders make of it.
func forms(s Secret) []pattern {
	var all []pattern
	seen := map[string]bool{}
	add := func(text string) {
		if len(text) >= MinLength && !seen[text] {
			seen[text] = true
			all = append(all, pattern{[]byte(text), s.Name})
		}
	}
	for _, value := range parts(s.Value) {
		for _, text := range encodings(value) {
			add(text)
		}
	}
	return all
}

// parts are the value itself, its lines, and the strings of a JSON document. A value of several lines is known by its lines:
// they are found whatever is between them.
func parts(value string) []string {
	all := []string{}
	if !strings.ContainsAny(strings.Trim(value, "\r\n"), "\r\n") {
		all = append(all, strings.Trim(value, "\r\n"))
	} else {
		all = append(all, encodedWhole(value)...)
	}
	for line := range strings.FieldsFuncSeq(value, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if !tooCommon(line) && !strings.HasPrefix(line, "-----BEGIN ") && !strings.HasPrefix(line, "-----END ") {
			all = append(all, strings.TrimSpace(line))
		}
	}
	var document any
	if strings.HasPrefix(strings.TrimSpace(value), "{") || strings.HasPrefix(strings.TrimSpace(value), "[") {
		if json.Unmarshal([]byte(value), &document) == nil {
			all = append(all, leaves(document)...)
		}
	}
	return all
}

// encodedWhole are the forms of a text of several lines in which its lines are not seen.
func encodedWhole(value string) []string {
	var all []string
	for _, v := range []string{value, strings.TrimRight(value, "\r\n")} {
		all = append(all, base64Forms(v)...)
		all = append(all, hex.EncodeToString([]byte(v)))
	}
	return all
}

// leaves are the strings in a JSON document. Numbers and booleans are too common, and names are no secrets.
func leaves(document any) []string {
	var all []string
	switch v := document.(type) {
	case string:
		if !tooCommon(v) {
			all = append(all, parts(v)...)
		}
	case []any:
		for _, e := range v {
			all = append(all, leaves(e)...)
		}
	case map[string]any:
		for _, e := range v {
			all = append(all, leaves(e)...)
		}
	}
	return all
}

func encodings(value string) []string {
	all := []string{value}
	all = append(all, base64Forms(value)...)
	all = append(all, hex.EncodeToString([]byte(value)), strings.ToUpper(hex.EncodeToString([]byte(value))))

	path, query := url.PathEscape(value), url.QueryEscape(value)
	for _, u := range []string{path, query, strings.ReplaceAll(query, "+", "%20"), component(value)} {
		all = append(all, u, lowerEscapes(u))
	}

	inJSON := jsonString(value, true)
	plainJSON := jsonString(value, false)
	all = append(all, inJSON, plainJSON, strings.ReplaceAll(plainJSON, "/", `\/`), jsonString(inJSON, false), jsonString(plainJSON, false))
	quoted := strconv.Quote(value)
	ascii := strconv.QuoteToASCII(value)
	all = append(all, quoted[1:len(quoted)-1], ascii[1:len(ascii)-1])

	escaped := html.EscapeString(value) // &#39; and &#34;
	all = append(all, escaped,
		strings.NewReplacer("&#39;", "&apos;", "&#34;", "&quot;").Replace(escaped),
		strings.NewReplacer("&#39;", "&#x27;", "&#34;", "&quot;").Replace(escaped),
		strings.NewReplacer("&#34;", "&quot;").Replace(escaped),
		strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(value),
	)
	all = append(all,
		strings.ReplaceAll(value, `'`, `'\''`), strings.ReplaceAll(value, `'`, `'"'"'`), strings.ReplaceAll(value, `'`, `''`), strings.ReplaceAll(value, `'`, `\'`),
		strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(value),
	)
	return all
}

// base64Forms are the parts of an encoded text that are the same whatever stands before and after the value in it: a value
// begins at one of three places in a group, and what shares a group with its neighbours is not known.
func base64Forms(value string) []string {
	var all []string
	for shift := range 3 {
		raw := append(make([]byte, shift), value...)
		for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			text := e.EncodeToString(raw)
			from := (shift*8 + 5) / 6
			to := (len(raw) * 8) / 6
			if to-from >= minEncoded {
				all = append(all, text[from:to])
			}
		}
	}
	return all
}

// minEncoded keeps the encoded middle of a short value from matching by chance.
const minEncoded = 7

// jsonString is the text between the quotes; htmlSafe is Go's own habit of writing <, > and & as \u003c and so on.
func jsonString(value string, htmlSafe bool) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(htmlSafe)
	if e.Encode(value) != nil {
		return value
	}
	text := strings.TrimSuffix(b.String(), "\n")
	return text[1 : len(text)-1]
}

// component is JavaScript's encodeURIComponent.
func component(value string) string {
	return strings.NewReplacer("+", "%20", "%21", "!", "%27", "'", "%28", "(", "%29", ")", "%2A", "*").Replace(url.QueryEscape(value))
}

var escape = regexp.MustCompile(`%[0-9A-F]{2}`)

func lowerEscapes(s string) string { return escape.ReplaceAllStringFunc(s, strings.ToLower) }

var (
	secretName = regexp.MustCompile(`(?i)(^|_)(TOKENS?|SECRETS?|PASSWORDS?|PASSWD|PASSPHRASE|PASSCODE|PWD|KEYS?|APIKEY|CREDENTIALS?|PRIVATE|AUTH|DSN|WEBHOOK_URL|CONNECTION_STRING)$|PASSWORDS?$`)
	publicName = regexp.MustCompile(`(?i)(^PWD$|^OLDPWD$|(^|_)(PUBLIC_KEYS?|KEY_IDS?|PUBLISHABLE_KEY|CACHE_KEY|PRIMARY_KEY|SSH_KEY_PATH)$|_FILE$|_PATH$|^SSH_AUTH_SOCK$)`)
)

// SecretName reports whether a variable's name says that its value is secret: it ends with TOKEN, SECRET, PASSWORD, KEY,
// CREDENTIALS and the like. Public keys, the ids of keys and paths to files are not.
func SecretName(name string) bool {
	return secretName.MatchString(name) && !publicName.MatchString(name)
}

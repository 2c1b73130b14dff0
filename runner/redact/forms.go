package redact

import (
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
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

// coreFormsOf returns value and what the usual encoders make of it: base64 at each alignment, hexadecimal, escaped for URLs,
// JSON, XML and shells. There are a fifth as many as formsOf has.
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

// encoded adds what makes s unreadable: hex, base64, and base64 of that.
func (f *forms) encoded(s string) {
	h := hex.EncodeToString([]byte(s))
	f.add(h)
	f.add(strings.ToUpper(h))
	for shift := range 3 {
		core, whole := f.base64(s, shift)
		f.base64(s+"\n", shift)
		for outer := range 3 {
			f.base64(whole, outer)
			c, _ := base64Core(core, outer)
			f.base64Text(c)
		}
	}
}

// base64 adds s as it is in the base64 of a text that has shift more bytes, modulo 3, before it. It returns
// what is there whatever comes before and after, and what is if nothing comes after, with its padding.
func (f *forms) base64(s string, shift int) (core, whole string) {
	core, last := base64Core(s, shift)
	f.base64Text(core)
	if last == "" {
		return core, core
	}
	whole = core + last + strings.Repeat("=", 3-(shift+len(s))%3)
	f.base64Text(core + last)
	f.base64Text(whole)
	return core, whole
}

func (f *forms) base64Text(s string) {
	f.add(s)
	if strings.ContainsAny(s, "+/") {
		f.add(urlAlphabet.Replace(s))
	}
}

var urlAlphabet = strings.NewReplacer("+", "-", "/", "_")

// base64Core returns the characters that depend on s alone, and the one that does if nothing follows s.
func base64Core(s string, shift int) (core, last string) {
	e := base64.RawStdEncoding.EncodeToString(append(make([]byte, shift, shift+len(s)), s...))
	if end := 8 * (shift + len(s)) / 6; end < len(e) {
		e, last = e[:end], e[end:]
	}
	return e[min(len(e), (8*shift+5)/6):], last
}

// escaped adds what is made of s to put it into a URL, JSON, XML, a program's text or a shell's command.
func (f *forms) escaped(s string) {
	for _, u := range urls {
		f.add(u.escape(s, strings.ToLower))
		f.add(u.escape(s, strings.ToUpper))
	}
	for _, j := range jsons {
		inner := j.escape(s)
		f.add(inner)
		f.add(jsons[0].escape(inner)) // a text with JSON in it, as JSON
		f.add(j.escape(inner))
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
}

// urlEscaper says what else than letters and digits stays as it is.
type urlEscaper struct {
	keep string
	plus bool // for a space
}

var urls = []urlEscaper{
	{keep: "-_.~"},                  // RFC 3986
	{keep: "-_.~", plus: true},      // Go's and Python's queries
	{keep: "-_.!~*'()"},             // encodeURIComponent
	{keep: "-_.!~*'()", plus: true}, // the same in a query
	{keep: "-_.*", plus: true},      // HTML forms
	{keep: "-_.", plus: true},       // PHP
	{keep: "-_.~/"},                 // Python
	{keep: "-_.~$&+,;="},            // a password before the @
	{keep: "-_.~$&+:=@"},            // Go's path segments
	{keep: "-_.!~*'();/?:@&=+$,#"},  // encodeURI
	{keep: "-_.~!$&'()*+,;=:@/"},    // a path
}

// coreURLs are strict encoding, queries, and encodeURIComponent.
var coreURLs = urls[:3]

func (u urlEscaper) escape(s string, letters func(string) string) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case isAlnum(c) || strings.IndexByte(u.keep, c) >= 0:
			b.WriteByte(c)
		case c == ' ' && u.plus:
			b.WriteByte('+')
		default:
			b.WriteByte('%')
			b.WriteString(letters(hex.EncodeToString([]byte{c})))
		}
	}
	return b.String()
}

// jsonEscaper says what is escaped beyond what has to be.
type jsonEscaper struct {
	also  string // as \u and four digits
	slash bool
	ascii bool // everything else, too
	upper bool // hex digits
}

var jsons = []jsonEscaper{
	{},                          // JavaScript
	{also: "<>&"},               // Go
	{ascii: true},               // Python
	{ascii: true, slash: true},  // PHP
	{slash: true},               // PHP, Objective-C
	{also: "<>&'", ascii: true}, // PowerShell
	{also: "<>&'="},             // Gson
	{also: "\"<>&'+`", ascii: true, upper: true}, // .NET
}

// coreJSONs are those of JavaScript, Go and Python.
var coreJSONs = jsons[:3]

func (j jsonEscaper) escape(s string) string {
	var b strings.Builder
	unit := func(c uint16) {
		digits := hex.EncodeToString([]byte{byte(c >> 8), byte(c)})
		if j.upper {
			digits = strings.ToUpper(digits)
		}
		b.WriteString(`\u` + digits)
	}
	for i, c := range s {
		switch {
		case c == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			b.WriteByte(s[i]) // not UTF-8: what encoders do differs
		case c < 0x80 && strings.ContainsRune(j.also, c):
			unit(uint16(c))
		case c == '"' || c == '\\' || c == '/' && j.slash:
			b.WriteByte('\\')
			b.WriteRune(c)
		case strings.ContainsRune("\b\t\n\f\r", c):
			b.WriteByte('\\')
			b.WriteByte("btn?fr"[c-'\b'])
		case c < ' ' || c >= 0x80 && c <= 0xffff && j.ascii:
			unit(uint16(c))
		case c > 0xffff && j.ascii:
			high, low := utf16.EncodeRune(c)
			unit(uint16(high))
			unit(uint16(low))
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// replacements are the escapings that only depend on the character.
var replacements = []*strings.Replacer{
	// XML and HTML: texts, attributes, and the tastes of libraries.
	strings.NewReplacer("&", "&amp;", "<", "&lt;"),
	strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;"),
	strings.NewReplacer("&", "&amp;", "<", "&lt;", `"`, "&quot;"),
	strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;"),
	strings.NewReplacer("&", "&amp;", "<", "&lt;", `"`, "&quot;", "\n", "&#10;", "\t", "&#9;"),
	strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "\n", "&#10;", "\t", "&#09;"),
	strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "\n", "&#xA;", "\t", "&#x9;"),
	strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;"),
	strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;", "\n", "&#xA;"),
	strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;"),
	strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#039;"),
	strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#x27;"),
	strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#x27;", "`", "&#x60;"),
	strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#x27;", "`", "&#x60;", "=", "&#x3D;"),
	strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#x27;", "/", "&#x2F;"),
	strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;", "/", "&#x2F;", "`", "&#x60;", "=", "&#x3D;"),
	strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;"),
	strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;", "\n", "&#xA;", "\t", "&#x9;", "\r", "&#xD;"),
	strings.NewReplacer("&", "&#38;", "<", "&#60;", ">", "&#62;", `"`, "&#34;", "'", "&#39;"),
	strings.NewReplacer("&", "&#x26;", "<", "&#x3c;", ">", "&#x3e;", `"`, "&#x22;", "'", "&#x27;"),
	strings.NewReplacer("&", "&#x26;", "<", "&#x3C;", ">", "&#x3E;", `"`, "&#x22;", "'", "&#x27;"),
	// Programs: Python's and JavaScript's literals.
	strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`),
	strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "'", `\'`),
	strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "`", "\\`", "${", `\${`),
	// Shells: inside '…' (two ways) and "…".
	strings.NewReplacer("'", `'\''`),
	strings.NewReplacer("'", `'"'"'`),
	strings.NewReplacer(`"`, `\"`),
	strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`"),
	strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`", "!", `\!`),
	// PowerShell, SQL, YAML and CSV double the quote.
	strings.NewReplacer("'", "''"),
	strings.NewReplacer(`"`, `""`),
	// Workflow commands.
	strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A"),
}

// coreReplacements are for XML, HTML and shells.
var coreReplacements = []*strings.Replacer{
	strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;"),
	strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;"),
	strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;"),
	strings.NewReplacer("'", `'\''`),
	strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`"),
}

// backslashed is what bash's %q makes of s.
func backslashed(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < 0x80 && !isAlnum(c) && !strings.ContainsRune("%+-./:=@_", rune(c)) {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

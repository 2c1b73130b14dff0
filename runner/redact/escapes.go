package redact

import (
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

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
	strings.NewReplacer(
		"&",
		"&amp;",
		"<",
		"&lt;",
		">",
		"&gt;",
		`"`,
		"&quot;",
		"'",
		"&#x27;",
		"`",
		"&#x60;",
		"=",
		"&#x3D;",
	),
	strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#x27;", "/", "&#x2F;"),
	strings.NewReplacer(
		"&",
		"&amp;",
		"<",
		"&lt;",
		">",
		"&gt;",
		`"`,
		"&quot;",
		"'",
		"&#39;",
		"/",
		"&#x2F;",
		"`",
		"&#x60;",
		"=",
		"&#x3D;",
	),
	strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;"),
	strings.NewReplacer(
		"&",
		"&amp;",
		"<",
		"&lt;",
		">",
		"&gt;",
		`"`,
		"&#34;",
		"'",
		"&#39;",
		"\n",
		"&#xA;",
		"\t",
		"&#x9;",
		"\r",
		"&#xD;",
	),
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

// byteEscaper says which characters of ASCII are escaped byte by byte, as are all others.
type byteEscaper struct {
	format string
	also   string
	own    *strings.Replacer // of characters that have an escape of their own
}

var byteEscapers = []byteEscaper{
	{
		format: "=%02X",
		also:   "=",
		own:    plainly,
	}, // quoted-printable: a mail's text
	{format: "=%02X", also: "= \t?_", own: plainly}, // its headers
	{format: `\x%02x`, own: pythonBytes},            // b'…'
	{
		format: `\x%02x`,
		own:    pythonBytesSingleQuoted,
	}, // b'…' with a double quote in it
	{format: `\%03o`, own: strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`)}, // git's paths, C
}

var (
	plainly                 = strings.NewReplacer()
	pythonBytes             = strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`)
	pythonBytesSingleQuoted = strings.NewReplacer(`\`, `\\`, "'", `\'`, "\n", `\n`, "\r", `\r`, "\t", `\t`)
)

func (e byteEscaper) escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch own := ""; {
		case c >= 0x80 || strings.IndexByte(e.also, c) >= 0:
			fmt.Fprintf(&b, e.format, c)
		default:
			if own = e.own.Replace(s[i : i+1]); own == s[i:i+1] && (c < ' ' || c == 0x7f) {
				own = fmt.Sprintf(e.format, c)
			}
			b.WriteString(own)
		}
	}
	return b.String()
}

package xmlstream

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// transcript is what a scanner reads, a token a word, and its fault.
func transcript(in io.Reader) (string, error) { return transcribe(New(UTF8(in))) }

func transcribe(s *Scanner) (string, error) {
	var b strings.Builder
	var text []byte
	flush := func() {
		if plain := Plain(text); plain != "" {
			fmt.Fprintf(&b, "%q ", plain)
		}
		text = text[:0]
	}
	for s.Next() {
		switch s.Kind() {
		case Start:
			flush()
			fmt.Fprintf(&b, "<%s", s.Name())
			for _, a := range s.attrs {
				name := string(s.arena[a.name:a.value])
				fmt.Fprintf(&b, " %s=%q", name, Plain(s.Attr(name)))
			}
			b.WriteString("> ")
		case End:
			flush()
			fmt.Fprintf(&b, "</%s> ", s.Name())
		case Text:
			text = s.AppendText(text, 1<<20)
		}
	}
	flush()
	return strings.TrimSuffix(b.String(), " "), s.Err()
}

// Each document is read whole and byte by byte: the size of reads must not matter.
func both(t *testing.T, text string) (string, error) {
	t.Helper()
	whole, err := transcript(strings.NewReader(text))
	bytewise, err2 := transcribe(New(iotest.OneByteReader(UTF8(iotest.OneByteReader(strings.NewReader(text))))))
	if whole != bytewise || fmt.Sprint(err) != fmt.Sprint(err2) {
		t.Errorf("%q: whole it reads\n%s (%v)\nbyte by byte\n%s (%v)", text, whole, err, bytewise, err2)
	}
	return whole, err
}

func TestTokens(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"elements and attributes":              {`<a b="1" c='"2"'><d/></a>`, `<a b="1" c="\"2\""> <d> </d> </a>`},
		"references":                           {`<a b="&lt;&amp;&#65;&#x42;">&quot;&apos;&gt;</a>`, `<a b="<&AB"> "\"'>" </a>`},
		"CDATA beside text":                    {`<a>x<![CDATA[<&amp;]]]]><![CDATA[>]]>y</a>`, `<a> "x<&amp;]]>y" </a>`},
		"what would end CDATA, in text":        {`<a>x]]>y</a>`, `<a> "x]]>y" </a>`},
		"an empty CDATA section":               {`<a><![CDATA[]]></a>`, `<a> </a>`},
		"comments and instructions":            {`<?xml version="1.0"?><!-- <x> --><a><!-- - -> --><?p <b> ?>t</a><!---->`, `<a> "t" </a>`},
		"a document type":                      {`<!DOCTYPE a [<!ENTITY x "]>"><!-- ' --><!ELEMENT a (b)>]><a/>`, `<a> </a>`},
		"white space in tags":                  {"<a\n b = '1'\t/>", `<a b="1"> </a>`},
		"a prefix":                             {`<j:a xmlns:j="u" j:b="1"></j:a>`, `<a xmlns:j="u" j:b="1"> </a>`},
		"other alphabets":                      {`<é ü="ß">ø</é>`, `<é ü="ß"> "ø" </é>`},
		"line ends":                            {"<a>1\r\n2\r3</a>", `<a> "1\n2\n3" </a>`},
		"control characters and colours":       {"<a b='\x1b[31mr\x1b[0m'>\x00x&#x1b;[1;32mg&#27;[K&#0;\x07</a>", `<a b="r"> "xg" </a>`},
		"references to no character":           {`<a>&#xD800;&#x110000;&#9999999999;</a>`, `<a> </a>`},
		"broken UTF-8":                         {"<a>\xff\xc3</a>", `<a> "��" </a>`},
		"two documents in one":                 {"<?xml version='1.0'?><a/>\n<?xml version='1.0'?>\ufeff<a/>\x00\x00", `<a> </a> <a> </a>`},
		"a byte order mark":                    {"\xef\xbb\xbf<a/>", `<a> </a>`},
		"UTF-16, little end first":             {"\xff\xfe" + inUTF16("<a>é😀</a>", 0), `<a> "é😀" </a>`},
		"UTF-16, big end first":                {"\xfe\xff" + inUTF16("<a>é😀</a>", 1), `<a> "é😀" </a>`},
		"UTF-16 without a mark":                {inUTF16("<a>é</a>", 0), `<a> "é" </a>`},
		"UTF-16 without a mark, big end first": {inUTF16("<a>é</a>", 1), `<a> "é" </a>`},
		"UTF-16 with half a pair":              {"\xff\xfe" + inUTF16("<a>", 0) + "\x00\xd8" + inUTF16("</a>", 0), `<a> "�" </a>`},
		"UTF-16 that is none":                  {`<?xml version="1.0" encoding="utf-16"?><a>é</a>`, `<a> "é" </a>`},
		"latin-1":                              {"<?xml version='1.0' encoding='ISO-8859-1'?><a>caf\xe9 \x80</a>", `<a> "café €" </a>`},
		"windows-1252":                         {"<?xml version='1.0' encoding='Windows-1252'?><a>\x93\xfc\x94</a>", `<a> "“ü”" </a>`},
		"an encoding we do not know":           {"<?xml version='1.0' encoding='Shift_JIS'?><a>\x83\x65\x83X</a>", `<a> "�e�X" </a>`},
		"XML 1.1":                              {`<?xml version="1.1"?><a>&#1;</a>`, `<a> </a>`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := both(t, c.text)
			if err != nil || got != c.want {
				t.Errorf("it reads\n%s (%v), want\n%s", got, err, c.want)
			}
		})
	}
}

func inUTF16(text string, high int) string {
	var b strings.Builder
	for _, r := range text {
		units := []rune{r}
		if r > 0xFFFF {
			units = []rune{(r-0x10000)>>10 + 0xD800, (r-0x10000)&0x3FF + 0xDC00}
		}
		for _, u := range units {
			pair := [2]byte{byte(u), byte(u >> 8)}
			b.WriteByte(pair[high])
			b.WriteByte(pair[1-high])
		}
	}
	return b.String()
}

// A fault has its line, and the tokens before it are valid.
func TestFaults(t *testing.T) {
	for name, c := range map[string]struct{ text, want, err string }{
		"nothing":                        {"", "", "it is empty"},
		"blanks":                         {" \n\t\x00", "", "it is empty"},
		"a byte order mark alone":        {"\xef\xbb\xbf", "", "it is empty"},
		"plain text":                     {"\n Segmentation fault \nx", "", `it is not XML: it begins with "Segmentation fault"`},
		"an end inside of an element":    {"<a>\n<b>", "<a> \"\\n\" <b>", "it is damaged: line 2: it ends inside <b>"},
		"an end inside of a tag":         {"<a><b c='1'", "<a>", "it ends inside <b"},
		"an end inside of a value":       {"<a b='1", "", "it ends inside the attribute b="},
		"an end inside of a name":        {"<a><b", "<a>", "it ends inside <b"},
		"an end inside of an end tag":    {"<a></a", "<a>", "it ends inside </a"},
		"an end after a bracket":         {"<a/><", "<a> </a>", "it ends inside a <"},
		"an end inside of CDATA":         {"<a><![CDATA[x]]", `<a> "x"`, "it ends inside a CDATA section"},
		"an end inside of a comment":     {"<a/><!-- -", "<a> </a>", "it ends inside a comment"},
		"an end inside of a doctype":     {"<!DOCTYPE a [", "", "it ends inside a document type"},
		"an end that closes another":     {"<a><b></a>", "<a> <b>", "<b> is closed by </a>"},
		"an end that closes nothing":     {"<a/></a>", "<a> </a>", "</a> closes nothing"},
		"a prefix that is another":       {"<x:a></y:a>", "<a>", "<x:a> is closed by </y:a>"},
		"an attribute without value":     {"<a b></a>", "", "the attribute b is followed by '>'"},
		"an attribute without quotes":    {"<a b=1></a>", "", "the attribute b= is followed by '1'"},
		"a name that is none":            {"<1a/>", "", "<1a is followed by '/'"},
		"a declaration that is none":     {"<a><!></a>", "<a>", "<! is followed by '>'"},
		"a control character in a tag":   {"<a/><a\x01b='1'/>", "<a> </a>", "<a is followed by '\\x01'"},
		"a slash inside of a tag":        {"<a / b='1'>", "", "<a / is followed by ' '"},
		"a bare & does not end it":       {"<a>\r\nx && y<b/></a>", `<a> "\nx && y" <b> </b> </a>`, `line 2: "&" is not a reference`},
		"an entity does not end it":      {"<a b='&nbsp;'><b/></a>", `<a b="&nbsp;"> <b> </b> </a>`, `"&nbsp;" is not a reference`},
		"an entity of its own":           {`<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>`, `<a> "&x;" </a>`, `"&x;" is not a reference`},
		"a < in a value does not end it": {"<a b='<'><b/></a>", `<a b="<"> <b> </b> </a>`, "a value of <a> contains a <"},
		"text behind the last element":   {"<a/>\nDone in 3 s\n<a/>", `<a> </a> <a> </a>`, `"Done in 3 s" is outside of every element`},
		"-- in a comment":                {"<a><!-- a -- b ---></a>", `<a> </a>`, "a comment contains --"},
		"CDATA outside of an element":    {"<![CDATA[x]]><a/>", "<a> </a>", "CDATA section is outside"},
		"the first of several faults":    {"<a>\n&\n&x;\n</b>", `<a> "\n&\n&x;\n"`, "line 2:"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := both(t, c.text)
			if err == nil || !strings.Contains(err.Error(), c.err) || got != c.want {
				t.Errorf("it reads\n%s (%v), want\n%s (%s)", got, err, c.want, c.err)
			}
		})
	}
}

func TestAnErrorOfTheInputIsAFault(t *testing.T) {
	broken := errors.New("input/output error")
	for _, text := range []string{"", "<a>", "<a b='", "<a><!--", "<a/>"} {
		_, err := transcript(io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken)))
		if err == nil || !strings.Contains(err.Error(), broken.Error()) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestLongTokensAreCutAndDeepNestingIsAFault(t *testing.T) {
	long := strings.Repeat("&lt;x", 100_000)
	s := New(strings.NewReader(`<a long="` + long + `" b="1">` + long + `</a>`))
	var text []byte
	for s.Next() {
		switch s.Kind() {
		case Start:
			if v := string(
				s.Attr("long"),
			); len(v) > maxValue || len(v) < maxValue/5*2-maxRef ||
				strings.TrimRight(v, "<x") != "" {
				t.Errorf("a value has %d bytes and ends with %q", len(v), v[len(v)-10:])
			}
			if string(s.Attr("b")) != "1" {
				t.Error("what comes after a long value is lost")
			}
		case Text:
			text = s.AppendText(text, 1000)
		}
	}
	if s.Err() != nil || string(text) != strings.Repeat("<x", 500) {
		t.Errorf("%v, %d bytes of text", s.Err(), len(text))
	}
	for name, text := range map[string]string{
		"deep":        strings.Repeat("<a>", maxDepth+1),
		"a long name": "<" + strings.Repeat("a", maxName+1) + "/>",
	} {
		var syntax *SyntaxError
		if _, err := both(t, text); !errors.As(err, &syntax) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := both(t, strings.Repeat("<a>", maxDepth)+strings.Repeat("</a>", maxDepth)); err != nil {
		t.Error(err)
	}
	if got, err := both(
		t,
		"<a "+strings.Repeat("b='1' ", 2*maxAttrs)+"/>",
	); err != nil ||
		strings.Count(got, "b=") != maxAttrs {
		t.Error(got, err)
	}
}

// Wherever the window ends, the tokens are the same.
func TestWindowBoundariesChangeNothing(t *testing.T) {
	const document = `<a b="&amp;1"><!-- c --><![CDATA[]] ]>]]]]>&lt;x]]&gt;&#65;<d e='f'/><?g h?></a>`
	want, err := transcript(strings.NewReader("<r>" + document + "</r>"))
	if err != nil {
		t.Fatal(err)
	}
	for n := window - len(document) - 10; n < window+5; n++ {
		got, err := transcript(strings.NewReader("<r>" + strings.Repeat(" ", n) + document + "</r>"))
		if err != nil || strings.Replace(got, fmt.Sprintf("%q ", strings.Repeat(" ", n)), "", 1) != want {
			t.Fatalf("behind %d bytes it reads\n%s (%v), want\n%s", n, got[len(got)-len(want):], err, want)
		}
	}
}

func FuzzScan(f *testing.F) {
	for _, text := range []string{
		`<?xml version="1.0"?><a b="1" c='&lt;'>t<!-- c --><![CDATA[x]]><d/></a>`, `<!DOCTYPE a [<!ENTITY x "y">]><a/>`,
		"<a>&&#0;&#x41;]]></a>", "<a><b></a>", "<a b='<'/>x", "<a:b:c/>", "<!--->-->", "<a/ >", "\xff\xfe<\x00a\x00",
		"<?xml version='1.0' encoding='latin1'?><a>\xe9</a>", "<a><!---></a>", "<![CDATA[", "<a b='1'c='2'/>",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := both(t, string(text))
		// The standard library as a second opinion, on what it can read at all.
		legal := bytes.Map(func(r rune) rune {
			if !Legal(r) || r == '\r' || r == '\uFEFF' {
				return -1
			}
			return r
		}, bytes.ToValidUTF8(text, nil))
		if !bytes.Equal(legal, text) || declared.Match(text) {
			return
		}
		want, wantErr := standard(text)
		switch {
		case wantErr != nil && err == nil && !lenient(wantErr):
			t.Errorf("%q: no fault, though %v", text, wantErr)
		case wantErr == nil && err == nil && got != want:
			t.Errorf("%q: it reads\n%s, want\n%s", text, got, want)
		}
	})
}

// lenient reports whether we let pass what the standard library does not.
func lenient(err error) bool {
	return strings.Contains(err.Error(), "invalid XML name") || strings.Contains(err.Error(), "<?xml") ||
		strings.Contains(
			err.Error(),
			"unsupported version",
		) || strings.Contains(err.Error(), "declared but Decoder.CharsetReader") ||
		strings.Contains(
			err.Error(),
			"expected target name after <?",
		) || strings.Contains(err.Error(), "invalid character entity &#") || strings.Contains(err.Error(), "unescaped ]]>")
}

// standard is a transcript by encoding/xml.
func standard(text []byte) (string, error) {
	d := xml.NewDecoder(bytes.NewReader(text))
	var b strings.Builder
	var chars []byte
	depth := 0
	flush := func() {
		if plain := Plain(chars); plain != "" && depth > 0 {
			fmt.Fprintf(&b, "%q ", plain)
		}
		chars = chars[:0]
	}
	for {
		token, err := d.RawToken()
		if err == io.EOF {
			return strings.TrimSuffix(b.String(), " "), nil
		}
		if err != nil {
			return "", err
		}
		switch t := token.(type) {
		case xml.StartElement:
			flush()
			depth++
			fmt.Fprintf(&b, "<%s", t.Name.Local)
			last := map[string]string{}
			full := func(n xml.Name) string { return strings.TrimPrefix(n.Space+":"+n.Local, ":") }
			for _, a := range t.Attr {
				last[full(a.Name)] = a.Value
			}
			for _, a := range t.Attr {
				fmt.Fprintf(&b, " %s=%q", full(a.Name), Plain([]byte(last[full(a.Name)])))
			}
			b.WriteString("> ")
		case xml.EndElement:
			flush()
			depth--
			fmt.Fprintf(&b, "</%s> ", t.Name.Local)
		case xml.CharData:
			chars = append(chars, t...)
		}
	}
}

func BenchmarkScan(b *testing.B) {
	var text strings.Builder
	text.WriteString("<testsuites>")
	for i := range 2000 {
		fmt.Fprintf(
			&text,
			`<testcase classname="src/a.test.ts" name="case %d" time="0.%03d"><system-out>%s</system-out></testcase>`,
			i,
			i%1000,
			strings.Repeat("a line &amp; more\n", 20),
		)
	}
	text.WriteString("</testsuites>")
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		s := New(strings.NewReader(text.String()))
		for s.Next() {
		}
		if s.Err() != nil {
			b.Fatal(s.Err())
		}
	}
}

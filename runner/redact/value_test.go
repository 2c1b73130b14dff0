package redact

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

type status string

func (status) RedactConstant() {}

type level struct{ Name string }

func (*level) RedactConstant() {}

type plainName string

type note struct {
	Text   string
	hidden string
}

type tree struct {
	Name     string
	Children []*tree
	ByName   map[string]tree
}

func TestValue(t *testing.T) {
	const secret, clean = "hunter2-secret", "[REDACTED:PASSWORD]"
	text := "a " + secret + " b"
	at := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	pointer := &note{Text: text}
	for name, c := range map[string]struct{ in, want any }{
		"a string":                         {text, "a " + clean + " b"},
		"a string of a type":               {plainName(secret), plainName(clean)},
		"a string without a secret":        {"nothing", "nothing"},
		"a constant":                       {status(secret), status(secret)},
		"a constant by its pointer":        {level{secret}, level{secret}},
		"a pointer to a constant":          {&level{secret}, &level{secret}},
		"bytes":                            {[]byte(secret), []byte(clean)},
		"no bytes":                         {[]byte(nil), []byte(nil)},
		"a struct":                         {note{Text: secret}, note{Text: clean}},
		"an unexported field is kept":      {note{secret, secret}, note{clean, secret}},
		"a pointer":                        {pointer, &note{Text: "a " + clean + " b"}},
		"a nil pointer":                    {(*note)(nil), (*note)(nil)},
		"a slice":                          {[]string{"x", secret}, []string{"x", clean}},
		"a nil slice stays nil":            {[]string(nil), []string(nil)},
		"an empty slice stays empty":       {[]string{}, []string{}},
		"an array":                         {[2]string{secret, "x"}, [2]string{clean, "x"}},
		"a map's values and keys":          {map[string]string{secret: secret}, map[string]string{clean: clean}},
		"a map by numbers":                 {map[int]string{1: secret}, map[int]string{1: clean}},
		"a map's keys of constants":        {map[status]int{status(secret): 1}, map[status]int{status(secret): 1}},
		"a nil map stays nil":              {map[string]string(nil), map[string]string(nil)},
		"keys behind an interface":         {map[any]any{secret: 1}, map[any]any{clean: 1}},
		"an interface within":              {[]any{secret, 1, nil, &note{Text: secret}}, []any{clean, 1, nil, &note{Text: clean}}},
		"a time":                           {at, at},
		"a number of JSON":                 {json.Number("1234567890123"), json.Number("1234567890123")},
		"raw JSON":                         {json.RawMessage(`{"` + secret + `":["` + secret + `",12345678901234567890]}`), json.RawMessage(`{"` + clean + `":["` + clean + `",12345678901234567890]}`)},
		"raw JSON with the secret escaped": {json.RawMessage(`"\u0068unter2-secret"`), json.RawMessage(`"` + clean + `"`)},
		"raw bytes that are no JSON":       {json.RawMessage(`{` + secret), json.RawMessage(`"{` + clean + `"`)},
		"a type that contains itself": {
			tree{secret, []*tree{{Name: secret}}, map[string]tree{secret: {Name: secret}}},
			tree{clean, []*tree{{Name: clean}}, map[string]tree{clean: {Name: clean}}},
		},
		"a field that is left out by its tag": {
			struct {
				Kept    string `redact:"-"`
				Changed string `json:"hunter2-secret"`
			}{secret, secret},
			struct {
				Kept    string `redact:"-"`
				Changed string `json:"hunter2-secret"`
			}{secret, clean},
		},
		"an embedded struct": {struct{ note }{note{Text: secret}}, struct{ note }{note{Text: clean}}},
	} {
		r := New(Secret{"PASSWORD", secret})
		if got := Value(r, c.in); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %#v, want %#v", name, got, c.want)
		}
	}
	if pointer.Text != text {
		t.Errorf("the original was changed: %q", pointer.Text)
	}
}

// The original must stay as it is, however deep a string is: the run goes on to use it.
func TestValueCopies(t *testing.T) {
	const secret = "hunter2-secret"
	r := New(Secret{"PASSWORD", secret})
	in := map[string][]*note{"a": {{Text: secret}}, secret: {{Text: "x"}}}
	slice, array, raw := []string{secret}, [1][]string{{secret}}, json.RawMessage(`"`+secret+`"`)
	out := Value(r, in)
	if in["a"][0].Text != secret || len(in) != 2 || in[secret] == nil {
		t.Errorf("the map was changed: %v", in)
	}
	Value(r, slice)
	Value(r, array)
	Value(r, raw)
	if slice[0] != secret || array[0][0] != secret || string(raw) != `"`+secret+`"` {
		t.Errorf("changed: %v %v %s", slice, array, raw)
	}
	out["a"][0].Text = "changed"
	if in["a"][0].Text != secret {
		t.Error("the copy shares what has strings")
	}
}

func TestValueKeepsKeysApart(t *testing.T) {
	r := New(Secret{"A", "secret-one"}, Secret{"A", "secret-two"}, Secret{"A", "secret-zero"})
	in := map[string]int{"secret-one": 1, "secret-two": 2, "secret-zero": 3, "[REDACTED:A]": 4}
	want := map[string]int{"[REDACTED:A]": 4, "[REDACTED:A] 2": 1, "[REDACTED:A] 3": 2, "[REDACTED:A] 4": 3}
	for range 20 {
		if got := Value(r, in); !reflect.DeepEqual(got, want) {
			t.Fatalf("%v, want %v", got, want)
		}
	}
}

// What a command can mask must not change what the record means: masks of keys, of punctuation and of statuses.
func TestMaskedKeysSurviveEncoding(t *testing.T) {
	type record struct {
		Template string            `json:"template"`
		Reason   status            `json:"reason"`
		Outputs  map[string]string `json:"outputs"`
		Passed   bool              `json:"passed"`
	}
	in := record{"t", "success", map[string]string{"url": "https://example.com/success"}, true}
	r := New()
	for _, mask := range []string{`"template":`, "success", "outputs", `":true}`, "reason", `{"template`} {
		r.Add(Secret{"add-mask", mask})
	}
	encoded, err := json.Marshal(Value(r, in))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"template":"t","reason":"success","outputs":{"url":"https://example.com/[REDACTED:add-mask]"},"passed":true}`
	if string(encoded) != want {
		t.Errorf("%s, want %s", encoded, want)
	}
}

func TestValueSharesTypesWithoutStrings(t *testing.T) {
	type counts struct {
		Total int
		At    time.Time
		Rates []float64
	}
	for _, v := range []any{counts{}, map[int]counts{}, []*counts{}, make(chan string), func() {}, errors.New("x")} {
		if p := planOf(reflect.TypeOf(v)); p != nil {
			if _, isError := v.(error); !isError {
				t.Errorf("%T has a plan", v)
			}
		}
	}
	if in := []float64{1}; &Value(New(), in)[0] != &in[0] {
		t.Error("a slice of numbers was copied")
	}
}

func TestValueOfAnInterface(t *testing.T) {
	r := New(Secret{"A", "hunter2-secret"})
	var in any = "hunter2-secret"
	if got := Value(r, in); got != "[REDACTED:A]" {
		t.Errorf("%v", got)
	}
	if got := Value[any](r, nil); got != nil {
		t.Errorf("%v", got)
	}
}

// Plans are made by whichever goroutine needs them first, also of types that contain each other.
func TestValuePlansInParallel(t *testing.T) {
	type b struct {
		Text string
		Next *struct{ B []any }
	}
	type a struct {
		B    map[string]b
		Self []tree
	}
	r := New(Secret{"A", "hunter2-secret"})
	in := a{map[string]b{"hunter2-secret": {Text: "hunter2-secret"}}, []tree{{Name: "hunter2-secret"}}}
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			if text, _ := json.Marshal(Value(r, in)); strings.Contains(string(text), "hunter2") {
				t.Errorf("%s", text)
			}
		})
	}
	all.Wait()
}

func BenchmarkValue(b *testing.B) {
	type test struct {
		Name, Class, File, Message, Details string
		Status                              status
		Seconds                             float64
	}
	type record struct {
		Tests   []test
		Outputs map[string]string
	}
	in := record{Outputs: map[string]string{"URL": "https://example.com"}}
	for range 1000 {
		in.Tests = append(in.Tests, test{
			"adds two numbers", "Calculator", "src/calculator.test.ts", "expected 3", strings.Repeat("    at Object.<anonymous> (src/calculator.test.ts:12:3)\n", 8), "failed", 0.1,
		})
	}
	r := New(Secret{"PASSWORD", "hunter2-secret"})
	encoded, _ := json.Marshal(in)
	b.SetBytes(int64(len(encoded)))
	for b.Loop() {
		Value(r, in)
	}
}

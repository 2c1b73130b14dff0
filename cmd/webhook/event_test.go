package main

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/artifacts"
)

// The shape is a promise to the pipeline's rules and machine, and to whoever writes rules of their own.
func TestTheDetailHasTheDocumentedKeysInAFlatObject(t *testing.T) {
	for _, c := range []struct{ name, file, want string }{
		{"push", "tag_annotated", `{"version":"1","repository":"Codertocat/Hello-World","ref":"refs/tags/v1.2.3","before":"0000000000000000000000000000000000000000","after":"6113728f27ae82c7b1a177c8d03f9e96e0adf246","deleted":false,"sender":"Codertocat","delivery":"d"}`},
		{"pull_request", "pull_request_of_a_fork", `{"version":"1","repository":"Codertocat/Hello-World","action":"synchronize","number":"5","ref":"refs/heads/changes","base":"refs/heads/main","after":"ec26c3e57ca3a959ca5aad62de7213c562f8c821","fork":true,"merged":false,"sender":"octo-guest","delivery":"d"}`},
	} {
		e, err := parseEvent(c.name, "d", file(t, c.file), repositories{"Codertocat/*"})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := json.Marshal(e.detail); err != nil || string(got) != c.want {
			t.Errorf("%s is\n%s, not\n%s", c.name, got, c.want)
		}
	}
}

func TestRepositoriesAreNamedOneByOneOrByOwner(t *testing.T) {
	for list, names := range map[string]map[string]string{
		"acme/shop, Acme/API": {"acme/shop": "acme/shop", "ACME/api": "Acme/API", "acme/other": "", "evil/shop": "", "acme/shop/x": "", "acme": "", "": ""},
		"acme/*":              {"acme/shop": "acme/shop", "Acme/Shop": "Acme/Shop", "acmeevil/shop": "", "evil/acme": "", "acme/": "", "acme/a b": "", "acme/*": ""},
		"acme/*,acme/Shop":    {"acme/shop": "acme/Shop"},
	} {
		allowed, err := parseRepositories(list)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range names {
			if got, ok := allowed.find(name); got != want || ok != (want != "") {
				t.Errorf("%q in %q is %q, %v; not %q", name, list, got, ok, want)
			}
		}
	}
	for _, list := range []string{"", "*", "*/*", "acme", "acme/", "/shop", "acme/shop,", "acme/sh*p", "acme/a/b"} {
		if allowed, err := parseRepositories(list); err == nil {
			t.Errorf("%q is taken, as %q", list, allowed)
		}
	}
}

// One rule in two places stays one rule: what is forwarded, the pipeline can keep artifacts for.
func FuzzARefIsTakenIfItsArtifactsCanBeKept(f *testing.F) {
	for _, name := range []string{
		"main", "feature/a", "a..b", "a.lock", "a/.b", "-a", "@", "@{", "a@{b", "HEAD", "a b", "a\tb", "a~1", "a^", "a:b", "a?", "a*", "a[", `a\b`, "a.", "a//b",
		"/a", "a/", "", "ü", "a\xffb", "$(id)", "a;b", "a.lock/b", "a\x7f", "v1.2.3", "\u00a0", "日本",
	} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		artifact := artifacts.Ref{Branch: name, SHA: mainSHA}.Validate() == nil
		if isRefName(name) != artifact {
			t.Errorf("of %q we say %v, and artifacts say %v", name, !artifact, artifact)
		}
		if ref := "refs/heads/" + name; isRef(ref) != (artifact && len(ref) <= maxRef) {
			t.Errorf("of %q we say %v", ref, isRef(ref))
		}
	})
}

func FuzzWhateverIsSentAnEventIsWholeOrNone(f *testing.F) {
	payloads(f, func(name string, body []byte) { f.Add(strings.HasPrefix(name, "pull"), body) })
	f.Fuzz(func(t *testing.T, isPull bool, body []byte) {
		name := "push"
		if isPull {
			name = "pull_request"
		}
		e, err := parseEvent(name, testDelivery, body, repositories{"Codertocat/*"})
		if err != nil {
			var i ignored
			var r *refusal
			if e.kind != "" || e.detail != nil {
				t.Errorf("an event beside the error %v: %+v", err, e)
			}
			if errors.As(err, &r) && (r.code < 400 || r.code > 499) || errors.As(err, &i) && i == "" {
				t.Errorf("an error that says nothing: %v", err)
			}
			return
		}
		switch d := e.detail.(type) {
		case push:
			if isPull || !isRef(d.Ref) || !isSHA(d.After) || isZero(d.After) || !isSHA(d.Before) || d.Deleted || !strings.HasPrefix(strings.ToLower(d.Repository), "codertocat/") || strings.ContainsAny(d.Sender, " \n\"$") {
				t.Errorf("%+v", d)
			}
		case pullRequest:
			if !isPull || !isRef(d.Ref) || !isRef(d.Base) || !isSHA(d.After) || d.Number == "" || strings.Trim(d.Number, "0123456789") != "" || strings.ContainsAny(d.Sender, " \n\"$") {
				t.Errorf("%+v", d)
			}
		default:
			t.Errorf("%+v", e)
		}
	})
}

func BenchmarkADelivery(b *testing.B) {
	body := file(b, "push")
	signature, _ := parseSignature(map[string]string{"x-hub-signature-256": signature(testKey, body)})
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if !matches([]byte(testKey), body, signature) {
			b.Fatal("the signature does not match")
		}
		if _, err := parseEvent("push", testDelivery, body, repositories{"Codertocat/*"}); err != nil {
			b.Fatal(err)
		}
	}
}

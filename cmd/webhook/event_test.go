package main

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/artifacts/keys"
)

// The pipeline's rules and its machine rely on this shape, as may rules of other people.
func TestDetailIsFlatAndHasTheDocumentedKeys(t *testing.T) {
	for _, c := range []struct{ name, file, want string }{
		{"push", "tag_annotated", `{"version":"1","repository":"Codertocat/Hello-World","ref":"refs/tags/v1.2.3","before":"0000000000000000000000000000000000000000","after":"6113728f27ae82c7b1a177c8d03f9e96e0adf246","deleted":false,"skip":false,"pushed":1557933657,"sender":"Codertocat","delivery":"d"}`},
		{"pull_request", "pull_request_of_a_fork", `{"version":"1","repository":"Codertocat/Hello-World","action":"synchronize","number":"5","ref":"refs/heads/changes","base":"refs/heads/main","before":"","after":"ec26c3e57ca3a959ca5aad62de7213c562f8c821","fork":true,"merged":false,"sender":"octo-guest","delivery":"d"}`},
		{"merge_group", "merge_group", `{"version":"1","repository":"Codertocat/Hello-World","action":"checks_requested","ref":"refs/heads/gh-readonly-queue/main/pr-104-929f8209d40f77f4abc622a499c93a83babdbe64","base":"refs/heads/main","before":"380387fbc80638b734a49e1be1c4dfec1c01b33c","after":"2ffea6db159f6b6c47a24e778fb9ef40cf6b1c7d","sender":"Codertocat","delivery":"d"}`},
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

func TestRepositoriesAreListedByNameOrByOwner(t *testing.T) {
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
				t.Errorf("find(%q) in %q = %q, %v; want %q", name, list, got, ok, want)
			}
		}
	}
	for _, list := range []string{"", "*", "*/*", "acme", "acme/", "/shop", "acme/shop,", "acme/sh*p", "acme/a/b"} {
		if allowed, err := parseRepositories(list); err == nil {
			t.Errorf("parseRepositories(%q) = %q, want an error", list, allowed)
		}
	}
}

// An event whose artifacts could not be stored must not start a pipeline.
func FuzzRefsAreThoseThatArtifactsCanBeStoredUnder(f *testing.F) {
	for _, name := range []string{
		"main", "feature/a", "a..b", "a.lock", "a/.b", "-a", "@", "@{", "a@{b", "HEAD", "a b", "a\tb", "a~1", "a^", "a:b", "a?", "a*", "a[", `a\b`, "a.", "a//b",
		"/a", "a/", "", "ü", "a\xffb", "$(id)", "a;b", "a.lock/b", "a\x7f", "v1.2.3", "\u00a0", "日本",
	} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		valid := keys.Ref{Branch: name, SHA: mainSHA}.Validate() == nil
		for _, ref := range []string{"refs/heads/" + name, "refs/tags/" + name} {
			if isRef(ref) != (valid && len(ref) <= maxRef) {
				t.Errorf("isRef(%q) = %v", ref, isRef(ref))
			}
		}
	})
}

func TestPushesThatStartNothing(t *testing.T) {
	const branch, tag = "push", "tag_annotated"
	message := func(text string) [2]string { return [2]string{`"message": "Say`, `"message": "` + text + ` Say`} }
	for _, c := range []struct {
		name, file string
		change     [2]string // of the payload: text, replacement
		ignored    string    // part of the reason; "": forwarded
		skip       bool      // the flag of an event that is forwarded
	}{
		{"[skip ci] in the subject", branch, message("chore(release): 1.2.3 [skip ci]"), "to be skipped", false},
		{"[ci skip] in any case", branch, message("Docs [CI Skip]"), "to be skipped", false},
		{"[no ci]", branch, message("Docs [no ci]"), "to be skipped", false},
		{"***NO_CI***", branch, message("***NO_CI*** Docs"), "to be skipped", false},
		{"skip ci without brackets", branch, message("skip ci on Fridays"), "", false},
		{"a release tag on a commit that says [skip ci]", tag, message("chore(release): 1.2.3 [skip ci]"), "", true},
		{"the commit that was there before", branch, [2]string{"5f2b1c0c1d9b3a4e6a7f8090a1b2c3d4e5f60718", mainSHA}, "no commits", false},
		{"a branch of the merge queue", branch, [2]string{"refs/heads/main", "refs/heads/gh-readonly-queue/main/pr-1-" + mainSHA}, "merge_group", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := string(file(t, c.file))
			body := strings.ReplaceAll(text, c.change[0], c.change[1])
			if body == text {
				t.Fatalf("%s has no %q", c.file, c.change[0])
			}
			e, err := parseEvent("push", "d", []byte(body), repositories{"Codertocat/*"})
			var reason ignored
			switch {
			case c.ignored == "" && err != nil:
				t.Errorf("it is ignored: %v", err)
			case c.ignored == "" && e.detail.(push).Skip != c.skip:
				t.Errorf("skip is %v", e.detail.(push).Skip)
			case c.ignored != "" && (!errors.As(err, &reason) || !strings.Contains(string(reason), c.ignored)):
				t.Errorf("err = %v, want %q", err, c.ignored)
			}
		})
	}
}

func TestAPushWithoutCommitsStartsAPipelineOnlyIfItMovesTheBranch(t *testing.T) {
	for change, want := range map[string]bool{`"forced":false`: false, `"forced":true`: true, `"created":true`: true} {
		body := `{"ref":"refs/heads/x","before":"` + strings.Repeat(
			"1",
			40,
		) + `","after":"` + mainSHA + `","commits":[],` + change + `,"head_commit":{"id":"` + mainSHA + `"},"repository":{"full_name":"Codertocat/Hello-World"}}`
		_, err := parseEvent("push", "d", []byte(body), repositories{"Codertocat/*"})
		if (err == nil) != want {
			t.Errorf("%s: %v", change, err)
		}
	}
}

func FuzzAnEventIsCompleteOrAnError(f *testing.F) {
	kinds := []string{"push", "pull_request", "merge_group"}
	payloads(f, func(name string, body []byte) {
		for kind := range kinds {
			f.Add(kind, body)
		}
	})
	f.Fuzz(func(t *testing.T, kind int, body []byte) {
		name := kinds[uint(kind)%uint(len(kinds))]
		e, err := parseEvent(name, testDelivery, body, repositories{"Codertocat/*"})
		if err != nil {
			var i ignored
			var r *refusal
			if e.kind != "" || e.detail != nil {
				t.Errorf("an event in spite of the error %v: %+v", err, e)
			}
			if errors.As(err, &r) && (r.code < 400 || r.code > 499) || errors.As(err, &i) && i == "" {
				t.Errorf("an error without a text or with a code that is not the client's: %v", err)
			}
			return
		}
		switch d := e.detail.(type) {
		case push:
			if name != "push" || d.Pushed < 0 || !isRef(d.Ref) || !isSHA(d.After) || isZero(d.After) || !isSHA(d.Before) || d.Deleted || !strings.HasPrefix(strings.ToLower(d.Repository), "codertocat/") || strings.ContainsAny(d.Sender, " \n\"$") {
				t.Errorf("%+v", d)
			}
		case pullRequest:
			if name != "pull_request" || d.Before != "" && !isSHA(d.Before) || !isRef(d.Ref) || !isRef(d.Base) || !isSHA(d.After) || d.Number == "" || strings.Trim(d.Number, "0123456789") != "" || strings.ContainsAny(d.Sender, " \n\"$") {
				t.Errorf("%+v", d)
			}
		case mergeGroup:
			if name != "merge_group" || !strings.HasPrefix(d.Ref, queueBranch) || !isRef(d.Ref) || !isRef(d.Base) || !isSHA(d.After) || !isSHA(d.Before) {
				t.Errorf("%+v", d)
			}
		default:
			t.Errorf("%+v", e)
		}
	})
}

func BenchmarkDelivery(b *testing.B) {
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

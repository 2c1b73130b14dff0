package artifacts_test

import (
	"context"
	"errors"
	"io/fs"
	"testing"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/artifactstest"
	"github.com/carlin-cicd/runner/artifacts/folder"
)

// notary makes statements that are the digest of a set and a word.
type notary struct {
	word  string
	err   error
	asked int
}

func (n *notary) Attest(_ context.Context, m artifacts.Manifest) ([]byte, error) {
	n.asked++
	return []byte(n.word + " " + m.Digest()), n.err
}

func (n *notary) Covers(_ context.Context, m artifacts.Manifest, statement []byte) bool {
	return string(statement) == n.word+" "+m.Digest()
}

func TestASetIsStoredWithItsStatement(t *testing.T) {
	store, err := folder.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ref := artifacts.Ref{Branch: "main", SHA: "0123456789abcdef0123456789abcdef01234567"}
	publish := func(content string, n *notary) (artifacts.Published, error) {
		t.Helper()
		artifactstest.Files{"a": content}.Add(t, dir)
		set := artifacts.Set{Kind: "builds", Ref: ref, RunID: "1", Dir: dir}
		if n != nil {
			set.Attester = n
		}
		return artifacts.Publish(t.Context(), store, set)
	}
	stored := func() string {
		t.Helper()
		b, err := artifacts.ReadProvenance(t.Context(), store, "builds", ref)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		return string(b)
	}

	denied := &notary{err: errors.New("denied")}
	if _, err := publish("one", denied); !errors.Is(err, denied.err) {
		t.Errorf("without a statement the error is %v", err)
	}
	if _, err := artifacts.ReadManifest(t.Context(), store, "builds", ref); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a statement there is a set: %v", err)
	}
	for _, c := range []struct {
		what, content string
		by            *notary
		asked         int
		replaced      bool
	}{
		{"a set", "one", &notary{word: "plain"}, 1, true},
		{"the same set", "one", &notary{word: "plain"}, 0, false},
		{"the same set by a better notary", "one", &notary{word: "signed"}, 1, true},
		{"another set", "two", &notary{word: "signed"}, 1, true},
		{"another set without a notary", "three", nil, 0, false},
		{"that set with one", "three", &notary{word: "signed"}, 1, true},
	} {
		before := stored()
		p, err := publish(c.content, c.by)
		if err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		if c.by != nil && (c.by.asked != c.asked || stored() != c.by.word+" "+p.Manifest.Digest()) {
			t.Errorf("%s: asked %d times; stored is %q", c.what, c.by.asked, stored())
		}
		if (stored() != before) != c.replaced {
			t.Errorf("%s: the statement was %q and is %q", c.what, before, stored())
		}
	}
}

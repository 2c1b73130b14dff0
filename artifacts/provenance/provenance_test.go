package provenance

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	slsa "github.com/in-toto/attestation/go/predicates/provenance/v1"
	intoto "github.com/in-toto/attestation/go/v1"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/carlin-cicd/runner/artifacts"
)

const sha = "0123456789abcdef0123456789abcdef01234567"

func manifest(paths ...string) artifacts.Manifest {
	m := artifacts.Manifest{Version: 1, Kind: "builds", Branch: "main", SHA: sha, RunID: "r"}
	for i, path := range paths {
		digest := strings.Repeat(string("0123456789abcdef"[i%16]), 64)
		m.Files = append(m.Files, artifacts.File{Path: path, SHA256: digest, Mode: "0644"})
	}
	return m
}

func build() Build {
	began := time.Date(2026, 11, 30, 8, 0, 0, 1, time.UTC)
	return Build{
		External: External{Step: "build", Repository: "https://github.com/acme/shop", Branch: "main", Commit: sha},
		Internal: Internal{Task: "arn:aws:ecs:eu-west-1:123456789012:task/ci/1", Attempts: 1},
		Builder:  OnECS, Version: "1.2.3", RunID: "01h", Started: began, Finished: began.Add(time.Minute),
		Lockfiles: map[string]string{"go.sum": strings.Repeat("a", 64), "web/pnpm-lock.yaml": strings.Repeat("b", 64)},
	}
}

// local signs with a key of this process.
type local struct {
	key  crypto.Signer
	hash crypto.Hash
}

func (l local) Sign(_ context.Context, message []byte) (Signature, error) {
	h := l.hash.New()
	h.Write(message)
	sig, err := l.key.Sign(rand.Reader, h.Sum(nil), l.hash)
	return Signature{"local", sig}, err
}

func public(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// The published schemas are protocol buffers; their JSON form knows no field that they do not have.
func TestTheStatementFitsThePublishedSchemas(t *testing.T) {
	for name, change := range map[string]func(*Build){
		"a build":                  func(*Build) {},
		"without a known commit":   func(b *Build) { b.Commit = "unknown" },
		"of no repository":         func(b *Build) { b.Repository = "" },
		"on a laptop":              func(b *Build) { b.Internal, b.Builder = Internal{Dirty: true}, Local },
		"with an environment":      func(b *Build) { b.Environment = "staging" },
		"without a lockfile":       func(b *Build) { b.Lockfiles = nil },
		"of a commit in SHA-256":   func(b *Build) { b.Commit = strings.Repeat("c", 64) },
		"of an abbreviated commit": func(b *Build) { b.Commit = "0123456" },
	} {
		t.Run(name, func(t *testing.T) {
			b := build()
			change(&b)
			encoded, err := Encode(t.Context(), New(b, manifest("a.js", "é <&> b.js")), nil)
			if err != nil {
				t.Fatal(err)
			}
			var s intoto.Statement
			if err := protojson.Unmarshal(encoded, &s); err != nil {
				t.Fatalf("%v\n%s", err, encoded)
			}
			var p slsa.Provenance
			predicate, err := protojson.Marshal(s.GetPredicate())
			if err == nil {
				err = protojson.Unmarshal(predicate, &p)
			}
			if err = errors.Join(err, s.Validate(), p.Validate()); err != nil && len(b.Commit) != 64 {
				t.Fatalf("%v\n%s", err, encoded)
			}
			if s.GetType() != intoto.StatementTypeUri || s.GetPredicateType() != "https://slsa.dev/provenance/v1" {
				t.Errorf("%s, %s", s.GetType(), s.GetPredicateType())
			}
			meta := p.GetRunDetails().GetMetadata()
			if !meta.GetStartedOn().AsTime().Equal(b.Started.Truncate(time.Millisecond)) || meta.GetInvocationId() != "01h" {
				t.Errorf("%v", meta)
			}
		})
	}
}

func TestWhatAStatementSays(t *testing.T) {
	m := manifest("a.js", "b/c.js")
	s := New(build(), m)
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`{"name":"manifests/builds/main/` + sha + `.json","digest":{"sha256":"` + m.Digest() + `"}}`,
		`{"name":"builds/main/` + sha + `/b/c.js","digest":{"sha256":"` + m.Files[1].SHA256 + `"}}`,
		`"externalParameters":{"step":"build","repository":"https://github.com/acme/shop","branch":"main","commit":"` + sha + `"}`,
		`{"name":"source","uri":"git+https://github.com/acme/shop","digest":{"gitCommit":"` + sha + `"}}`,
		`{"name":"web/pnpm-lock.yaml","digest":{"sha256":"bbbb`,
		`"builder":{"id":"` + OnECS + `","version":{"runner":"1.2.3"}}`,
		`"startedOn":"2026-11-30T08:00:00Z","finishedOn":"2026-11-30T08:01:00Z"`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("it lacks %s\n%s", want, text)
		}
	}
}

func TestAStatementIsOfExactlyItsFiles(t *testing.T) {
	m := manifest("a.js", "b.js")
	for name, c := range map[string]struct {
		change func(*artifacts.Manifest)
		want   int
	}{
		"the same files":   {func(*artifacts.Manifest) {}, 0},
		"stored elsewhere": {func(m *artifacts.Manifest) { m.RunID, m.Files[0].VersionID = "other", "v" }, 0},
		"another content":  {func(m *artifacts.Manifest) { m.Files[0].SHA256 = strings.Repeat("f", 64) }, 2},
		"another mode":     {func(m *artifacts.Manifest) { m.Files[0].Mode = "0755" }, 1},
		"a file more":      {func(m *artifacts.Manifest) { *m = manifest("a.js", "b.js", "c.js") }, 2},
		"a file less":      {func(m *artifacts.Manifest) { *m = manifest("a.js") }, 2},
		"another commit":   {func(m *artifacts.Manifest) { m.SHA = strings.Repeat("e", 40) }, 7},
		"another branch":   {func(m *artifacts.Manifest) { m.Branch = "feature" }, 7},
	} {
		other := manifest("a.js", "b.js")
		c.change(&other)
		if found := Differences(New(build(), m), other); len(found) != c.want {
			t.Errorf("%s: %d differences: %q", name, len(found), found)
		}
	}
}

// What an unsigned statement says of the branch must be true of the set, too.
func TestAStatementIsOfTheSetsBranch(t *testing.T) {
	b := build()
	b.External.Branch = "other"
	found := Differences(New(b, manifest("a.js")), manifest("a.js"))
	if len(found) != 1 || found[0] != `the provenance is of branch "other", the set of "main"` {
		t.Errorf("%q", found)
	}
}

func TestSignaturesOfEachKindOfKey(t *testing.T) {
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	rsaKey, _ := rsa.GenerateKey(rand.Reader, 2048)
	for name, c := range map[string]struct {
		key       crypto.Signer
		hash      crypto.Hash
		algorithm string
	}{
		"P-256": {p256, crypto.SHA256, "ECDSA_SHA_256"},
		"P-384": {p384, crypto.SHA384, "ECDSA_SHA_384"},
		"RSA":   {rsaKey, crypto.SHA256, "RSASSA_PKCS1_V1_5_SHA_256"},
	} {
		t.Run(name, func(t *testing.T) {
			stored, err := Encode(t.Context(), New(build(), manifest("a.js")), local{c.key, c.hash})
			if err != nil {
				t.Fatal(err)
			}
			d, err := Decode(stored)
			if err != nil || d.Envelope == nil || d.Statement.Predicate.RunDetails.Metadata.InvocationID != "01h" {
				t.Fatalf("%+v, %v", d, err)
			}
			key, err := ParsePublicKey(public(t, c.key))
			if err != nil || key.Algorithm() != c.algorithm {
				t.Fatalf("%s, %v", key.Algorithm(), err)
			}
			if err := key.Verify(*d.Envelope); err != nil {
				t.Error(err)
			}
			other, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if wrong, _ := ParsePublicKey(public(t, other)); wrong.Verify(*d.Envelope) == nil {
				t.Error("another key verifies it")
			}
			changed := *d.Envelope
			changed.Payload = append([]byte(" "), changed.Payload...)
			if key.Verify(changed) == nil {
				t.Error("another payload verifies")
			}
			changed = *d.Envelope
			changed.PayloadType += "+x"
			if key.Verify(changed) == nil {
				t.Error("another type verifies")
			}
		})
	}
}

// foreign adapts a key of ours to the library of DSSE's authors, which knows nothing of ours.
type foreign struct{ PublicKey }

func (f foreign) Verify(_ context.Context, data, sig []byte) error {
	if !f.VerifyMessage(data, sig) {
		return errors.New("no")
	}
	return nil
}
func (f foreign) KeyID() (string, error)   { return "local", nil }
func (f foreign) Public() crypto.PublicKey { return f.key }

func TestTheEnvelopeIsDSSE(t *testing.T) {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	stored, err := Encode(t.Context(), New(build(), manifest("a.js")), local{key, crypto.SHA256})
	if err != nil {
		t.Fatal(err)
	}
	var e dsse.Envelope
	if err := json.Unmarshal(stored, &e); err != nil {
		t.Fatal(err)
	}
	ours, _ := ParsePublicKey(public(t, key))
	verifier, err := dsse.NewEnvelopeVerifier(foreign{ours})
	if err != nil {
		t.Fatal(err)
	}
	if accepted, err := verifier.Verify(t.Context(), &e); err != nil || len(accepted) != 1 {
		t.Errorf("%v, %v", accepted, err)
	}
	if got, want := string(preAuthentication("a/b", []byte("é\n"))), string(dsse.PAE("a/b", []byte("é\n"))); got != want {
		t.Errorf("the encoding is %q, not %q", got, want)
	}
}

func TestAKeyThatFailsLeavesNothing(t *testing.T) {
	stored, err := Encode(t.Context(), New(build(), manifest("a.js")), broken{})
	if err == nil || stored != nil {
		t.Errorf("%q, %v", stored, err)
	}
}

type broken struct{}

func (broken) Sign(context.Context, []byte) (Signature, error) {
	return Signature{}, errors.New("denied")
}

func TestKeysThatVerifyNothing(t *testing.T) {
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	p521, _ := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	private, _ := x509.MarshalECPrivateKey(p521)
	for name, c := range map[string]struct {
		encoded []byte
		want    string
	}{
		"Ed25519":       {public(t, ed), "neither ECDSA nor RSA"},
		"P-521":         {public(t, p521), "on the curve P-521"},
		"a private key": {pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}), `holds a "EC PRIVATE KEY"`},
		"no key":        {[]byte("x"), "not a public key"},
		"nothing":       {nil, "not a public key"},
	} {
		_, err := ParsePublicKey(c.encoded)
		var refused *KeyError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), c.want) || refused.Hint() == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestObjectsThatAreNoStatements(t *testing.T) {
	good, _ := Encode(t.Context(), New(build(), manifest("a.js")), nil)
	for name, stored := range map[string]string{
		"nothing":                  ``,
		"not JSON":                 `x`,
		"an empty object":          `{}`,
		"another statement":        strings.Replace(string(good), "Statement/v1", "Statement/v0.1", 1),
		"another predicate":        strings.Replace(string(good), "slsa.dev/provenance/v1", "slsa.dev/vsa/v1", 1),
		"another build type":       strings.Replace(string(good), "step/v1", "step/v2", 1),
		"an envelope of something": `{"payloadType":"text/plain","payload":"eA==","signatures":[{"keyid":"","sig":"eA=="}]}`,
		"an unsigned envelope":     `{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[]}`,
		"a signed nothing":         `{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[{"sig":"eA=="}]}`,
		"a payload without a type": `{"payload":"e30="}`,
	} {
		_, err := Decode([]byte(stored))
		var format *FormatError
		if !errors.As(err, &format) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzDecode looks for input that makes reading a statement fail otherwise than by a FormatError.
func FuzzDecode(f *testing.F) {
	good, _ := Encode(f.Context(), New(build(), manifest("a.js")), nil)
	f.Add(good)
	f.Add([]byte(`{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[{"sig":"eA=="}]}`))
	f.Fuzz(func(t *testing.T, stored []byte) {
		d, err := Decode(stored)
		var format *FormatError
		if err != nil {
			if !errors.As(err, &format) {
				t.Errorf("%v", err)
			}
			return
		}
		if len(d.Statement.Subject) == 0 || d.Envelope != nil && len(d.Envelope.Signatures) == 0 {
			t.Errorf("%+v is accepted", d)
		}
		Differences(d.Statement, manifest("a.js"))
	})
}

func BenchmarkStatement(b *testing.B) {
	paths := make([]string, 5000)
	for i := range paths {
		paths[i] = strings.Repeat("a", 20) + string(rune('a'+i%26)) + strings.Repeat("b", i%30)
	}
	m := manifest(paths...)
	for b.Loop() {
		if _, err := Encode(b.Context(), New(build(), m), nil); err != nil {
			b.Fatal(err)
		}
	}
}

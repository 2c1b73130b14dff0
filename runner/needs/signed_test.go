package needs

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/provenance"
	"github.com/carlin-cicd/runner/runner/outcome"
)

// signer states that it has built a set, with a key of its own or none, and about other files if it lies.
type signer struct {
	key  *ecdsa.PrivateKey
	lies bool
}

func (s signer) Sign(_ context.Context, message []byte) (provenance.Signature, error) {
	digest := sha256.Sum256(message)
	sig, err := ecdsa.SignASN1(rand.Reader, s.key, digest[:])
	return provenance.Signature{KeyID: "k", Sig: sig}, err
}

func (s signer) Attest(ctx context.Context, m artifacts.Manifest) ([]byte, error) {
	if s.lies {
		m.Files = append([]artifacts.File{}, m.Files...)
		m.Files[0].SHA256 = strings.Repeat("0", 64)
	}
	statement := provenance.New(provenance.Build{External: provenance.External{Branch: m.Branch, Commit: m.SHA}, Builder: provenance.Local}, m)
	if s.key == nil {
		return provenance.Encode(ctx, statement, nil)
	}
	return provenance.Encode(ctx, statement, s)
}

func (s signer) Covers(context.Context, artifacts.Manifest, []byte) bool { return false }

func TestOnlyASetThatTheKeyHasSignedPasses(t *testing.T) {
	ours, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	theirs, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	der, err := x509.MarshalPKIXPublicKey(ours.Public())
	if err != nil {
		t.Fatal(err)
	}
	key, err := provenance.ParsePublicKey(der)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		by   artifacts.Attester
		want string // a part of the error; "" for none
	}{
		"signed by the key":                    {signer{key: ours}, ""},
		"signed by another key":                {signer{key: theirs}, "is of another key"},
		"not signed":                           {signer{}, "is not signed"},
		"without a statement":                  {nil, "have no provenance"},
		"a signed statement about other files": {signer{key: ours, lies: true}, "is about other files"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSession(t, "main")
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "a"), []byte("x"), 0o644); err != nil {
				t.Fatal(err)
			}
			p, err := artifacts.Publish(t.Context(), s.Store, artifacts.Set{
				Kind: "builds", Ref: s.Ref, RunID: "1", Dir: dir, Attester: c.by,
			})
			if err != nil {
				t.Fatal(err)
			}
			err = checkSignature(t.Context(), s, p.Manifest, key, "k")
			var guard *outcome.GuardError
			if c.want == "" && err != nil ||
				c.want != "" && (!errors.As(err, &guard) || !strings.Contains(err.Error(), c.want) || guard.Hint() == "") {
				t.Errorf("the error is %v", err)
			}
			if err := CheckSigned(t.Context(), s, p.Manifest); err != nil {
				t.Errorf("without a key: %v", err)
			}
		})
	}
}

package provenance

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/carlin-cicd/runner/artifacts"
)

// Differences returns what a statement and the files of a manifest do not agree on; nothing if the statement is about
// exactly these files.
func Differences(s Statement, m artifacts.Manifest) []string {
	said := make(map[string]string, len(s.Subject))
	for _, subject := range s.Subject {
		said[subject.Name] = subject.Digest["sha256"]
	}
	var found []string
	want := subjects(m)
	for _, subject := range want {
		digest, ok := said[subject.Name]
		switch {
		case !ok:
			found = append(found, fmt.Sprintf("%q is not in the provenance", subject.Name))
		case digest != subject.Digest["sha256"]:
			found = append(found, fmt.Sprintf(
				"%q is %.12s, and %.12s in the provenance", subject.Name, subject.Digest["sha256"], digest,
			))
		}
		delete(said, subject.Name)
	}
	for _, subject := range s.Subject {
		if _, left := said[subject.Name]; left {
			found = append(found, fmt.Sprintf("%q is in the provenance and not in the set", subject.Name))
			delete(said, subject.Name)
		}
	}
	external := s.Predicate.BuildDefinition.ExternalParameters
	if external.Commit != m.SHA {
		found = append(found, fmt.Sprintf("the provenance is of commit %.12q, the set of %.12s", external.Commit, m.SHA))
	}
	if external.Branch != m.Branch {
		found = append(found, fmt.Sprintf("the provenance is of branch %q, the set of %q", external.Branch, m.Branch))
	}
	return found
}

// PublicKey verifies signatures: ECDSA on P-256 with SHA-256 and on P-384 with SHA-384, RSA of 2048 bits or more with
// PKCS #1 v1.5 and SHA-256.
type PublicKey struct{ key crypto.PublicKey }

// KeyError says why a key cannot verify signatures.
type KeyError struct{ Reason string }

func (e *KeyError) Error() string { return "the key cannot verify signatures: " + e.Reason }

// Hint says which keys can.
func (e *KeyError) Hint() string {
	return "use an ECDSA key on P-256 or P-384, or an RSA key of 2048 bits or more"
}

// ParsePublicKey reads a public key in DER or PEM, as kms:GetPublicKey and openssl write it. The error is a *KeyError.
func ParsePublicKey(encoded []byte) (PublicKey, error) {
	if block, _ := pem.Decode(encoded); block != nil {
		if block.Type != "PUBLIC KEY" {
			return PublicKey{}, &KeyError{fmt.Sprintf("the file holds a %.40q, not a public key", block.Type)}
		}
		encoded = block.Bytes
	}
	key, err := x509.ParsePKIXPublicKey(encoded)
	if err != nil {
		return PublicKey{}, &KeyError{"it is not a public key in PEM or DER"}
	}
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() && k.Curve != elliptic.P384() {
			return PublicKey{}, &KeyError{"it is on the curve " + k.Curve.Params().Name}
		}
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < 2048 {
			return PublicKey{}, &KeyError{fmt.Sprintf("it is RSA of %d bits", bits)}
		}
	default:
		return PublicKey{}, &KeyError{"it is neither ECDSA nor RSA"}
	}
	return PublicKey{key}, nil
}

// Algorithm returns KMS's name of how signatures of the key are made.
func (k PublicKey) Algorithm() string {
	switch key := k.key.(type) {
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P384() {
			return "ECDSA_SHA_384"
		}
		return "ECDSA_SHA_256"
	case *rsa.PublicKey:
		return "RSASSA_PKCS1_V1_5_SHA_256"
	}
	return ""
}

// Digest returns the digest of a message that a signature of the key is of.
func (k PublicKey) Digest(message []byte) []byte {
	if k.Algorithm() == "ECDSA_SHA_384" {
		sum := sha512.Sum384(message)
		return sum[:]
	}
	sum := sha256.Sum256(message)
	return sum[:]
}

// errSignature is without details: there are none that help.
var errSignature = errors.New("the signature of the provenance is not of this key")

// Verify returns an error unless one of the envelope's signatures is of the key.
func (k PublicKey) Verify(e Envelope) error {
	message := preAuthentication(e.PayloadType, e.Payload)
	for _, s := range e.Signatures {
		if k.VerifyMessage(message, s.Sig) {
			return nil
		}
	}
	return errSignature
}

// VerifyMessage reports whether a signature of a message is of the key.
func (k PublicKey) VerifyMessage(message, signature []byte) bool {
	digest := k.Digest(message)
	switch key := k.key.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(key, digest, signature)
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest, signature) == nil
	}
	return false
}

// SignatureState is what is known of the signature of a statement.
type SignatureState string

// The states of a signature. Only Verified says who signed.
const (
	Unsigned   SignatureState = "unsigned"
	Unverified SignatureState = "unverified" // there is no key to verify it with
	Verified   SignatureState = "verified"
	Invalid    SignatureState = "invalid" // it is not of the key
)

// Signature returns the state of the signature for a key, which may be nil.
func (d Document) Signature(key *PublicKey) SignatureState {
	switch {
	case d.Envelope == nil:
		return Unsigned
	case key == nil:
		return Unverified
	case key.Verify(*d.Envelope) != nil:
		return Invalid
	}
	return Verified
}

// KeyID returns the id that the envelope has for the key, which only a Verified signature makes true.
func (d Document) KeyID() string {
	if d.Envelope == nil {
		return ""
	}
	return d.Envelope.Signatures[0].KeyID
}

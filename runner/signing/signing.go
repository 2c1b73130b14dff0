// Package signing makes signatures with a key of KMS, which never leaves it.
package signing

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/carlin-cicd/runner/artifacts/credentials"
	"github.com/carlin-cicd/runner/artifacts/provenance"
	"github.com/carlin-cicd/runner/runner/awsjson"
)

// Key is a key pair of KMS. It is a provenance.Signer.
type Key struct {
	ARN    string
	Public provenance.PublicKey
	client *awsjson.Client
}

// Error says what KMS did not do.
type Error struct {
	Message   string
	Advice    string
	Transient bool // the service failed rather than the request
	Err       error
}

func (e *Error) Error() string { return e.Message }

// Unwrap returns AWS's error.
func (e *Error) Unwrap() error { return e.Err }

// Retryable reports whether another run may succeed.
func (e *Error) Retryable() bool { return e.Transient }

// Hint says what to do about it.
func (e *Error) Hint() string { return e.Advice }

// Open fetches the public key of a key, which is an id, an alias or an ARN; of an ARN the region counts, else the
// configuration's. The error is an *Error, a *provenance.KeyError or the context's.
func Open(ctx context.Context, config aws.Config, id string) (*Key, error) {
	config = config.Copy()
	if region := regionOf(id); region != "" {
		config.Region = region
	}
	client, err := awsjson.New(ctx, config, awsjson.Service{Name: "kms", ID: "KMS", Target: "TrentService"})
	if err != nil {
		return nil, &Error{
			Message: "the signing key " + id + " cannot be used: " + err.Error(), Err: err,
			Advice: "set AWS_REGION to the key's region, or give its ARN",
		}
	}
	var found struct {
		KeyID     string `json:"KeyId"`
		PublicKey []byte
		KeyUsage  string
	}
	if err := client.Call(ctx, "GetPublicKey", map[string]string{"KeyId": id}, &found); err != nil {
		return nil, explain(ctx, id, "kms:GetPublicKey", "its public key cannot be fetched", err)
	}
	if found.KeyUsage != "SIGN_VERIFY" {
		return nil, &Error{
			Message: fmt.Sprintf("the key %s is for %s, not for signatures", id, cmp.Or(found.KeyUsage, "encryption")),
			Advice:  "make a key with the usage SIGN_VERIFY and the spec ECC_NIST_P256",
		}
	}
	public, err := provenance.ParsePublicKey(found.PublicKey)
	if err != nil {
		return nil, err
	}
	return &Key{ARN: found.KeyID, Public: public, client: client}, nil
}

// regionOf returns the region of an ARN, "" for other ids.
func regionOf(id string) string {
	if parts := strings.SplitN(id, ":", 6); len(parts) == 6 && parts[0] == "arn" {
		return parts[3]
	}
	return ""
}

// maxMessage is how long a message may be for KMS to digest it itself, in bytes.
const maxMessage = 4096

// Sign implements provenance.Signer. The signature is verified before it is returned.
func (k *Key) Sign(ctx context.Context, message []byte) (provenance.Signature, error) {
	kind, signed := "RAW", message
	if len(message) > maxMessage {
		kind, signed = "DIGEST", k.Public.Digest(message)
	}
	var made struct {
		Signature []byte
	}
	err := k.client.Call(ctx, "Sign", map[string]any{
		"KeyId": k.ARN, "Message": signed, "MessageType": kind, "SigningAlgorithm": k.Public.Algorithm(),
	}, &made)
	if err != nil {
		return provenance.Signature{}, explain(ctx, k.ARN, "kms:Sign", "it signed nothing", err)
	}
	if !k.Public.VerifyMessage(message, made.Signature) {
		return provenance.Signature{}, &Error{
			Message: "KMS returned a signature that is not of the key " + k.ARN,
			Advice:  "check AWS_ENDPOINT_URL_KMS and proxies between here and KMS",
		}
	}
	return provenance.Signature{KeyID: k.ARN, Sig: made.Signature}, nil
}

// explain converts an error of AWS.
func explain(ctx context.Context, id, action, what string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	e := &Error{
		Message: fmt.Sprintf("the signing key %s: %s: %s", id, what, credentials.Message(err)), Err: err,
		Transient: awsjson.IsTransient(err),
	}
	var unsigned *awsjson.CredentialsError
	switch {
	case errors.As(err, &unsigned):
		e.Advice = cmp.Or(credentials.Hint(err), "check the task's role, or AWS_PROFILE")
	case awsjson.HasCode(err, "AccessDeniedException"):
		e.Advice = "allow " + action + " on the key in the role and in the key's policy (SigningKeyArn of the templates does)"
	case awsjson.HasCode(err, "NotFoundException"):
		e.Advice = "check RUNNER_SIGNING_KEY: it takes an ARN, a key id, or alias/NAME of AWS_REGION"
	case awsjson.HasCode(err, "DisabledException", "KMSInvalidStateException"):
		e.Advice = "enable the key, or name another one in RUNNER_SIGNING_KEY"
	case awsjson.HasCode(err, "InvalidKeyUsageException", "UnsupportedOperationException"):
		e.Advice = "make an asymmetric key with the usage SIGN_VERIFY and the spec ECC_NIST_P256"
	case e.Transient:
		e.Advice = "KMS failed: try again later"
	default:
		e.Advice = "check RUNNER_SIGNING_KEY and the way to KMS: a subnet without internet needs its endpoint"
	}
	return e
}

package signing

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/carlin-cicd/runner/artifacts/provenance"
	"github.com/carlin-cicd/runner/infra/ecs"
	"github.com/carlin-cicd/runner/runner/awsjson"
)

// kms is a server that signs as KMS does.
func kms(t *testing.T) aws.Config {
	t.Helper()
	server, err := ecs.Start(ecs.Options{Driver: "process", Entrypoint: "/bin/true"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return server.Config()
}

func newKey(t *testing.T, config aws.Config, usage, spec string) (arn string) {
	t.Helper()
	client, err := awsjson.New(t.Context(), config, awsjson.Service{Name: "kms", ID: "KMS", Target: "TrentService"})
	if err != nil {
		t.Fatal(err)
	}
	var made struct{ KeyMetadata struct{ Arn string } }
	if err := client.Call(t.Context(), "CreateKey", map[string]string{"KeyUsage": usage, "KeySpec": spec}, &made); err != nil {
		t.Fatal(err)
	}
	if err := client.Call(
		t.Context(), "CreateAlias",
		map[string]string{"AliasName": "alias/" + spec, "TargetKeyId": made.KeyMetadata.Arn}, nil,
	); err != nil {
		t.Fatal(err)
	}
	return made.KeyMetadata.Arn
}

func TestSignaturesOfKMS(t *testing.T) {
	config := kms(t)
	for _, spec := range []string{"ECC_NIST_P256", "ECC_NIST_P384", "RSA_2048", "RSA_4096"} {
		t.Run(spec, func(t *testing.T) {
			arn := newKey(t, config, "SIGN_VERIFY", spec)
			for _, id := range []string{arn, arn[strings.LastIndexByte(arn, '/')+1:], "alias/" + spec} {
				key, err := Open(t.Context(), config, id)
				if err != nil {
					t.Fatal(err)
				}
				if key.ARN != arn {
					t.Errorf("the key %s is %s, not %s", id, key.ARN, arn)
				}
				for what, message := range map[string][]byte{
					"a short message": []byte("x"), "the longest that KMS takes": bytes.Repeat([]byte("x"), maxMessage),
					"one byte more": bytes.Repeat([]byte("x"), maxMessage+1), "1 MiB": make([]byte, 1<<20),
				} {
					made, err := key.Sign(t.Context(), message)
					if err != nil {
						t.Errorf("%s: %v", what, err)
						continue
					}
					if made.KeyID != arn || !key.Public.VerifyMessage(message, made.Sig) ||
						key.Public.VerifyMessage(append(message, 'y'), made.Sig) {
						t.Errorf("%s: the signature does not verify", what)
					}
				}
			}
		})
	}
}

func TestKeysThatCannotSign(t *testing.T) {
	config := kms(t)
	encrypts := newKey(t, config, "ENCRYPT_DECRYPT", "RSA_2048")
	other := newKey(t, config, "SIGN_VERIFY", "ECC_NIST_P521")
	for name, c := range map[string]struct{ id, want string }{
		"a key that encrypts":      {encrypts, "is for ENCRYPT_DECRYPT, not for signatures"},
		"a key on another curve":   {other, "it is on the curve P-521"},
		"no such key":              {"arn:aws:kms:eu-central-1:123456789012:key/00000000-0000-0000-0000-000000000000", "NotFoundException"},
		"no such key in the other": {strings.Replace(other, "eu-central-1", "eu-west-1", 1), "NotFoundException"},
	} {
		_, err := Open(t.Context(), config, c.id)
		var hinted interface{ Hint() string }
		if err == nil || !strings.Contains(err.Error(), c.want) || !errors.As(err, &hinted) || hinted.Hint() == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAdviceFitsTheFailure(t *testing.T) {
	for code, want := range map[string]string{
		"AccessDeniedException":    "allow kms:Sign on the key",
		"DisabledException":        "enable the key",
		"KMSInvalidStateException": "enable the key",
		"KMSInternalException":     "try again later",
	} {
		status := 400
		if code == "KMSInternalException" {
			status = 500
		}
		var e *Error
		err := explain(t.Context(), "k", "kms:Sign", "it signed nothing", &awsjson.APIError{Status: status, Code: code})
		if !errors.As(err, &e) || !strings.Contains(e.Hint(), want) || e.Retryable() != (status == 500) {
			t.Errorf("%s: %v, %q", code, err, e.Hint())
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := explain(ctx, "k", "", "", errors.New("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

var _ provenance.Signer = (*Key)(nil)

package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

func signature(key string, body []byte) string {
	sum := hmac.New(sha256.New, []byte(key))
	sum.Write(body)
	return "sha256=" + hex.EncodeToString(sum.Sum(nil))
}

// vault is a Secrets Manager with two stages of one secret.
type vault struct {
	current, previous string
	rotated           time.Time
	binary            bool
	fail              int // calls that fail first
	calls             int
}

func (v *vault) GetSecretValue(
	_ context.Context,
	in *secretsmanager.GetSecretValueInput,
	_ ...func(*secretsmanager.Options),
) (*secretsmanager.GetSecretValueOutput, error) {
	v.calls++
	if v.fail > 0 {
		v.fail--
		return nil, errors.New("timed out")
	}
	value := v.current
	if *in.VersionStage == "AWSPREVIOUS" {
		value = v.previous
	}
	if value == "" {
		return nil, &types.ResourceNotFoundException{}
	}
	out := &secretsmanager.GetSecretValueOutput{CreatedDate: &v.rotated}
	if out.SecretString = &value; v.binary {
		out.SecretString, out.SecretBinary = nil, []byte(value)
	}
	return out, nil
}

const (
	first  = "the first secret of all"
	second = "the second secret of all"
)

// keyringTest is a keyring with its vault and a clock.
type keyringTest struct {
	*testing.T
	*vault
	ring *keyring
	now  time.Time
}

func newKeyringTest(t *testing.T) *keyringTest {
	d := &keyringTest{T: t, now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	d.vault = &vault{current: first, rotated: d.now.Add(-1000 * time.Hour)}
	d.ring = &keyring{store: d.vault, arn: "arn:hook", now: func() time.Time { return d.now }}
	return d
}

func (d *keyringTest) rotate(to string) { d.previous, d.current, d.rotated = d.current, to, d.now }

// check verifies a signature made with key and counts the calls of Secrets Manager.
func (d *keyringTest) check(key string, want bool, calls int) {
	d.Helper()
	before := d.calls
	given, _ := hex.DecodeString(signature(key, []byte("body"))[len("sha256="):])
	got, err := d.ring.verify(d.Context(), []byte("body"), given)
	if err != nil || got != want || d.calls-before != calls {
		d.Errorf("verify(%q) = %v after %d calls (%v), want %v after %d", key, got, d.calls-before, err, want, calls)
	}
}

func TestSecretIsReadOnceInFiveMinutes(t *testing.T) {
	d := newKeyringTest(t)
	d.check(first, true, 1)
	d.now = d.now.Add(4 * time.Minute)
	d.check(first, true, 0)
	d.now = d.now.Add(time.Minute)
	d.check(first, true, 1)
}

func TestFirstSignatureAfterARotationMatches(t *testing.T) {
	d := newKeyringTest(t)
	d.check(first, true, 1)
	d.now = d.now.Add(2 * time.Minute)
	d.rotate(second)
	d.check(second, true, 2)
	d.check(first, true, 0) // GitHub may not have the new one yet
}

func TestBinarySecretsAreRotatedToo(t *testing.T) {
	d := newKeyringTest(t)
	d.binary = true
	d.rotate(second)
	d.check(second, true, 2)
	d.check(first, true, 0)
}

func TestPreviousSecretIsAcceptedForADay(t *testing.T) {
	d := newKeyringTest(t)
	d.rotate(second)
	d.check(first, true, 2)
	d.now = d.now.Add(23 * time.Hour)
	d.check(first, true, 2)
	d.now = d.now.Add(time.Hour)
	d.check(first, false, 1)
	d.check(second, true, 0)
}

func TestForgedSignaturesCostOneFetchAMinute(t *testing.T) {
	d := newKeyringTest(t)
	d.check("forged", false, 1)
	for range 10 {
		d.check("forged", false, 0)
	}
	d.now = d.now.Add(time.Minute)
	d.check("forged", false, 1)
	for range 10 {
		d.check("forged", false, 0)
	}
	d.now = d.now.Add(time.Minute)
	d.fail = 2
	if _, err := d.ring.verify(d.Context(), nil, nil); err == nil {
		t.Error("a signature that may be new is rejected although the secret cannot be read")
	}
	d.check("forged", false, 0)
}

func TestOneFailedCallIsRetried(t *testing.T) {
	d := newKeyringTest(t)
	d.fail = 1
	d.check(first, true, 2)
}

func TestMissingOrShortSecretsAcceptNoSignature(t *testing.T) {
	for name, change := range map[string]func(*keyringTest){
		"gone":        func(d *keyringTest) { d.current = "" },
		"short":       func(d *keyringTest) { d.current = "123" },
		"unreachable": func(d *keyringTest) { d.fail = 2 },
	} {
		t.Run(name, func(t *testing.T) {
			d := newKeyringTest(t)
			d.check(first, true, 1)
			d.now = d.now.Add(5 * time.Minute)
			change(d)
			for _, key := range []string{first, "", "123"} {
				d.fail *= 2
				given, _ := hex.DecodeString(signature(key, []byte("body"))[len("sha256="):])
				if ok, err := d.ring.verify(t.Context(), []byte("body"), given); ok || err == nil {
					t.Errorf("%q: %v, %v", key, ok, err)
				}
				if name == "unreachable" {
					return
				}
			}
		})
	}
}

// flaky is an EventBridge that returns its answers in turn.
type flaky struct {
	answers []error
	asked   []*eventbridge.PutEventsInput
}

// errEntry is a successful call with a failed event.
var errEntry = errors.New("entry")

func (f *flaky) PutEvents(
	_ context.Context,
	in *eventbridge.PutEventsInput,
	_ ...func(*eventbridge.Options),
) (*eventbridge.PutEventsOutput, error) {
	f.asked = append(f.asked, in)
	err := f.answers[0]
	f.answers = f.answers[1:]
	switch {
	case errors.Is(err, errEntry):
		return &eventbridge.PutEventsOutput{
			FailedEntryCount: 1,
			Entries: []ebtypes.PutEventsResultEntry{
				{ErrorCode: aws.String("InternalFailure"), ErrorMessage: aws.String("later")},
			},
		}, nil
	case err != nil:
		return nil, err
	}
	return &eventbridge.PutEventsOutput{Entries: []ebtypes.PutEventsResultEntry{{EventId: aws.String("id")}}}, nil
}

func TestEventsArePutTwiceAtMost(t *testing.T) {
	down := errors.New("connection reset")
	for name, c := range map[string]struct {
		answers []error
		asked   int
		taken   bool
	}{
		"at once":                       {[]error{nil}, 1, true},
		"after an error":                {[]error{down, nil}, 2, true},
		"after an entry that failed":    {[]error{errEntry, nil}, 2, true},
		"never, by errors":              {[]error{down, down, nil}, 2, false},
		"never, by entries that failed": {[]error{errEntry, errEntry, nil}, 2, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := &flaky{answers: c.answers}
			id, err := (&publisher{f, "ci"}).put(t.Context(), event{"push", push{Delivery: testDelivery}})
			if (err == nil) != c.taken || (id == "id") != c.taken || len(f.asked) != c.asked {
				t.Errorf("%q, %v after %d tries", id, err, len(f.asked))
			}
			if e := f.asked[0].Entries[0]; *e.Source != "ci.github" || *e.DetailType != "push" ||
				*e.EventBusName != "ci" {
				t.Errorf("the entry has %s, %s, %s", *e.Source, *e.DetailType, *e.EventBusName)
			}
		})
	}
}

func TestNoSecondAttemptOnceTheContextHasEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f := &flaky{answers: []error{errEntry, nil}}
	if _, err := (&publisher{f, "ci"}).put(ctx, event{"push", push{}}); err == nil || len(f.asked) != 1 {
		t.Errorf("%v after %d tries", err, len(f.asked))
	}
}

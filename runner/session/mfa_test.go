package session

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
)

func TestARefusedCodeIsAskedForAgainAndThenNoMore(t *testing.T) {
	refused := &smithy.GenericAPIError{
		Code: "AccessDenied", Message: "MultiFactorAuthentication failed with invalid MFA one time pass code.",
	}
	short := &smithy.GenericAPIError{
		Code: "ValidationError", Message: "1 validation error detected: Value '12' at 'tokenCode' failed to satisfy constraint",
	}
	denied := &smithy.GenericAPIError{Code: "AccessDenied", Message: "User: x is not authorized to perform: sts:AssumeRole"}
	for name, c := range map[string]struct {
		answers   []error // of STS, one a code
		asks      int
		err       error
		asksAgain int // when another request follows
	}{
		"the first code is right":  {[]error{nil}, 1, nil, 1},
		"the second code is right": {[]error{refused, nil}, 2, nil, 1},
		"a code that is too short": {[]error{short, refused, nil}, 3, nil, 1},
		"no code is right":         {[]error{refused, refused, refused, nil}, 3, refused, 0},
		"the role is denied":       {[]error{denied, nil}, 1, denied, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var prompts []string
			m := &mfa{ask: func(prompt string) (string, error) { prompts = append(prompts, prompt); return "1", nil }}
			code, answers := m.provider(), c.answers
			p := m.retried(aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				if _, err := code(); err != nil || len(answers) == 0 {
					return aws.Credentials{}, err
				}
				err := answers[0]
				answers = answers[1:]
				return aws.Credentials{}, err
			}))
			if _, err := p.Retrieve(t.Context()); !errors.Is(err, c.err) || len(prompts) != c.asks {
				t.Errorf("%v after %q", err, prompts)
			}
			for i, prompt := range prompts {
				if strings.HasPrefix(prompt, "The code was refused. ") != (i > 0) {
					t.Errorf("prompt %d is %q", i, prompt)
				}
			}
			prompts = nil
			if _, err := p.Retrieve(t.Context()); !errors.Is(err, c.err) || len(prompts) != c.asksAgain {
				t.Errorf("the next request: %v after %q", err, prompts)
			}
		})
	}
}

func TestCodesAreNotAskedForWithoutATerminalOrWhenNoneIsNeeded(t *testing.T) {
	if (&mfa{}).provider() != nil {
		t.Error("there is no terminal to ask at")
	}
	m := &mfa{ask: func(string) (string, error) { return "", errNoCode }}
	failures := []error{errors.New("one"), errors.New("two")}
	p := m.retried(aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		err := failures[0]
		failures = slices.Delete(failures, 0, 1)
		return aws.Credentials{}, err
	}))
	for _, want := range []string{"one", "two"} {
		if _, err := p.Retrieve(t.Context()); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

package session

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	"golang.org/x/term"
)

// mfa asks for the code of a profile's MFA device. A code that is refused is asked for again, maxCodes times in all.
// Then the error stays, so that no later request asks again.
type mfa struct {
	ask func(prompt string) (string, error) // nil without a terminal

	mu      sync.Mutex
	asked   int
	refused bool // the last code
	failure error
}

const maxCodes = 3

// newMFA returns what asks at the terminal. Without one it asks for nothing, and the SDK refuses such a profile.
func newMFA() *mfa {
	if !term.IsTerminal(int(os.Stdin.Fd())) || !term.IsTerminal(int(os.Stderr.Fd())) {
		return &mfa{}
	}
	return &mfa{ask: func(prompt string) (string, error) { return askForCode(prompt, os.Stdin, os.Stderr) }}
}

// provider returns what the SDK calls for a code, or nil.
func (m *mfa) provider() func() (string, error) {
	if m.ask == nil {
		return nil
	}
	return func() (string, error) {
		m.asked++
		prompt := "MFA code of the AWS profile: "
		if m.refused {
			prompt = "The code was refused. " + prompt
		}
		return m.ask(prompt)
	}
}

// retried returns a provider that asks for another code after one that was refused.
func (m *mfa) retried(p aws.CredentialsProvider) aws.CredentialsProvider {
	if m.ask == nil || p == nil {
		return p
	}
	return aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.asked, m.refused = 0, false
		for m.failure == nil {
			before := m.asked
			c, err := p.Retrieve(ctx)
			if err == nil || m.asked == before || ctx.Err() != nil {
				return c, err
			}
			if m.refused = isRefusedCode(err); !m.refused || m.asked >= maxCodes {
				m.failure = err
			}
		}
		return aws.Credentials{}, m.failure
	})
}

// isRefusedCode reports whether STS refused the code, and not the role.
func isRefusedCode(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && (api.ErrorCode() == "ValidationError" && strings.Contains(
		api.ErrorMessage(), "tokenCode") || strings.Contains(api.ErrorMessage(), "MultiFactorAuthentication failed"))
}

// signalDelay is how long a signal takes, at most, to reach the program's own handler, which ends the request before the
// missing code does.
const signalDelay = 200 * time.Millisecond

var errNoCode = errors.New("no MFA code was typed")

// askForCode reads a code that the terminal does not show. A signal to stop ends it, since the terminal would keep
// hiding what is typed otherwise.
func askForCode(prompt string, in, out *os.File) (string, error) {
	shown, err := term.GetState(int(in.Fd()))
	if err != nil {
		return "", err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(stop)
	fmt.Fprint(out, prompt)
	type answer struct {
		text []byte
		err  error
	}
	typed := make(chan answer, 1)
	go func() {
		text, err := term.ReadPassword(int(in.Fd()))
		typed <- answer{text, err}
	}()
	var a answer
	select {
	case a = <-typed:
	case <-stop:
		a.err = errors.Join(errNoCode, term.Restore(int(in.Fd()), shown))
		time.Sleep(signalDelay)
	}
	fmt.Fprintln(out) // the Enter is not shown either
	code := strings.TrimSpace(string(a.text))
	if a.err == nil && code == "" {
		a.err = errNoCode
	}
	return code, a.err
}

package session

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/term"
)

// mfaPrompt returns what asks for the code of a profile's MFA device at the terminal. Without a terminal it is nil, and
// the SDK refuses such a profile.
func mfaPrompt() func() (string, error) {
	if !term.IsTerminal(int(os.Stdin.Fd())) || !term.IsTerminal(int(os.Stderr.Fd())) {
		return nil
	}
	return func() (string, error) { return askForCode(os.Stdin, os.Stderr) }
}

var errNoCode = errors.New("no MFA code was typed")

// askForCode reads a code that the terminal does not show. A signal to stop ends it, since the terminal would keep
// hiding what is typed otherwise.
func askForCode(in, out *os.File) (string, error) {
	shown, err := term.GetState(int(in.Fd()))
	if err != nil {
		return "", err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(stop)
	fmt.Fprint(out, "MFA code of the AWS profile: ")
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
	}
	fmt.Fprintln(out) // the Enter is not shown either
	code := strings.TrimSpace(string(a.text))
	if a.err == nil && code == "" {
		a.err = errNoCode
	}
	return code, a.err
}

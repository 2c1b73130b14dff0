package source

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/carlin-cicd/runner/runner/scratch"
)

// keyAgent serves a private key to ssh without a file: ssh asks it to sign by a socket that only this user may open,
// and the key never leaves our memory.
type keyAgent struct {
	dir      string
	listener net.Listener
	known    string // file of host keys; empty: those of the image
}

// socketAdvice is for a temporary folder that cannot be used.
const socketAdvice = "give the task a writable folder for temporary files: /tmp, or TMPDIR"

// openAgent serves a private key in any form that OpenSSH writes, without a passphrase. The error is an *Error.
func openAgent(key, knownHosts string) (*keyAgent, error) {
	// Line breaks are easily lost on the way through a variable: a pasted secret ends without one.
	private, err := ssh.ParseRawPrivateKey([]byte(strings.TrimSpace(strings.ReplaceAll(key, "\r\n", "\n")) + "\n"))
	var locked *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &locked):
		return nil, &Error{
			Message: "the key in RUNNER_SSH_KEY has a passphrase",
			Advice:  "create a deploy key without one: ssh-keygen -t ed25519 -N ''; access to the secret protects it",
		}
	case err != nil: // its text has nothing of the key
		return nil, &Error{
			Message: "RUNNER_SSH_KEY is not a private key",
			Advice:  "store the whole file, from the line -----BEGIN to the line -----END, with its line breaks",
		}
	}
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: private}); err != nil {
		return nil, &Error{
			Message: "the key in RUNNER_SSH_KEY " +
				"cannot be used: " + err.Error(), Advice: "create one of another type: ssh-keygen -t ed25519",
		}
	}
	dir, err := scratch.Dir("runner-ssh-")
	if err != nil {
		return nil, &Error{
			Message: "the socket for the SSH key cannot be created: " + err.Error(), Advice: socketAdvice,
		}
	}
	a := &keyAgent{dir: dir}
	if a.listener, err = net.Listen("unix", filepath.Join(dir, "agent")); err != nil {
		a.close()
		return nil, &Error{
			Message: "the socket for the SSH key cannot be created: " + err.Error(), Advice: socketAdvice,
		}
	}
	if knownHosts != "" {
		a.known = filepath.Join(dir, "known_hosts")
		if err := os.WriteFile(a.known, []byte(strings.TrimSpace(knownHosts)+"\n"), 0o600); err != nil {
			a.close()
			return nil, &Error{Message: "the known hosts cannot be written: " + err.Error(), Advice: socketAdvice}
		}
	}
	go acceptEach(a.listener, func(conn net.Conn) {
		_ = agent.ServeAgent(ring, conn) // ends with ssh
	})
	return a, nil
}

// acceptEach serves every connection until the listener is closed.
func acceptEach(l net.Listener, serve func(net.Conn)) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			serve(conn)
		}()
	}
}

// options are ssh's options to use the agent.
func (a *keyAgent) options() string {
	options := fmt.Sprintf(
		" -o IdentityAgent=%s -o IdentitiesOnly=no -o IdentityFile=none", quote(a.listener.Addr().String()),
	)
	if a.known != "" {
		options += " -o UserKnownHostsFile=" + quote(a.known)
	}
	return options
}

func (a *keyAgent) close() {
	if a == nil {
		return
	}
	if a.listener != nil {
		a.listener.Close()
	}
	os.RemoveAll(a.dir)
}

// quote returns a text as one word of sh.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

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
)

// keyAgent lends a private key to ssh without a file: ssh asks it to sign, by a socket that only we may open, and the key
// never leaves our memory.
type keyAgent struct {
	dir      string
	listener net.Listener
	known    string // a file of host keys; empty to use the image's own
}

// openAgent begins to serve a private key in any form that OpenSSH writes, without a passphrase. The error is an *Error.
func openAgent(key, knownHosts string) (*keyAgent, error) {
	// Line breaks are easily lost on the way through a variable: a secret that was pasted ends without one.
	private, err := ssh.ParseRawPrivateKey([]byte(strings.TrimSpace(strings.ReplaceAll(key, "\r\n", "\n")) + "\n"))
	var locked *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &locked):
		return nil, &Error{Message: "the key in RUNNER_SSH_KEY has a passphrase", Advice: "make a deploy key without one: ssh-keygen -t ed25519 -N ''; the secret's own access is what protects it"}
	case err != nil: // whose text says nothing of the key's
		return nil, &Error{Message: "RUNNER_SSH_KEY is no private key", Advice: "store the whole file, from the line -----BEGIN to the line -----END, line breaks included"}
	}
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: private}); err != nil {
		return nil, &Error{Message: "the key in RUNNER_SSH_KEY cannot be used: " + err.Error(), Advice: "make one of another type: ssh-keygen -t ed25519"}
	}
	dir, err := os.MkdirTemp("", "runner-ssh-")
	if err != nil {
		return nil, &Error{Message: "there is no place for a socket: " + err.Error(), Advice: "give the task a /tmp that can be written to"}
	}
	a := &keyAgent{dir: dir}
	if a.listener, err = net.Listen("unix", filepath.Join(dir, "agent")); err != nil {
		a.close()
		return nil, &Error{Message: "the key cannot be lent to ssh: " + err.Error(), Advice: "give the task a /tmp that can be written to"}
	}
	if knownHosts != "" {
		a.known = filepath.Join(dir, "known_hosts")
		if err := os.WriteFile(a.known, []byte(strings.TrimSpace(knownHosts)+"\n"), 0o600); err != nil {
			a.close()
			return nil, &Error{Message: "the known hosts cannot be written: " + err.Error(), Advice: "give the task a /tmp that can be written to"}
		}
	}
	go a.serve(ring)
	return a, nil
}

func (a *keyAgent) serve(ring agent.Agent) {
	for {
		conn, err := a.listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			_ = agent.ServeAgent(ring, conn) // ends when ssh does
		}()
	}
}

// options are what ssh is told of it.
func (a *keyAgent) options() string {
	options := fmt.Sprintf(" -o IdentityAgent=%s -o IdentitiesOnly=no -o IdentityFile=none", quoted(a.listener.Addr().String()))
	if a.known != "" {
		options += " -o UserKnownHostsFile=" + quoted(a.known)
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

// quoted is a path as one word of GIT_SSH_COMMAND, which sh reads.
func quoted(path string) string { return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'" }

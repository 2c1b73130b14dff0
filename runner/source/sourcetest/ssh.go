// Package sourcetest serves git repositories as GitHub does: by https with a token, and by ssh with a key.
package sourcetest

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// isolated keeps the configuration of the machine out.
var isolated = []string{"GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_CONFIG_NOSYSTEM=1"}

// SSHServer serves the repositories in a folder by ssh to clients with the key.
type SSHServer struct {
	Address    string
	KnownHosts string  // its line of known_hosts
	LFS        *Server // serves the objects of Git LFS; may be nil
}

// NewKey returns a private key as OpenSSH writes it, and its public half.
func NewKey(t testing.TB, passphrase string) (text string, public ssh.PublicKey) {
	t.Helper()
	pub, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var block *pem.Block
	if passphrase == "" {
		block, err = ssh.MarshalPrivateKey(private, "test")
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "test", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	public, err = ssh.NewPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block)), public
}

// ServeSSH serves until the test ends.
func ServeSSH(t testing.TB, dir string, allowed ssh.PublicKey) *SSHServer {
	t.Helper()
	hostText, hostPublic := NewKey(t, "")
	host, err := ssh.ParsePrivateKey([]byte(hostText))
	if err != nil {
		t.Fatal(err)
	}
	config := &ssh.ServerConfig{
		PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if string(key.Marshal()) != string(allowed.Marshal()) {
				return nil, errors.New("no")
			}
			return nil, nil
		},
	}
	config.AddHostKey(host)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	s := &SSHServer{
		Address:    l.Addr().String(),
		KnownHosts: "[127.0.0.1]:" + port + " " + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(hostPublic))),
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(conn, config, dir)
		}
	}()
	return s
}

func (s *SSHServer) serve(conn net.Conn, config *ssh.ServerConfig, dir string) {
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for channel := range channels {
		c, requests, err := channel.Accept()
		if err != nil {
			return
		}
		for r := range requests {
			if r.Type != "exec" {
				r.Reply(r.Type == "env", nil)
				continue
			}
			status := s.execute(c, string(r.Payload[4:]), dir, r)
			c.SendRequest("exit-status", false, binary.BigEndian.AppendUint32(nil, status))
			c.Close()
		}
	}
}

// execute runs the command of a client and returns its exit code.
func (s *SSHServer) execute(c ssh.Channel, command, dir string, r *ssh.Request) (status uint32) {
	r.Reply(true, nil)
	if name, ok := strings.CutPrefix(command, "git-lfs-authenticate "); ok && s.LFS != nil {
		name, _, _ = strings.Cut(name, " ")
		fmt.Fprintf(c, `{"href": %q, "header": {"Authorization": %q}}`,
			s.LFS.URL+"/"+strings.Trim(name, "/'")+"/.git/info/lfs", authorization)
		return 0
	}
	name, ok := strings.CutPrefix(command, "git-upload-pack ")
	if !ok {
		return 127
	}
	name = strings.Trim(name, "'")
	git := exec.Command("git", "upload-pack", filepath.Join(dir, name))
	git.Stdout, git.Stderr = c, c.Stderr()
	git.Env = append(os.Environ(), isolated...)
	in, _ := git.StdinPipe()
	git.Start()
	go func() { io.Copy(in, c); in.Close() }()
	if git.Wait() != nil {
		return 1
	}
	return 0
}

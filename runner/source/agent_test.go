package source

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
)

// sshServer serves the repositories below a folder by ssh to whoever has the key, and keeps what it was asked to run.
type sshServer struct {
	address string
	known   string // its line of known_hosts

	mu  sync.Mutex
	ran []string
}

// newKey returns a private key as OpenSSH writes it, and its public half.
func newKey(t *testing.T, passphrase string) (text string, public ssh.PublicKey) {
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

func serveSSH(t *testing.T, dir string, allowed ssh.PublicKey) *sshServer {
	t.Helper()
	hostText, hostPublic := newKey(t, "")
	host, err := ssh.ParsePrivateKey([]byte(hostText))
	if err != nil {
		t.Fatal(err)
	}
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if string(key.Marshal()) != string(allowed.Marshal()) {
			return nil, errors.New("no")
		}
		return nil, nil
	}}
	config.AddHostKey(host)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	s := &sshServer{address: l.Addr().String(), known: "[127.0.0.1]:" + port + " " + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(hostPublic)))}
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

func (s *sshServer) serve(conn net.Conn, config *ssh.ServerConfig, dir string) {
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
			command := string(r.Payload[4:])
			s.mu.Lock()
			s.ran = append(s.ran, command)
			s.mu.Unlock()
			r.Reply(true, nil)
			name := strings.Trim(strings.TrimPrefix(command, "git-upload-pack "), "'")
			git := exec.Command("git", "upload-pack", filepath.Join(dir, name))
			git.Stdout, git.Stderr = c, c.Stderr()
			git.Env = append(os.Environ(), alone[:]...)
			in, _ := git.StdinPipe()
			git.Start()
			go func() { io.Copy(in, c); in.Close() }()
			status := uint32(0)
			if git.Wait() != nil {
				status = 1
			}
			c.SendRequest("exit-status", false, binary.BigEndian.AppendUint32(nil, status))
			c.Close()
		}
	}
}

func TestACommitIsFetchedBySSHWithAKeyThatIsInNoFile(t *testing.T) {
	dir, first, _ := repository(t)
	key, public := newKey(t, "")
	s := serveSSH(t, filepath.Dir(dir), public)
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	ws := t.TempDir()
	var seen []string
	run := func(r *recorder) Runner {
		return func(ctx context.Context, dir string, variables []string, args ...string) (string, error) {
			seen = append(append(seen, variables...), args...)
			left, _ := filepath.Glob(filepath.Join(temp, "*", "*"))
			for _, name := range left {
				if text, err := os.ReadFile(name); err == nil && strings.Contains(string(text), "PRIVATE") {
					t.Errorf("%s holds the key", name)
				}
			}
			return r.run(ctx, dir, variables, args...)
		}
	}(&recorder{})
	o := Options{URL: "ssh://git@" + s.address + "/" + filepath.Base(dir), SHA: first, Dir: ws, SSHKey: strings.ReplaceAll(strings.TrimSpace(key), "\n", "\r\n"), KnownHosts: s.known}
	if _, changed, err := Checkout(t.Context(), run, o); err != nil || !changed || content(t, ws, "file") != "one" {
		t.Fatalf("%v, changed %v", err, changed)
	}
	if text := strings.Join(seen, "\n"); strings.Contains(text, "PRIVATE") || strings.Contains(text, key[60:90]) {
		t.Error("the key is in an argument or a variable of git's")
	}
	if left, _ := os.ReadDir(temp); len(left) != 0 {
		t.Errorf("%v are left", left)
	}
}

func TestWhatAnSSHServerRefuses(t *testing.T) {
	dir, first, _ := repository(t)
	key, public := newKey(t, "")
	other, _ := newKey(t, "")
	locked, _ := newKey(t, "secret")
	s := serveSSH(t, filepath.Dir(dir), public)
	stranger := serveSSH(t, filepath.Dir(dir), public)
	for _, c := range []struct {
		name, key, known, sha string
		is                    func(error) bool
		says                  string
	}{
		{"a key that it does not know", other, s.known, first, is[*AccessError], ""},
		{"a commit that it does not have", key, s.known, strings.Repeat("f", 40), is[*NotFoundError], ""},
		{"we do not know it", key, stranger.known, first, is[*HostKeyError], ""},
		{"it is not who it was", key, strings.Split(s.known, " ")[0] + strings.TrimPrefix(stranger.known, strings.Split(stranger.known, " ")[0]), first, is[*HostKeyError], ""},
		{"the key has a passphrase", locked, s.known, first, is[*Error], "passphrase"},
		{"it is no key", "hunter2hunter2", s.known, first, is[*Error], "no private key"},
	} {
		o := Options{URL: "ssh://git@" + s.address + "/" + filepath.Base(dir), SHA: c.sha, Dir: t.TempDir(), SSHKey: c.key, KnownHosts: c.known}
		_, _, err := Checkout(t.Context(), (&recorder{}).run, o)
		if err == nil || !c.is(err) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %T %v", c.name, err, err)
		}
	}
}

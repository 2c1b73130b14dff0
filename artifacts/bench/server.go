package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/artifacts/s3test"
)

// server is a null server in a process of its own: what limits the clients must not limit it.
type server struct {
	endpoint string
	bundle   string
	process  *exec.Cmd
	stdin    io.Closer
	http     *http.Client
}

// start runs the server of a setting; it ends with stop, or when this process does.
func (s setting) start(ctx context.Context, self, scratch string) (*server, error) {
	out := &server{http: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	arguments := []string{"serve", s.latency.String()}
	if s.tls {
		authority, err := s3test.NewAuthority()
		if err != nil {
			return nil, err
		}
		key, err := x509.MarshalPKCS8PrivateKey(authority.Server.PrivateKey)
		if err != nil {
			return nil, err
		}
		var pair []byte
		for _, der := range authority.Server.Certificate {
			pair = append(pair, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
		}
		pair = append(pair, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
		out.bundle = filepath.Join(scratch, "ca.pem")
		name := filepath.Join(scratch, "server.pem")
		// mc looks for authorities in its own folder.
		if err := firstOf(
			write(out.bundle, authority.Bundle), write(filepath.Join(scratch, "mc", "certs", "CAs", "ca.pem"), authority.Bundle),
			os.WriteFile(name, pair, 0o600),
		); err != nil {
			return nil, err
		}
		arguments = append(arguments, name)
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(authority.Bundle)
		out.http.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	out.process = exec.CommandContext(ctx, self, arguments...)
	out.process.Stderr = os.Stderr
	stdout, err := out.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if out.stdin, err = out.process.StdinPipe(); err != nil {
		return nil, err
	}
	if err := out.process.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("the server does not start: %w", firstOf(out.process.Wait(), err))
	}
	out.endpoint = strings.TrimSpace(line)
	return out, nil
}

func (s *server) stop() {
	s.stdin.Close()
	_ = s.process.Wait()
}

func (s *server) counters(ctx context.Context) (c s3test.Counters, err error) {
	err = s.ask(ctx, http.MethodGet, "/-/counters", &c)
	return c, err
}

func (s *server) reset(ctx context.Context) error {
	return s.ask(ctx, http.MethodPost, "/-/reset", nil)
}

func (s *server) ask(ctx context.Context, method, path string, into any) error {
	r, err := http.NewRequestWithContext(ctx, method, s.endpoint+path, nil)
	if err != nil {
		return err
	}
	answer, err := s.http.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if into == nil {
		return nil
	}
	return json.NewDecoder(answer.Body).Decode(into)
}

// serve is the process: "serve LATENCY [FILE]" prints its endpoint and ends when its standard input does.
func serve(_ context.Context, args []string, stdout io.Writer) error {
	if len(args) < 1 {
		return fmt.Errorf("serve needs a latency")
	}
	latency, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	scheme := "http://"
	var certificate *tls.Certificate
	if len(args) > 1 {
		pair, err := tls.LoadX509KeyPair(args[1], args[1])
		if err != nil {
			return err
		}
		scheme, certificate = "https://", &pair
	}
	fmt.Fprintln(stdout, scheme+l.Addr().String())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		l.Close()
	}()
	if err := (&s3test.Null{Latency: latency}).Serve(l, certificate); !isClosed(err) {
		return err
	}
	return nil
}

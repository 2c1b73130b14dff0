package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/carlin-cicd/runner/artifacts/s3test"
)

// server is versitygw behind a proxy with TLS and a latency, both in processes of their own.
type server struct {
	endpoint, bundle, dir string
	gateway, proxy        *exec.Cmd
	stdin                 io.Closer
}

func startServer(ctx context.Context, self, dir string, latency time.Duration) (*server, error) {
	s := &server{dir: dir, bundle: filepath.Join(dir, "ca.pem")}
	files := filepath.Join(dir, "buckets")
	if err := os.MkdirAll(filepath.Join(files, bucket), 0o755); err != nil {
		return nil, err
	}
	program, err := exec.LookPath("versitygw")
	if err != nil {
		program = filepath.Join(".tools", "bin", "versitygw")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	l.Close()
	s.gateway = exec.CommandContext(ctx, program, "--port", address, "--access", s3test.AccessKeyID,
		"--secret", s3test.SecretAccessKey, "--region", s3test.Region, "--quiet", "--keep-alive", "posix", files)
	if err := s.gateway.Start(); err != nil {
		return nil, fmt.Errorf("versitygw does not start; make test installs it: %w", err)
	}
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
	name := filepath.Join(dir, "server.pem")
	if err := errors.Join(os.WriteFile(s.bundle, authority.Bundle, 0o644), os.WriteFile(name, pair, 0o600)); err != nil {
		return nil, err
	}
	count := filepath.Join(dir, "received")
	s.proxy = exec.CommandContext(ctx, self, "proxy", latency.String(), "http://"+address, name, count)
	s.proxy.Stderr = os.Stderr
	out, err := s.proxy.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if s.stdin, err = s.proxy.StdinPipe(); err != nil {
		return nil, err
	}
	if err := s.proxy.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	s.endpoint = strings.TrimSpace(line)
	return s, err
}

func (s *server) stop() {
	s.stdin.Close()
	_ = s.proxy.Wait()
	_ = s.gateway.Process.Kill()
	_ = s.gateway.Wait()
}

func (s *server) environment() []string {
	return []string{
		"AWS_ACCESS_KEY_ID=" + s3test.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + s3test.SecretAccessKey,
		"AWS_REGION=" + s3test.Region, "AWS_DEFAULT_REGION=" + s3test.Region, "AWS_ENDPOINT_URL=" + s.endpoint,
		"AWS_CA_BUNDLE=" + s.bundle,
		"AWS_CONFIG_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true",
	}
}

// received returns the bytes of all bodies that the proxy has forwarded.
func (s *server) received() int64 {
	text, err := os.ReadFile(filepath.Join(s.dir, "received"))
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseInt(string(text), 10, 64) // it is written by rename, so it is whole
	return n
}

// runProxy forwards requests unchanged, the Host included, which is signed. It ends with its standard input.
func runProxy(args []string) error {
	latency, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	to, err := url.Parse(args[1])
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(args[2], args[2])
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var received atomic.Int64
	forward := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = to.Scheme, to.Host, r.In.Host
			r.Out.Header.Del("Expect") // the body is on its way already
		},
		Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true},
		FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0),
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(latency)
		received.Add(max(0, r.ContentLength))
		temp := args[3] + ".new"
		if os.WriteFile(temp, strconv.AppendInt(nil, received.Load(), 10), 0o644) == nil {
			_ = os.Rename(temp, args[3]) // the next request writes it again
		}
		forward.ServeHTTP(w, r)
	})
	fmt.Println("https://" + l.Addr().String())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		l.Close()
	}()
	server := &http.Server{
		Handler: handler, TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}},
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}, // S3 speaks HTTP/1.1 only
	}
	if err := server.ServeTLS(l, "", ""); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

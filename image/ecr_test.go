//go:build container

package image

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/infra/ecs"
	"github.com/carlin-cicd/runner/runner/awstest"
)

// registry is the registry of an account, at its own address: podman, when it pushes or pulls, is led to it by a proxy. It
// takes the token of the API only, and what is pushed is in the repository of the account's ECR.
type registry struct {
	mu     sync.Mutex
	engine *engine
	cloud  *ecs.Server
	pushed []string // host/name:tag
}

// serveECR starts the registry and puts a podman on PATH that finds it. The account comes later.
func (e *engine) serveECR(t *testing.T) *registry {
	t.Helper()
	r := &registry{engine: e}
	behind := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: e.registry})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		user, password, _ := request.BasicAuth()
		if account, _, _ := strings.Cut(request.Host, "."); user != "AWS" || password != account+"-auth-token" { // as moto makes it
			w.Header().Set("WWW-Authenticate", `Basic realm="ecr"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if err := r.put(request); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		behind.ServeHTTP(w, request)
	}))
	certificate, authority := certificateOf(t, "*.dkr.ecr."+awstest.Region+".amazonaws.com")
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.StartTLS()
	t.Cleanup(server.Close)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		tunnel(w, request, server.Listener.Addr().String())
	}))
	t.Cleanup(proxy.Close)

	podman, err := exec.LookPath("podman")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\ncase $1 in push | pull) export HTTPS_PROXY=%s SSL_CERT_FILE=%s ;; esac\nexec %s \"$@\"\n", proxy.URL, authority, podman)
	if err := os.WriteFile(filepath.Join(folder, "podman"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", folder+":"+os.Getenv("PATH"))
	return r
}

// put lets the account's ECR know of a manifest that is pushed. It refuses one that the repository does not take.
func (r *registry) put(request *http.Request) error {
	path := regexp.MustCompile(`^/v2/(.+)/manifests/([^:]+)$`).FindStringSubmatch(request.URL.Path)
	if path == nil || request.Method != http.MethodPut {
		return nil
	}
	manifest, err := io.ReadAll(request.Body)
	if err != nil {
		return err
	}
	request.Body = io.NopCloser(bytes.NewReader(manifest))
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := (&chain{cloud: r.cloud}).ask("ecr", "AmazonEC2ContainerRegistry_V20150921.PutImage", map[string]any{
		"repositoryName": path[1], "imageTag": path[2], "imageManifest": string(manifest), "imageManifestMediaType": request.Header.Get("Content-Type"),
		"imageDigest": fmt.Sprintf("sha256:%x", sha256.Sum256(manifest)),
	}, nil); err != nil {
		return err
	}
	r.pushed = append(r.pushed, request.Host+"/"+path[1]+":"+path[2])
	return nil
}

// pushes are the images that were pushed, as host/name:tag.
func (r *registry) pushes() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.pushed)
}

// forget removes images, as host/name:tag, which share their layers with those that stay.
func (e *engine) forget(images []string) {
	if len(images) == 0 {
		return
	}
	c := exec.Command("podman", append([]string{"rmi", "--force"}, images...)...)
	c.Env = e.env
	_ = c.Run()
}

// tunnel connects who asks for a tunnel, to wherever, with an address.
func tunnel(w http.ResponseWriter, request *http.Request, address string) {
	if request.Method != http.MethodConnect {
		http.Error(w, "CONNECT only", http.StatusMethodNotAllowed)
		return
	}
	there, err := net.Dial("tcp", address)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	here, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		there.Close()
		return
	}
	fmt.Fprint(here, "HTTP/1.1 200 OK\r\n\r\n")
	go func() {
		defer there.Close()
		io.Copy(there, here)
	}()
	defer here.Close()
	io.Copy(here, there)
}

// certificateOf makes a certificate for a name, and returns the file that makes it trusted, too.
func certificateOf(t *testing.T, name string) (certificate tls.Certificate, file string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	made, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "authority.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: made}), 0o644); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{made}, PrivateKey: key}, file
}

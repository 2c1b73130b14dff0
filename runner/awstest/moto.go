// Package awstest gives tests an AWS of their own: moto_server, started when the first test of a package asks for it.
package awstest

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"runtime"
	"sync"
	"testing"
	"time"
)

// AWS is one moto_server. All tests of a package share it, so each names its own buckets and secrets.
type AWS struct {
	Endpoint string // as AWS_ENDPOINT_URL takes it
}

// Region is where everything is.
const Region = "eu-central-1"

// Environment is what a program needs to find the server, as NAME=value: the endpoint, the region and credentials
// that mean nothing anywhere else. The user's own AWS files are not used.
func (a AWS) Environment() []string {
	return []string{
		"AWS_ENDPOINT_URL=" + a.Endpoint,
		"AWS_REGION=" + Region,
		"AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE",
		"AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
		"AWS_CONFIG_FILE=/dev/null",
		"AWS_SHARED_CREDENTIALS_FILE=/dev/null",
		"AWS_EC2_METADATA_DISABLED=true",
	}
}

// Moto returns the package's server, with the test's environment set up for it. It ends with the test binary.
// A machine without moto_server fails the test: make test installs it.
func Moto(tb testing.TB) AWS {
	tb.Helper()
	aws, err := StartMoto()
	if err != nil {
		tb.Fatal(err)
	}
	if t, ok := tb.(interface{ Setenv(name, value string) }); ok {
		for _, entry := range aws.Environment() {
			for i := range entry {
				if entry[i] == '=' {
					t.Setenv(entry[:i], entry[i+1:])
					break
				}
			}
		}
	}
	return aws
}

// StartMoto is Moto without a test: it leaves the environment alone.
func StartMoto() (AWS, error) { return shared() }

var shared = sync.OnceValues(func() (AWS, error) {
	address, err := FreeAddress()
	if err != nil {
		return AWS{}, err
	}
	host, port, _ := net.SplitHostPort(address)
	var said bytes.Buffer
	ended := make(chan error, 1)
	go func() {
		// The kernel ends the server with the thread that started it: this one lives until the process ends.
		runtime.LockOSThread()
		server := exec.Command("moto_server", "-H", host, "-p", port)
		server.Stdout, server.Stderr = &said, &said
		KillWithParent(server)
		ended <- server.Run()
	}()
	aws := AWS{Endpoint: "http://" + address}
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		select {
		case err := <-ended:
			return AWS{}, fmt.Errorf("moto_server does not start: %w: %s", err, said.String())
		default:
		}
		if answer, err := http.Get(aws.Endpoint + "/moto-api/"); err == nil {
			answer.Body.Close()
			return aws, nil
		}
	}
	return AWS{}, fmt.Errorf("moto_server does not answer on %s after two minutes", address)
})

// FreeAddress is one that nothing listened on a moment ago.
func FreeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

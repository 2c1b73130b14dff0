package s3test

import (
	"net"
	"testing"
)

// Start serves on a free local port, without TLS, until the test ends, and returns the endpoint.
func (n *Null) Start(tb testing.TB) (endpoint string) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s := n.server()
	go func() { _ = s.Serve(l) }()
	tb.Cleanup(func() { s.Close() })
	return "http://" + l.Addr().String()
}

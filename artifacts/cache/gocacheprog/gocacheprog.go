// Package gocacheprog speaks GOCACHEPROG, the protocol of the go command for caches of one's own, and passes the
// requests on to the server of package serve.
//
// The go command writes JSON values to the program: requests, each "put" followed by its body as a base64 string. The
// program answers in any order.
package gocacheprog

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/carlin-cicd/runner/artifacts/cache/serve"
)

// request is one of the go command.
type request struct {
	ID       int64
	Command  string
	ActionID []byte `json:",omitempty"`
	OutputID []byte `json:",omitempty"`
	BodySize int64  `json:",omitempty"`
}

// response is the answer to a request. The first one, with ID 0, names the commands that are known.
type response struct {
	ID            int64
	Err           string     `json:",omitempty"`
	KnownCommands []string   `json:",omitempty"`
	Miss          bool       `json:",omitempty"`
	OutputID      []byte     `json:",omitempty"`
	Size          int64      `json:",omitempty"`
	Time          *time.Time `json:",omitempty"`
	DiskPath      string     `json:",omitempty"`
}

// Program answers one go command.
type Program struct {
	URL, Token string // of the server

	client http.Client
	mu     sync.Mutex
	out    *json.Encoder
}

// Run answers requests until the go command closes the cache or its end of the pipe.
func (p *Program) Run(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	p.out = json.NewEncoder(stdout)
	p.client.Transport = &http.Transport{MaxIdleConnsPerHost: 64}
	if err := p.send(response{KnownCommands: []string{"get", "put", "close"}}); err != nil {
		return err
	}
	in := bufio.NewReaderSize(stdin, 64<<10)
	var pending sync.WaitGroup
	defer pending.Wait()
	for {
		r, err := readRequest(in)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch r.Command {
		case "close":
			pending.Wait()
			return p.send(response{ID: r.ID})
		case "get":
			pending.Go(func() { _ = p.send(p.get(ctx, r)) }) // the go command has gone
		case "put":
			body := &bodyReader{in: in, size: r.BodySize}
			answer := p.put(ctx, r, body)
			if err := body.finish(); err != nil {
				return err
			}
			if err := p.send(answer); err != nil {
				return err
			}
		default:
			if err := p.send(response{ID: r.ID, Err: "unknown command " + r.Command}); err != nil {
				return err
			}
		}
	}
}

func (p *Program) send(r response) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Encode(r)
}

// readRequest reads the next line that is not empty.
func readRequest(in *bufio.Reader) (r request, err error) {
	for {
		line, err := in.ReadBytes('\n')
		if line = bytes.TrimSpace(line); len(line) > 0 {
			if err := json.Unmarshal(line, &r); err != nil {
				return r, fmt.Errorf("this is not a request of the go command: %w", err)
			}
			return r, nil
		}
		if err != nil {
			return r, err
		}
	}
}

// get asks for an output. A failure is a miss.
func (p *Program) get(ctx context.Context, r request) response {
	miss := response{ID: r.ID, Miss: true}
	out, err := p.do(ctx, http.MethodGet, "/go/"+hex.EncodeToString(r.ActionID), nil, 0)
	if err != nil {
		return miss
	}
	id, err := hex.DecodeString(out.OutputID)
	if err != nil {
		return miss
	}
	return response{ID: r.ID, OutputID: id, Size: out.Size, Time: &out.Time, DiskPath: out.Path}
}

// put hands an output over.
func (p *Program) put(ctx context.Context, r request, body io.Reader) response {
	path := "/go/" + hex.EncodeToString(r.ActionID) + "/" + hex.EncodeToString(r.OutputID)
	out, err := p.do(ctx, http.MethodPut, path, body, r.BodySize)
	if err != nil {
		return response{ID: r.ID, Err: err.Error()}
	}
	return response{ID: r.ID, DiskPath: out.Path}
}

func (p *Program) do(
	ctx context.Context, method, path string, body io.Reader, size int64,
) (out serve.GoOutput, err error) {
	if size == 0 {
		body = http.NoBody
	}
	r, err := http.NewRequestWithContext(ctx, method, p.URL+path, body)
	if err != nil {
		return out, err
	}
	r.ContentLength = size
	r.Header.Set("Authorization", "Bearer "+p.Token)
	answer, err := p.client.Do(r)
	if err != nil {
		return out, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 200))
		return out, fmt.Errorf("the cache answers %s: %s", answer.Status, bytes.TrimSpace(text))
	}
	return out, json.NewDecoder(answer.Body).Decode(&out)
}

// bodyReader reads the body of a request: a line with a base64 string in quotes.
type bodyReader struct {
	in      *bufio.Reader
	size    int64 // bytes of the body
	decoder io.Reader
	read    int64
	err     error
}

func (b *bodyReader) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.decoder == nil {
		if b.err = b.skipTo('"'); b.err != nil {
			return 0, b.err
		}
		length := int64(base64.StdEncoding.EncodedLen(int(b.size)))
		b.decoder = base64.NewDecoder(base64.StdEncoding, io.LimitReader(b.in, length))
	}
	n, err := b.decoder.Read(p)
	b.read += int64(n)
	if err == io.EOF && b.read < b.size {
		err = io.ErrUnexpectedEOF
	}
	b.err = err
	return n, err
}

// skipTo reads white space up to a quote.
func (b *bodyReader) skipTo(quote byte) error {
	for {
		c, err := b.in.ReadByte()
		switch {
		case err != nil:
			return err
		case c == quote:
			return nil
		case c != '\n' && c != '\r' && c != ' ' && c != '\t':
			return fmt.Errorf("the body of a request begins with %q", c)
		}
	}
}

// finish reads what is left of the body, so that the next request is found.
func (b *bodyReader) finish() error {
	if b.size == 0 {
		return nil
	}
	if _, err := io.Copy(io.Discard, b); err != nil {
		return err
	}
	return b.skipTo('"')
}

package s3

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // see addChecksum
	"crypto/sha256"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/carlin-cicd/runner/artifacts/keys"
)

const (
	deleteBatchSize   = 1000 // S3's limit of keys per request
	deleteConcurrency = 16   // of requests for single keys
)

// Delete implements artifacts.Store. It returns without an error when the service has confirmed each deletion.
func (s *Store) Delete(ctx context.Context, names ...string) error {
	var batch, single []string
	for _, key := range names {
		if err := keys.Check(key); err != nil {
			return err
		}
		if isXML(key) {
			batch = append(batch, key)
		} else {
			single = append(single, key)
		}
	}
	if len(batch) == 1 {
		batch, single = nil, append(single, batch...)
	}
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for len(batch) > 0 {
		keys := batch[:min(len(batch), deleteBatchSize)]
		batch = batch[len(keys):]
		g.Go(func() error { return s.deleteBatch(inner, keys) })
	}
	g.Go(func() error { return s.deleteEach(inner, single) })
	return g.Wait()
}

// isXML reports whether XML 1.0 can hold a key as it is. The request for many keys cannot name others: an escaped
// control character is refused or changed, and the wrong key deleted.
func isXML(key string) bool {
	return !strings.ContainsFunc(key, func(c rune) bool { return c < ' ' || c == 0xFFFE || c == 0xFFFF })
}

// deleteEach deletes key by key.
func (s *Store) deleteEach(ctx context.Context, names []string) error {
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(deleteConcurrency)
	for _, key := range names {
		g.Go(func() error {
			response, err := s.rest.do(
				inner,
				apiRequest{method: http.MethodDelete, key: s.key(key), header: s.ownerHeader()},
			)
			if err != nil {
				return s.contextOrError(inner, "delete", key, err)
			}
			return response.Body.Close()
		})
	}
	return g.Wait()
}

// deleteBatch deletes many keys by one request. Keys that the response does not mention are deleted one by one.
func (s *Store) deleteBatch(ctx context.Context, names []string) error {
	request := apiRequest{
		method: http.MethodPost, query: url.Values{"delete": {""}}, header: s.ownerHeader(), body: s.deleteRequest(names),
	}
	request.sum = sha256.Sum256(request.body)
	request.header["Content-Type"] = []string{"application/xml"}
	s.addChecksum(request.header, request.sum, func() [md5.Size]byte { return md5.Sum(request.body) })
	response, err := s.rest.do(ctx, request)
	if err != nil {
		return s.contextOrError(ctx, "delete", names[0], err)
	}
	defer response.Body.Close()
	var result struct {
		Deleted []struct{ Key string }
		Error   []struct{ Key, Code, Message string }
	}
	if err := xml.NewDecoder(response.Body).Decode(&result); err != nil {
		return s.contextOrError(ctx, "delete", names[0], fmt.Errorf("read the response: %w", err))
	}
	for _, e := range result.Error {
		key := strings.TrimPrefix(e.Key, s.key(""))
		return s.storeError(ctx, "delete", key, &APIError{Code: e.Code, Message: e.Message})
	}
	confirmed := map[string]bool{}
	for _, d := range result.Deleted {
		confirmed[strings.TrimPrefix(d.Key, s.key(""))] = true
	}
	var rest []string
	for _, key := range names {
		if !confirmed[key] {
			rest = append(rest, key)
		}
	}
	return s.deleteEach(ctx, rest)
}

// deleteRequest is the body of DeleteObjects.
func (s *Store) deleteRequest(names []string) []byte {
	var b bytes.Buffer
	b.WriteString(`<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">`)
	for _, key := range names {
		b.WriteString("<Object><Key>")
		_ = xml.EscapeText(&b, []byte(s.key(key)))
		b.WriteString("</Key></Object>")
	}
	b.WriteString("</Delete>")
	return b.Bytes()
}

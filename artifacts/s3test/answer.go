package s3test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

// Region is the region of every bucket of this package.
const Region = "eu-central-1"

const namespace = ` xmlns="http://s3.amazonaws.com/doc/2006-03-01/"`

// Error is an error of S3 with its HTTP status.
type Error struct {
	Status        int
	Code, Message string
}

func (e *Error) Error() string { return fmt.Sprintf("%d %s: %s", e.Status, e.Code, e.Message) }

// document is the body of the error response.
func (e *Error) document(resource string) []byte {
	b := bytes.NewBufferString(xml.Header + "<Error><Code>" + e.Code + "</Code><Message>")
	escape(b, e.Message)
	b.WriteString("</Message><Resource>")
	escape(b, resource)
	b.WriteString("</Resource><RequestId>" + requestID + "</RequestId></Error>")
	return b.Bytes()
}

const requestID = "4442587FB7D0A2F9"

// escape writes text as XML character data.
func escape(b *bytes.Buffer, text string) { _ = xml.EscapeText(b, []byte(text)) }

// response is sent whole and with its length.
type response struct {
	status int // 0: 200
	header http.Header
	body   []byte
	length int64 // of the object, in a response to HEAD
}

func succeeded(document string) response {
	return response{header: http.Header{"Content-Type": {"application/xml"}}, body: []byte(xml.Header + document)}
}

func failed(err error, resource string) response {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Status: 500, Code: "InternalError", Message: err.Error()}
	}
	if e.Status == http.StatusNotModified {
		return response{status: e.Status}
	}
	return response{
		status: e.Status,
		header: http.Header{"Content-Type": {"application/xml"}},
		body:   e.document(resource),
	}
}

func (a response) write(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	for name, values := range a.header {
		h[name] = values
	}
	h["X-Amz-Request-Id"] = []string{requestID}
	h["Server"] = []string{"AmazonS3"}
	length := a.length
	if r.Method != http.MethodHead {
		length = int64(len(a.body))
	}
	if a.status != http.StatusNoContent && a.status != http.StatusNotModified {
		h["Content-Length"] = []string{strconv.FormatInt(length, 10)}
	}
	if a.status != 0 {
		w.WriteHeader(a.status)
	}
	if r.Method != http.MethodHead && len(a.body) > 0 {
		_, _ = w.Write(a.body)
	}
}

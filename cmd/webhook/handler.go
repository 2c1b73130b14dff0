package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

const (
	// maxBody bounds a payload, in bytes. A function URL accepts 6 MiB, in base64 or not; GitHub sends up to 25 MB, and
	// Lambda refuses what is larger by itself.
	maxBody = 6 << 20

	// answerTimeout bounds an answer. GitHub waits ten seconds and the function's own timeout is nine: the rest is for
	// the start of a new instance, so that the answer is ours and has a reason.
	answerTimeout = 7 * time.Second
)

// handler answers deliveries.
type handler struct {
	keys    verifier
	events  putter
	allowed repositories
	log     *slog.Logger
	metrics io.Writer // a line in CloudWatch's embedded metric format for each delivery
	name    string    // of the function
	now     func() time.Time
}

// verifier checks a signature against the webhook's secret.
type verifier interface {
	verify(ctx context.Context, body, signature []byte) (bool, error)
}

// putter puts an event on the bus and returns its id there.
type putter interface {
	put(ctx context.Context, e event) (id string, err error)
}

// answer is what GitHub shows under Recent Deliveries.
type answer struct {
	code int

	Status   string `json:"status"` // forwarded, ignored, pong, rejected, failed
	Reason   string `json:"reason,omitempty"`
	Delivery string `json:"delivery,omitempty"`
	Event    string `json:"event,omitempty"` // the id on the bus
}

func rejected(code int, reason string) answer {
	return answer{code: code, Status: "rejected", Reason: reason}
}

// handle returns a status code in every case: an error would reach GitHub as a bare 502.
func (h *handler) handle(
	ctx context.Context,
	r events.LambdaFunctionURLRequest,
) (events.LambdaFunctionURLResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	begun := h.now()
	headers := lowerCased(r.Headers)
	a, e, err := h.answer(ctx, r, headers)
	if id := headers["x-github-delivery"]; isDelivery(id) {
		a.Delivery = id
	}
	h.report(ctx, r, a, e, err, h.now().Sub(begun))
	text, err := json.Marshal(a)
	if err != nil {
		return events.LambdaFunctionURLResponse{}, err
	}
	reply := events.LambdaFunctionURLResponse{
		StatusCode: a.code, Body: string(text) + "\n",
		Headers: map[string]string{"content-type": "application/json", "cache-control": "no-store"},
	}
	if a.code == http.StatusMethodNotAllowed {
		reply.Headers["allow"] = http.MethodPost
	}
	return reply, nil
}

// answer decides. Cheap checks come first, and nothing of the body is read before its signature is verified. The error
// may name resources of the account and is for the log only.
func (h *handler) answer(
	ctx context.Context,
	r events.LambdaFunctionURLRequest,
	headers map[string]string,
) (answer, event, error) {
	if r.RequestContext.HTTP.Method != http.MethodPost {
		return rejected(http.StatusMethodNotAllowed, "a webhook is sent by POST"), event{}, nil
	}
	if size := len(r.Body); size > base64.StdEncoding.EncodedLen(maxBody) || !r.IsBase64Encoded && size > maxBody {
		return rejected(http.StatusRequestEntityTooLarge, "the payload is larger than 6 MiB"), event{}, nil
	}
	form, known := isForm(headers["content-type"])
	if !known {
		return rejected(
			http.StatusUnsupportedMediaType,
			"the content type is neither application/json nor application/x-www-form-urlencoded",
		), event{}, nil
	}
	signature, problem := parseSignature(headers)
	if problem != "" {
		return rejected(http.StatusUnauthorized, problem), event{}, nil
	}
	body := []byte(r.Body)
	if r.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(r.Body); err != nil {
			return rejected(http.StatusBadRequest, "the body is not valid base64"), event{}, nil
		}
	}
	if valid, err := h.keys.verify(ctx, body, signature); err != nil {
		return answer{
			code:   http.StatusServiceUnavailable,
			Status: "failed",
			Reason: "the webhook's secret cannot be read: redeliver later",
		}, event{}, err
	} else if !valid {
		return rejected(http.StatusUnauthorized, "the signature does not match: compare the webhook's secret with the one in Secrets Manager"), event{}, nil
	}
	if form {
		var ok bool
		if body, ok = formPayload(body); !ok {
			return rejected(http.StatusBadRequest, "the form has no field payload, or several"), event{}, nil
		}
	}
	delivery := headers["x-github-delivery"]
	if !isDelivery(delivery) {
		return rejected(http.StatusBadRequest, "X-GitHub-Delivery is missing or is not an id"), event{}, nil
	}
	if headers["x-github-event"] == "ping" {
		return answer{code: http.StatusOK, Status: "pong"}, event{}, nil
	}

	e, err := parseEvent(headers["x-github-event"], delivery, body, h.allowed)
	var ignore ignored
	var refuse *refusal
	switch {
	case errors.As(err, &ignore):
		return answer{code: http.StatusOK, Status: "ignored", Reason: string(ignore)}, e, nil
	case errors.As(err, &refuse):
		return rejected(refuse.code, refuse.reason), e, nil
	case err != nil:
		return rejected(http.StatusBadRequest, "the payload is not the JSON of its event"), e, err
	}
	id, err := h.events.put(ctx, e)
	if err != nil {
		return answer{
			code:   http.StatusBadGateway,
			Status: "failed",
			Reason: "the event bus did not take the event: redeliver later",
		}, e, err
	}
	return answer{code: http.StatusAccepted, Status: "forwarded", Event: id}, e, nil
}

// lowerCased returns the headers by lower-case name, as function URLs send them. GitHub sends no header twice.
func lowerCased(headers map[string]string) map[string]string {
	lower := make(map[string]string, len(headers))
	for name, value := range headers {
		lower[strings.ToLower(name)] = value
	}
	return lower
}

// isForm tells GitHub's two content types apart. Both are accepted: a form is the default of a new webhook, and the
// signature is of the raw body, still as a form.
func isForm(contentType string) (form, ok bool) {
	kind, _, err := mime.ParseMediaType(contentType)
	return kind == "application/x-www-form-urlencoded", err == nil &&
		(kind == "application/json" || kind == "application/x-www-form-urlencoded")
}

// formPayload returns the JSON in the only field of a form.
func formPayload(body []byte) ([]byte, bool) {
	fields, err := url.ParseQuery(string(body))
	if err != nil || len(fields) != 1 || len(fields["payload"]) != 1 {
		return nil, false
	}
	return []byte(fields.Get("payload")), true
}

// isDelivery accepts GitHub's GUIDs and other ids that are safe in a log and in a key.
func isDelivery(id string) bool {
	return id != "" && len(id) <= 64 && only(id, "-")
}

// only reports whether s consists of ASCII letters, digits and the given others.
func only(s, others string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool {
		return !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || strings.ContainsRune(others, c))
	})
}

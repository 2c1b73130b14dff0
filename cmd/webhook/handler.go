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
	// maxBody bounds a payload, in bytes. A function URL takes 6 MiB, in base64 or not; GitHub sends up to 25 MB, and
	// what is larger than this never gets here.
	maxBody = 6 << 20

	// patience is how long an answer may take. GitHub waits ten seconds, and the function is given nine: what is left
	// is for the start of a new instance, so that it is us who answer, and with a reason.
	patience = 7 * time.Second
)

// handler answers one delivery after the other.
type handler struct {
	keys    keys
	events  bus
	allowed repositories
	log     *slog.Logger
	metrics io.Writer // a line in CloudWatch's embedded metric format for each delivery
	name    string    // of the function
	now     func() time.Time
}

// keys says whether a signature is one of GitHub's.
type keys interface {
	verify(ctx context.Context, body, signature []byte) (bool, error)
}

// bus takes an event and answers with the id that the bus gave it.
type bus interface {
	put(ctx context.Context, e event) (id string, err error)
}

// answer is what GitHub shows under "Recent Deliveries".
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

// handle answers with a status code in every case: an error of its own would reach GitHub as a bare 502.
func (h *handler) handle(ctx context.Context, r events.LambdaFunctionURLRequest) (events.LambdaFunctionURLResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	begun := h.now()
	headers := lowerCased(r.Headers)
	a, e, err := h.answer(ctx, r, headers)
	if id := headers["x-github-delivery"]; isDelivery(id) {
		a.Delivery = id
	}
	h.tell(ctx, r, a, e, err, h.now().Sub(begun))
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

// answer decides. What costs nothing is looked at first, nothing of the body is read before its signature is
// checked, and the error, which may name resources of the account, is for the log alone.
func (h *handler) answer(ctx context.Context, r events.LambdaFunctionURLRequest, headers map[string]string) (answer, event, error) {
	if r.RequestContext.HTTP.Method != http.MethodPost {
		return rejected(http.StatusMethodNotAllowed, "a webhook is sent by POST"), event{}, nil
	}
	if size := len(r.Body); size > base64.StdEncoding.EncodedLen(maxBody) || !r.IsBase64Encoded && size > maxBody {
		return rejected(http.StatusRequestEntityTooLarge, "the payload is larger than 6 MiB"), event{}, nil
	}
	form, known := isForm(headers["content-type"])
	if !known {
		return rejected(http.StatusUnsupportedMediaType, "the content type is neither application/json nor application/x-www-form-urlencoded"), event{}, nil
	}
	signature, problem := parseSignature(headers)
	if problem != "" {
		return rejected(http.StatusUnauthorized, problem), event{}, nil
	}
	body := []byte(r.Body)
	if r.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(r.Body); err != nil {
			return rejected(http.StatusBadRequest, "the body is not the base64 it is said to be"), event{}, nil
		}
	}
	if valid, err := h.keys.verify(ctx, body, signature); err != nil {
		return answer{code: http.StatusServiceUnavailable, Status: "failed", Reason: "the webhook's secret cannot be read: redeliver later"}, event{}, err
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
		return rejected(http.StatusBadRequest, "X-GitHub-Delivery is missing or no id"), event{}, nil
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
		return answer{code: http.StatusBadGateway, Status: "failed", Reason: "the event bus did not take the event: redeliver later"}, e, err
	}
	return answer{code: http.StatusAccepted, Status: "forwarded", Event: id}, e, nil
}

// lowerCased has the names as function URLs send them already; of a name that is there twice GitHub sends none.
func lowerCased(headers map[string]string) map[string]string {
	lower := make(map[string]string, len(headers))
	for name, value := range headers {
		lower[strings.ToLower(name)] = value
	}
	return lower
}

// isForm tells GitHub's two content types apart. Both are taken: a form is what GitHub offers first for a new webhook,
// and it is the raw body, still as a form, that is signed.
func isForm(contentType string) (form, ok bool) {
	kind, _, err := mime.ParseMediaType(contentType)
	return kind == "application/x-www-form-urlencoded", err == nil && (kind == "application/json" || kind == "application/x-www-form-urlencoded")
}

// formPayload is the JSON in the one field of a form.
func formPayload(body []byte) ([]byte, bool) {
	fields, err := url.ParseQuery(string(body))
	if err != nil || len(fields) != 1 || len(fields["payload"]) != 1 {
		return nil, false
	}
	return []byte(fields.Get("payload")), true
}

// isDelivery takes GitHub's GUIDs, and what else may stand in a log and in a key.
func isDelivery(id string) bool {
	return id != "" && len(id) <= 64 && only(id, "-")
}

// only says whether s is of ASCII letters, digits and these others.
func only(s, others string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool {
		return !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || strings.ContainsRune(others, c))
	})
}

package provenance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// PayloadType is that of an in-toto statement in an envelope.
const PayloadType = "application/vnd.in-toto+json"

// Envelope is a signed statement as DSSE has it. Its bytes are encoded in base64.
type Envelope struct {
	PayloadType string      `json:"payloadType"`
	Payload     []byte      `json:"payload"`
	Signatures  []Signature `json:"signatures"`
}

// Signature is a signature of an envelope's pre-authentication encoding.
type Signature struct {
	KeyID string `json:"keyid"` // a hint: the signer can write any
	Sig   []byte `json:"sig"`
}

// Signer signs messages.
type Signer interface {
	// Sign returns the signature of a message of any length, and the id of the key.
	Sign(ctx context.Context, message []byte) (Signature, error)
}

// Encode returns the statement as it is stored: signed in an envelope, or by itself if there is no signer.
func Encode(ctx context.Context, s Statement, signer Signer) ([]byte, error) {
	payload, err := encode(s)
	if err != nil || signer == nil {
		return payload, err
	}
	signature, err := signer.Sign(ctx, preAuthentication(PayloadType, payload))
	if err != nil {
		return nil, err
	}
	return encode(Envelope{PayloadType, payload, []Signature{signature}})
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// preAuthentication returns what a signature of an envelope is of: type and payload, each after its length, so that no
// two pairs have the same encoding.
func preAuthentication(payloadType string, payload []byte) []byte {
	b := make([]byte, 0, len(payload)+len(payloadType)+48)
	b = append(b, "DSSEv1 "...)
	b = strconv.AppendInt(b, int64(len(payloadType)), 10)
	b = append(b, ' ')
	b = append(b, payloadType...)
	b = append(b, ' ')
	b = strconv.AppendInt(b, int64(len(payload)), 10)
	b = append(b, ' ')
	return append(b, payload...)
}

// Document is a stored statement.
type Document struct {
	Statement Statement
	Envelope  *Envelope // nil if it is not signed
}

// FormatError says that a stored object is not a statement of provenance.
type FormatError struct{ Reason string }

func (e *FormatError) Error() string { return "the provenance cannot be read: " + e.Reason }

// Decode reads what Encode returned. It verifies no signature. The error is a *FormatError.
func Decode(stored []byte) (Document, error) {
	var d Document
	var envelope Envelope
	if err := json.Unmarshal(stored, &envelope); err != nil {
		return d, &FormatError{err.Error()}
	}
	payload := stored
	if envelope.PayloadType != "" || envelope.Payload != nil || envelope.Signatures != nil {
		switch {
		case envelope.PayloadType != PayloadType:
			return d, &FormatError{fmt.Sprintf("the envelope holds %q, not an in-toto statement", envelope.PayloadType)}
		case len(envelope.Signatures) == 0:
			return d, &FormatError{"the envelope has no signature"}
		}
		d.Envelope, payload = &envelope, envelope.Payload
	}
	if err := json.Unmarshal(payload, &d.Statement); err != nil {
		return d, &FormatError{err.Error()}
	}
	if err := d.Statement.check(); err != nil {
		return d, &FormatError{err.Error()}
	}
	return d, nil
}

// check refuses statements of other types, and those without what the specifications require.
func (s Statement) check() error {
	switch p := s.Predicate; {
	case s.Type != StatementType:
		return fmt.Errorf("it is of type %q", s.Type)
	case s.PredicateType != PredicateType:
		return fmt.Errorf("its predicate is %q", s.PredicateType)
	case len(s.Subject) == 0:
		return errors.New("it has no subject")
	case p.BuildDefinition.BuildType != BuildType:
		return fmt.Errorf("its build type is %q", p.BuildDefinition.BuildType)
	case p.RunDetails.Builder.ID == "":
		return errors.New("it names no builder")
	}
	return nil
}

// Package secrets turns references in the environment into values.
//
// steps/reference has their grammar.
package secrets

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Resolver reads the values of references. The zero Resolver reads files only.
type Resolver struct {
	Dir        string                                    // where relative files are looked up
	Region     string                                    // of references that name none; "" for the region of what Load returns
	Reserved   func(variable string) bool                // what a path of Parameter Store may not set; nil for nothing
	LoadConfig func(context.Context) (aws.Config, error) // asked at most once a Resolve, and only if a reference needs AWS

	patience   time.Duration // how long one try may take; 0 for the default
	maxBackoff time.Duration // between two tries; 0 for the default
}

// Resolved is what references led to.
type Resolved struct {
	Secrets []Secret // sorted by variable
	Notes   []string // what went well but could go better, for people
}

// Secret is one variable with its value, which no printing of it shows.
type Secret struct {
	Variable string
	Source   string // for people: "Secrets Manager eu-west-1 ci/npm key token"
	Version  string // for people: a version's id and its stages, or a parameter's number; "" for a file

	// The value is behind a function because fmt and its kin see through unexported fields, but not through this.
	reveal func() content
}

type content struct {
	value string
	whole string // what the value was taken out of: itself, or the JSON that it is a part of
}

// Value is what the variable is set to.
func (s Secret) Value() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal().value
}

// Leaves returns what has to be kept secret beside the value: for a secret that is JSON, whichever of its keys is used,
// the whole text and every string in it.
func (s Secret) Leaves() []string {
	if s.reveal == nil {
		return nil
	}
	return leaves(s.reveal().whole)
}

// LengthClass says how long the value is, in bytes, and nothing else about it: "empty", "under 6 bytes" (too short to be
// redacted), "6-15", "16-63" or "64 and more".
func (s Secret) LengthClass() string {
	switch n := len(s.Value()); {
	case n == 0:
		return "empty"
	case n < 6:
		return "under 6 bytes"
	case n < 16:
		return "6-15"
	case n < 64:
		return "16-63"
	default:
		return "64 and more"
	}
}

// String names the secret.
func (s Secret) String() string { return s.Variable + " (" + s.Source + ")" }

// Format names the secret, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue names the secret.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

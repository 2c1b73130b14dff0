// Package secrets resolves references in the environment to values. Package steps/reference has their grammar.
package secrets

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Resolver fetches the values of references. The zero Resolver reads files only.
type Resolver struct {
	Dir        string                                    // for relative files
	Region     string                                    // of references without one; "": that of LoadConfig
	Reserved   func(variable string) bool                // variables that a path may not set; nil: none
	LoadConfig func(context.Context) (aws.Config, error) // called at most once, if a reference needs it

	attemptTimeout time.Duration // 0: the default
	maxBackoff     time.Duration // between two attempts; 0: the default
}

// Resolved is the result of Resolve.
type Resolved struct {
	Secrets []Secret // sorted by variable
	Notes   []string // advice about what worked, but not well
}

// Secret is one variable with its value, which is never printed with it.
type Secret struct {
	Variable string
	Source   string // as in "Secrets Manager eu-west-1 ci/npm key token"
	Version  string // a secret's id with its stages, or a parameter's number; "" for a file

	// The value is behind a function because fmt and other printers show unexported fields, but not this.
	reveal func() content
}

type content struct {
	value string
	whole string // the value, or the JSON that it is a part of
}

// Value returns the value of the variable.
func (s Secret) Value() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal().value
}

// Leaves returns what must be redacted besides the value: for a secret that is JSON, its text and every string in it,
// whichever of its keys is used.
func (s Secret) Leaves() []string {
	if s.reveal == nil {
		return nil
	}
	return leaves(s.reveal().whole)
}

// LengthClass returns the range of the value's length in bytes: "empty", "under 6 bytes" (too short to be
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

// String returns the variable and the source.
func (s Secret) String() string { return s.Variable + " (" + s.Source + ")" }

// Format writes String, for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue returns String.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

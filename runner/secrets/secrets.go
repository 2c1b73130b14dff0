// Package secrets turns references in the environment into values.
//
// A reference is ECS's own form (an ARN of Secrets Manager or of Parameter Store), one of the short forms
// secretsmanager:NAME and ssm:/NAME, or file:PATH.
package secrets

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Kind is the service that keeps a secret.
type Kind string

// The kinds of references.
const (
	SecretsManager Kind = "Secrets Manager"
	ParameterStore Kind = "Parameter Store"
	File           Kind = "file"
)

// Reference says where a value is kept.
type Reference struct {
	Kind Kind
	Text string // as it was written, without "file:" for a file
}

var arn = regexp.MustCompile(`^arn:aws[a-z-]*:(secretsmanager|ssm):[a-z0-9-]*:[0-9]*:(secret:|parameter/)`)

// Parse reads a reference. file: is one only in a variable whose name says that it is secret:
// DATABASE_URL=file:./dev.db is a database, NPM_TOKEN=file:/run/secrets/npm a token.
func Parse(value string, secretName bool) (Reference, bool) {
	if m := arn.FindStringSubmatch(value); m != nil {
		if m[1] == "ssm" {
			return Reference{ParameterStore, value}, true
		}
		return Reference{SecretsManager, value}, true
	}
	switch {
	case strings.HasPrefix(value, "secretsmanager:"):
		return Reference{SecretsManager, value}, true
	case strings.HasPrefix(value, "ssm:/"):
		return Reference{ParameterStore, value}, true
	case secretName && strings.HasPrefix(value, "file:"):
		return Reference{File, strings.TrimPrefix(value, "file:")}, true
	}
	return Reference{}, false
}

// maxFile bounds a secret that is kept in a file, in bytes; Secrets Manager's own bound is the same.
const maxFile = 64 << 10

// Failure is a reference that could not be resolved.
type Failure struct{ Variable, Problem string }

// Error lists every reference that could not be resolved, by the variable's name.
type Error struct{ Failures []Failure }

func (e *Error) Error() string {
	said := make([]string, len(e.Failures))
	for i, f := range e.Failures {
		said[i] = f.Variable + ": " + f.Problem
	}
	return "cannot be resolved: " + strings.Join(said, "; ")
}

// Resolve reads the values of the references, by variable. Relative files are looked up in dir.
// The error is an *Error that lists all failures.
func Resolve(references map[string]Reference, dir string) (map[string]string, error) {
	values := make(map[string]string, len(references))
	var failures []Failure
	for variable, r := range references {
		value, err := read(r, dir)
		if err != nil {
			failures = append(failures, Failure{variable, err.Error()})
		}
		values[variable] = value
	}
	if failures != nil {
		slices.SortFunc(failures, func(a, b Failure) int { return strings.Compare(a.Variable, b.Variable) })
		return nil, &Error{failures}
	}
	return values, nil
}

func read(r Reference, dir string) (string, error) {
	if r.Kind != File {
		return "", fmt.Errorf("this version does not read %s yet (%s)", r.Kind, r.Text)
	}
	name := r.Text
	if !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	if info, err := os.Stat(name); err != nil {
		return "", err
	} else if !info.Mode().IsRegular() { // opening a pipe would wait for somebody to write
		return "", fmt.Errorf("%s is no regular file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return "", err
	case len(text) > maxFile:
		return "", fmt.Errorf("%s is larger than 64 KiB", name)
	case bytes.IndexByte(text, 0) >= 0:
		return "", fmt.Errorf("%s holds a NUL byte, which no variable can", name)
	}
	// Editors and echo end a file with a newline that is no part of the secret.
	return strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r"), nil
}

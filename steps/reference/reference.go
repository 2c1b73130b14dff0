// Package reference parses references to secrets: values in runner.yaml and in the environment that say where a secret
// is kept instead of being one.
//
// A reference is ECS's own form (an ARN of Secrets Manager or of Parameter Store), one of the short forms
// secretsmanager:NAME[:JSON-KEY[:STAGE[:VERSION-ID]]] and ssm:/NAME[:VERSION-OR-LABEL], or file:PATH. A reference to
// Parameter Store that ends in /* stands for every parameter under a path: each becomes a variable.
package reference

import (
	"regexp"
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
	Text string // as written, without "file:" for a file
}

const arnPattern = `^arn:aws[a-z-]*:(secretsmanager|ssm):[a-z0-9-]*:[0-9]*:(secret:|parameter/)`

// Pattern matches the values that Parse accepts in a variable whose name marks a secret.
const Pattern = arnPattern + `|^secretsmanager:|^ssm:/|^file:`

var arn = regexp.MustCompile(arnPattern)

// Parse reads a reference, and reports whether value is one. A value with the prefix file: is a reference only if
// secretName is set, that is in a variable whose name marks a secret: DATABASE_URL=file:./dev.db is a database,
// NPM_TOKEN=file:/run/secrets/npm is a reference. Parse checks the prefix only. The resolver reports a reference whose
// remainder is malformed, so that it never reaches the command as a value.
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

// IsPath reports whether the reference stands for every parameter under a path of Parameter Store.
func (r Reference) IsPath() bool { return r.Kind == ParameterStore && strings.HasSuffix(r.Text, "/*") }

package secrets

import (
	"fmt"
	"strings"

	"github.com/carlin-cicd/runner/steps/reference"
)

// item is a secret or parameter to fetch. Variables that differ only in the JSON key share one, which is fetched once.
type item struct {
	kind    reference.Kind
	region  string
	id      string // a name or an ARN
	stage   string // of a secret: AWSCURRENT, AWSPREVIOUS, …
	version string // of a secret: its id; of a parameter: its number or a label
	path    bool   // everything under id, a path of Parameter Store
}

// location is a parsed reference.
type location struct {
	item
	key     string // in a JSON secret
	account string // of an ARN
	origin  string // where the region comes from, for messages
}

const (
	secretForm = "write secretsmanager:NAME[:JSON-KEY[:STAGE[:VERSION-ID]]], or the secret's ARN with the same " +
		"parts after it"
	parameterForm = "write ssm:/NAME, ssm:/NAME:VERSION, ssm:/NAME:LABEL or, for all parameters under a " +
		"path, ssm:/PATH/*"
)

// The characters that the services allow in names, and the maximum lengths.
const (
	inNames       = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_.-"
	inSecretNames = inNames + "+=@"
	maxSecretName = 512
	maxParameter  = 1011
)

func isName(name, characters string, limit int) bool {
	return name != "" && len(name) <= limit && strings.Trim(name, characters) == ""
}

// parse parses a reference of Secrets Manager or Parameter Store; without a region in it, that of the result is empty.
func parse(r reference.Reference) (location, error) {
	l := location{item: item{kind: r.Kind}}
	rest, prefix := r.Text, ""
	if part := strings.SplitN(r.Text, ":", 6); part[0] == "arn" && len(part) == 6 {
		l.region, l.account, rest = part[3], part[4], part[5]
		if l.region == "" || l.account == "" {
			return l, &problem{
				message: "the ARN has no region or no account: " + r.Text,
				advice:  "copy the ARN from the console or from the outputs of the stack",
			}
		}
		l.origin = "the region that its ARN names"
		prefix = strings.Join(part[:5], ":") + ":"
	}
	if r.Kind == reference.ParameterStore {
		return l, l.parseParameter(rest, prefix)
	}
	return l, l.parseSecret(rest, prefix)
}

// parseSecret parses "secret:" or "secretsmanager:" with NAME[:JSON-KEY[:STAGE[:VERSION-ID]]], where every part after
// the name may be empty.
func (l *location) parseSecret(text, prefix string) error {
	_, text, _ = strings.Cut(text, ":")
	part := strings.Split(text, ":")
	if len(part) > 4 {
		return &problem{
			message: fmt.Sprintf(
				"%d parts follow the secret's name, where at most three are allowed: JSON key, stage and version id",
				len(part)-1,
			),
			advice: secretForm,
		}
	}
	part = append(part, "", "", "")
	if !isName(part[0], inSecretNames, maxSecretName) {
		return &problem{message: fmt.Sprintf("%q is not a valid name of a secret", part[0]), advice: secretForm}
	}
	l.id, l.key, l.stage, l.version = part[0], part[1], part[2], part[3]
	if prefix != "" {
		l.id = prefix + "secret:" + part[0]
	}
	return nil
}

// parseParameter parses "parameter/" or "ssm:/" with NAME[:VERSION-OR-LABEL] or PATH/*.
func (l *location) parseParameter(text, prefix string) error {
	name, selector, selected := strings.Cut(text, ":")
	if prefix == "" { // text is ssm:/NAME…
		name, selector, selected = strings.Cut(selector, ":")
	} else {
		name = strings.TrimPrefix(name, "parameter") // a name without levels has no slash of its own, but its ARN has
	}
	if path, ok := strings.CutSuffix(name, "/*"); ok && !selected {
		l.id, l.path = path+"/", true
		if path != "" {
			l.id = path
		}
		name = l.id
	}
	switch {
	case !isName(name, inNames, maxParameter),
		strings.Contains(name, "//"),
		l.path && name != "/" && strings.HasSuffix(name, "/"):
		return &problem{message: fmt.Sprintf("%q is not a valid name of a parameter", name), advice: parameterForm}
	case l.path:
		return nil
	case strings.HasSuffix(name, "/"):
		return &problem{
			message: fmt.Sprintf("%q ends with a slash, so it is a path and not a parameter", name),
			advice:  parameterForm,
		}
	case selected && (selector == "" || strings.ContainsAny(selector, ":/* ")):
		return &problem{
			message: fmt.Sprintf("%q is neither a version nor a label of a parameter", selector),
			advice:  parameterForm,
		}
	}
	l.id, l.version = name, selector
	if prefix != "" {
		l.id = prefix + "parameter" + name
	}
	return nil
}

// name is that of the secret or parameter: the last part of an ARN.
func (i item) name() string {
	if !strings.HasPrefix(i.id, "arn:") {
		return i.id
	}
	resource := strings.SplitN(i.id, ":", 6)[5]
	if i.kind == reference.ParameterStore {
		return strings.TrimPrefix(resource, "parameter")
	}
	return strings.TrimPrefix(resource, "secret:")
}

// source describes where a value comes from. The name is the service's, or "" if it is not known.
func (l location) source(name string) string {
	if name == "" {
		name = l.name()
	}
	text := string(l.kind) + " " + l.region + " " + name
	for _, part := range []struct{ name, value string }{{"key", l.key}, {"stage", l.stage}, {"version", l.version}} {
		if part.value != "" {
			text += " " + part.name + " " + part.value
		}
	}
	return text
}

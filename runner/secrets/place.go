package secrets

import (
	"fmt"
	"strings"

	"github.com/carlin-cicd/runner/steps/reference"
)

// item is what a service is asked for. Variables that differ in the JSON key alone share one, which is fetched once.
type item struct {
	kind    reference.Kind
	region  string
	id      string // a name or an ARN
	stage   string // of a secret: AWSCURRENT, AWSPREVIOUS, …
	version string // of a secret: its id; of a parameter: its number or a label
	path    bool   // everything under id, a path of Parameter Store
}

// place is a reference, read.
type place struct {
	item
	key     string // in a JSON secret
	account string // of an ARN
	origin  string // of the region
}

const (
	secretForm    = "write secretsmanager:NAME[:JSON-KEY[:STAGE[:VERSION-ID]]], or the secret's ARN with the same parts after it"
	parameterForm = "write ssm:/NAME, ssm:/NAME:VERSION, ssm:/NAME:LABEL or, for all parameters under a path, ssm:/PATH/*"
)

// The characters that the services allow in names, and the most of them.
const (
	inNames       = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_.-"
	inSecretNames = inNames + "+=@"
	maxSecretName = 512
	maxParameter  = 1011
)

func isName(name, of string, most int) bool {
	return name != "" && len(name) <= most && strings.Trim(name, of) == ""
}

// locate reads a reference of Secrets Manager or Parameter Store; its region stays empty if it names none.
func locate(r reference.Reference) (place, error) {
	p := place{item: item{kind: r.Kind}}
	rest, prefix := r.Text, ""
	if part := strings.SplitN(r.Text, ":", 6); part[0] == "arn" && len(part) == 6 {
		p.region, p.account, rest = part[3], part[4], part[5]
		if p.region == "" || p.account == "" {
			return p, &problem{said: "the ARN names no region or no account: " + r.Text, advice: "copy the ARN from the console or from the stack's outputs"}
		}
		p.origin = "the region that its ARN names"
		prefix = strings.Join(part[:5], ":") + ":"
	}
	if r.Kind == reference.ParameterStore {
		return p, p.locateParameter(rest, prefix)
	}
	return p, p.locateSecret(rest, prefix)
}

// locateSecret reads "secret:" or "secretsmanager:" with NAME[:JSON-KEY[:STAGE[:VERSION-ID]]], every part after the
// name possibly empty.
func (p *place) locateSecret(text, prefix string) error {
	_, text, _ = strings.Cut(text, ":")
	part := strings.Split(text, ":")
	if len(part) > 4 {
		return &problem{said: fmt.Sprintf("%d parts follow the secret's name, and there are three: JSON key, stage and version id", len(part)-1), advice: secretForm}
	}
	part = append(part, "", "", "")
	if !isName(part[0], inSecretNames, maxSecretName) {
		return &problem{said: fmt.Sprintf("%q is no name of a secret", part[0]), advice: secretForm}
	}
	p.id, p.key, p.stage, p.version = part[0], part[1], part[2], part[3]
	if prefix != "" {
		p.id = prefix + "secret:" + part[0]
	}
	return nil
}

// locateParameter reads "parameter/" or "ssm:/" with NAME[:VERSION-OR-LABEL] or PATH/*.
func (p *place) locateParameter(text, prefix string) error {
	name, selector, selected := strings.Cut(text, ":")
	if prefix == "" { // text is ssm:/NAME…
		name, selector, selected = strings.Cut(selector, ":")
	} else {
		name = strings.TrimPrefix(name, "parameter") // a name without levels has no slash of its own, but its ARN has
	}
	if path, ok := strings.CutSuffix(name, "/*"); ok && !selected {
		p.id, p.path = path+"/", true
		if path != "" {
			p.id = path
		}
		name = p.id
	}
	switch {
	case !isName(name, inNames, maxParameter), strings.Contains(name, "//"), p.path && name != "/" && strings.HasSuffix(name, "/"):
		return &problem{said: fmt.Sprintf("%q is no name of a parameter", name), advice: parameterForm}
	case p.path:
		return nil
	case strings.HasSuffix(name, "/"):
		return &problem{said: fmt.Sprintf("%q ends in a slash, so it is a path and no parameter", name), advice: parameterForm}
	case selected && (selector == "" || strings.ContainsAny(selector, ":/* ")):
		return &problem{said: fmt.Sprintf("%q is neither a version nor a label of a parameter", selector), advice: parameterForm}
	}
	p.id, p.version = name, selector
	if prefix != "" {
		p.id = prefix + "parameter" + name
	}
	return nil
}

// name is what people call the secret or the parameter: the last part of an ARN.
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

// source says for people where a value is from. name is what the service calls it, "" before it has been asked.
func (p place) source(name string) string {
	if name == "" {
		name = p.name()
	}
	said := string(p.kind) + " " + p.region + " " + name
	for _, part := range []struct{ what, is string }{{"key", p.key}, {"stage", p.stage}, {"version", p.version}} {
		if part.is != "" {
			said += " " + part.what + " " + part.is
		}
	}
	return said
}

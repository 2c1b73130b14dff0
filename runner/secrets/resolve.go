package secrets

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/carlin-cicd/runner/steps/reference"
)

// resolution is one Resolve on its way.
type resolution struct {
	*Resolver
	references map[string]reference.Reference
	resolved   Resolved
	failures   []Failure
	from       map[string]string // where a variable is from, for those that a path set
}

// Resolve reads the values of the references, by variable. The error is an *Error that lists all failures; what could
// be resolved is returned beside it.
//
// A reference to a path sets a variable for each parameter under it, named after the rest of the parameter's name:
// ssm:/ci/app/* makes /ci/app/db/password DB_PASSWORD. The variable that the reference was in is not set. A variable
// with a reference of its own keeps that one.
func (r *Resolver) Resolve(ctx context.Context, references map[string]reference.Reference) (Resolved, error) {
	res := &resolution{Resolver: r, references: references, from: map[string]string{}}
	places := res.locate()
	if len(places) > 0 {
		res.ask(ctx, places)
	}
	slices.SortFunc(res.resolved.Secrets, func(a, b Secret) int { return strings.Compare(a.Variable, b.Variable) })
	if res.failures == nil {
		return res.resolved, nil
	}
	slices.SortFunc(res.failures, func(a, b Failure) int {
		return cmp.Or(strings.Compare(a.Variable, b.Variable), strings.Compare(a.Problem, b.Problem))
	})
	return res.resolved, &Error{res.failures}
}

// locate reads the references, and the files at once. It returns what has to be asked for elsewhere, by variable.
func (r *resolution) locate() map[string]place {
	places := map[string]place{}
	for variable, ref := range r.references {
		if ref.Kind == reference.File {
			text, err := readFile(ref.Text, r.Dir)
			if err != nil {
				err = &problem{said: err.Error(), advice: "see that the file is there, as a file that this task may read", cause: err}
			}
			r.add(Secret{Variable: variable, Source: "file " + ref.Text}, content{text, text}, err)
			continue
		}
		p, err := locate(ref)
		if err != nil {
			r.fail(variable, err)
			continue
		}
		places[variable] = p
	}
	return places
}

// ask fetches what is kept in AWS, each thing once, and gives it to the variables.
func (r *resolution) ask(ctx context.Context, places map[string]place) {
	variables := slices.Sorted(maps.Keys(places))
	s, err := open(ctx, r.Resolver)
	if err != nil {
		for _, variable := range variables {
			r.fail(variable, err)
		}
		return
	}
	items := map[item]bool{}
	for variable, p := range places {
		if p.region == "" {
			p.region, p.origin = s.region, s.origin
			places[variable] = p
		}
		if p.region != "" {
			items[p.item] = true
		}
	}
	s.fetch(ctx, slices.Collect(maps.Keys(items)))
	r.resolved.Notes = s.notes
	for _, variable := range variables {
		p := places[variable]
		a := s.answers[p.item]
		switch {
		case p.region == "":
			r.fail(variable, &problem{said: "no region is known to look for " + p.name() + " in", advice: "set AWS_REGION, or refer to it by its ARN"})
		case a.err != nil:
			r.fail(variable, explain(p, a))
		case p.path:
			r.spread(variable, p, a.under)
		default:
			value, err := p.take(a.text)
			r.add(Secret{Variable: variable, Source: p.source(a.name), Version: a.version}, content{value, a.text}, err)
		}
	}
}

// spread sets the variables that the parameters under a path are for.
func (r *resolution) spread(variable string, p place, under []parameter) {
	for _, parameter := range under {
		if p.account != "" && !strings.Contains(parameter.ARN, ":"+p.account+":") {
			r.fail(variable, &problem{said: "the path " + p.name() + " is looked up in this task's own account, which is not " + p.account, advice: "refer to single parameters of another account by their ARNs"})
			return
		}
		name := variableFor(p.id, parameter.Name)
		if own, ok := r.references[name]; ok && !own.IsPath() {
			continue // its own reference is the more specific one
		}
		source := p.source(parameter.Name)
		switch {
		case r.Reserved != nil && r.Reserved(name):
			r.fail(variable, &problem{
				said:   source + " would set " + name + ", which the runner sets or relies on",
				advice: "name the parameter otherwise, or refer to single parameters instead of a path",
			})
		case r.from[name] == source: // the path is referred to twice
		case r.from[name] != "":
			r.fail(variable, &problem{
				said:   r.from[name] + " and " + source + " would both set " + name,
				advice: "name one of them otherwise, or give " + name + " a reference of its own",
			})
		default:
			r.from[name] = source
			r.add(Secret{Variable: name, Source: source, Version: parameter.version()}, content{parameter.Value, parameter.Value}, nil)
		}
	}
}

// variableFor names the variable for a parameter under a path: what comes after the path, in upper case, everything
// but letters and digits an underscore.
func variableFor(path, name string) string {
	rest := strings.TrimPrefix(strings.TrimPrefix(name, path), "/")
	variable := strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z':
			return c - 'a' + 'A'
		case c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
			return c
		}
		return '_'
	}, rest)
	if variable == "" || variable[0] >= '0' && variable[0] <= '9' { // no shell could read it
		return "_" + variable
	}
	return variable
}

// take returns what a reference wants of a secret: its text, or what that has under a key.
func (p place) take(text string) (string, error) {
	if p.key == "" {
		return text, nil
	}
	value, err := pick(text, p.key)
	if err != nil {
		return "", &problem{said: p.what() + " " + err.Error(), advice: "look at the keys that the secret has, in upper and lower case"}
	}
	return value, nil
}

// add notes a variable's value, unless there is none or no variable can hold it.
func (r *resolution) add(s Secret, c content, err error) {
	const advice = "store it as text, base64 for instance, and decode it in the command"
	switch {
	case err != nil:
	case strings.IndexByte(c.value, 0) >= 0:
		err = &problem{said: s.Source + " holds a NUL byte, which no variable can", advice: advice}
	case !utf8.ValidString(c.value):
		err = &problem{said: s.Source + " is binary, and no text", advice: advice}
	}
	if err != nil {
		r.fail(s.Variable, err)
		return
	}
	s.reveal = func() content { return c }
	r.resolved.Secrets = append(r.resolved.Secrets, s)
}

// problem is why a reference has no value. What it says names the secret and never quotes it.
type problem struct {
	said, advice string
	service      bool // it is the service's fault
	cause        error
}

func (p *problem) Error() string { return p.said }
func (p *problem) Unwrap() error { return p.cause }

func (r *resolution) fail(variable string, err error) {
	f := Failure{Variable: variable, Problem: err.Error(), cause: err}
	var p *problem
	if errors.As(err, &p) {
		f.Advice, f.ServiceFailed = p.advice, p.service
	}
	r.failures = append(r.failures, f)
}

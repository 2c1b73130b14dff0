package secrets

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/carlin-cicd/runner/steps/reference"
)

// resolution is the state of one Resolve.
type resolution struct {
	*Resolver
	references map[string]reference.Reference
	resolved   Resolved
	failures   []Failure
	from       map[string]string // sources of the variables that paths have set
}

// Resolve fetches the values of the references, by variable. The error is an *Error that lists all failures; the other
// values are returned beside it.
//
// A reference to a path sets a variable for each parameter under it, named after the rest of the parameter's name:
// ssm:/ci/app/* sets DB_PASSWORD to /ci/app/db/password. The variable of the reference itself is not set. A variable
// with a reference of its own keeps it.
func (r *Resolver) Resolve(ctx context.Context, references map[string]reference.Reference) (Resolved, error) {
	res := &resolution{Resolver: r, references: references, from: map[string]string{}}
	places := res.parseAll()
	if len(places) > 0 {
		res.fetch(ctx, places)
	}
	all := res.resolved.Secrets
	sort.Slice(all, func(i, j int) bool { return all[i].Variable < all[j].Variable })
	if res.failures == nil {
		return res.resolved, nil
	}
	sort.Slice(res.failures, func(i, j int) bool {
		a, b := res.failures[i], res.failures[j]
		return cmp.Or(strings.Compare(a.Variable, b.Variable), strings.Compare(a.Problem, b.Problem)) < 0
	})
	return res.resolved, &Error{res.failures}
}

// parseAll parses the references, and reads files. It returns the locations in AWS by variable.
func (r *resolution) parseAll() map[string]location {
	places := map[string]location{}
	for variable, ref := range r.references {
		if ref.Kind == reference.File {
			text, err := readFile(ref.Text, r.Dir)
			if err != nil {
				err = &problem{
					message: err.Error(),
					advice:  "check that the file exists, and that this user may read it",
					cause:   err,
				}
			}
			r.add(Secret{Variable: variable, Source: "file " + ref.Text}, content{text, text}, err)
			continue
		}
		p, err := parse(ref)
		if err != nil {
			r.fail(variable, err)
			continue
		}
		places[variable] = p
	}
	return places
}

// fetch fetches the values in AWS, each once, and sets the variables.
func (r *resolution) fetch(ctx context.Context, places map[string]location) {
	variables := slices.Sorted(maps.Keys(places))
	s, err := newFetcher(ctx, r.Resolver)
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
		a := s.results[p.item]
		switch {
		case p.region == "":
			r.fail(
				variable,
				&problem{
					message: "there is no region to look for " + p.name() + " in",
					advice:  "set AWS_REGION, or refer to it by its ARN",
				},
			)
		case a.err != nil:
			r.fail(variable, explain(p, a))
		case p.path:
			r.addPath(variable, p, a.under)
		default:
			value, err := p.extract(a.text)
			r.add(Secret{Variable: variable, Source: p.source(a.name), Version: a.version}, content{value, a.text}, err)
		}
	}
}

// addPath sets the variables of the parameters under a path.
func (r *resolution) addPath(variable string, p location, under []parameter) {
	for _, parameter := range under {
		if p.account != "" && !strings.Contains(parameter.ARN, ":"+p.account+":") {
			r.fail(
				variable,
				&problem{
					message: "the path " + p.name() + " is looked up in the account of this task, " +
						"which is not " + p.account,
					advice: "refer to single parameters of another account by their ARNs",
				},
			)
			return
		}
		name := variableFor(p.id, parameter.Name)
		if own, ok := r.references[name]; ok && !own.IsPath() {
			continue // its own reference is more specific
		}
		source := p.source(parameter.Name)
		switch {
		case r.Reserved != nil && r.Reserved(name):
			r.fail(variable, &problem{
				message: source + " would set " + name + ", which the runner sets or relies on",
				advice:  "rename the parameter, or refer to single parameters instead of a path",
			})
		case r.from[name] == source: // there are two references to the path
		case r.from[name] != "":
			r.fail(variable, &problem{
				message: r.from[name] + " and " + source + " would both set " + name,
				advice:  "rename one of them, or give " + name + " a reference of its own",
			})
		default:
			r.from[name] = source
			r.add(
				Secret{Variable: name, Source: source, Version: parameter.version()},
				content{parameter.Value, parameter.Value},
				nil,
			)
		}
	}
}

// variableFor returns the variable of a parameter under a path: the part after the path in upper case, with underscores
// for everything but letters and digits.
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
	if variable == "" || variable[0] >= '0' && variable[0] <= '9' { // no shell accepts it
		return "_" + variable
	}
	return variable
}

// extract returns the part of a secret that a reference selects: its text, or the value of a key.
func (l location) extract(text string) (string, error) {
	if l.key == "" {
		return text, nil
	}
	value, err := pick(text, l.key)
	if err != nil {
		return "", &problem{
			message: l.describe() + " " + err.Error(),
			advice:  "check the keys of the secret; upper and lower case differ",
		}
	}
	return value, nil
}

// add records a variable's value, or a failure if a variable cannot hold it.
func (r *resolution) add(s Secret, c content, err error) {
	const advice = "store it as text, base64 for instance, and decode it in the command"
	switch {
	case err != nil:
	case strings.IndexByte(c.value, 0) >= 0:
		err = &problem{message: s.Source + " contains a NUL byte, which a variable cannot", advice: advice}
	case !utf8.ValidString(c.value):
		err = &problem{message: s.Source + " is binary, not text", advice: advice}
	}
	if err != nil {
		r.fail(s.Variable, err)
		return
	}
	s.reveal = func() content { return c }
	r.resolved.Secrets = append(r.resolved.Secrets, s)
}

// problem is the reason why a reference has no value. It names the secret and never quotes its value.
type problem struct {
	message, advice string
	serviceFailed   bool
	cause           error
}

func (p *problem) Error() string { return p.message }
func (p *problem) Unwrap() error { return p.cause }

func (r *resolution) fail(variable string, err error) {
	f := Failure{Variable: variable, Problem: err.Error(), cause: err}
	var p *problem
	if errors.As(err, &p) {
		f.Advice, f.ServiceFailed = p.advice, p.serviceFailed
	}
	r.failures = append(r.failures, f)
}

package secrets

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// resolution is one Resolve on its way.
type resolution struct {
	*Resolver
	references map[string]Reference
	resolved   Resolved
	failures   []Failure
	from       map[string]string // the parameter that a variable is from, for those that a path set
}

// Resolve reads the values of the references, by variable. The error is an *Error that lists all failures; what could
// be resolved is returned beside it.
//
// A reference to a path sets a variable for each parameter under it, named after the rest of the parameter's name:
// ssm:/ci/app/* makes /ci/app/db/password DB_PASSWORD. The variable that the reference was in is not set. A variable
// with a reference of its own keeps that one.
func (r *Resolver) Resolve(ctx context.Context, references map[string]Reference) (Resolved, error) {
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
	for variable, reference := range r.references {
		if reference.Kind == File {
			text, err := readFile(reference.Text, r.Dir)
			if err != nil {
				err = &problem{said: err.Error(), advice: "see that the file is there, as a file that this task may read", cause: err}
			}
			r.add(variable, "file "+reference.Text, "", text, "", err)
			continue
		}
		p, err := locate(reference)
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
			r.add(variable, p.source(a.name), a.version, a.text, p.key, nil)
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
		switch {
		case r.Reserved != nil && r.Reserved(name):
			r.fail(variable, &problem{
				said:   "the parameter " + parameter.Name + " would set " + name + ", which the runner sets or relies on",
				advice: "name the parameter otherwise, or refer to single parameters instead of a path",
			})
		case r.from[name] != "":
			r.fail(variable, &problem{
				said:   "the parameters " + r.from[name] + " and " + parameter.Name + " would both set " + name,
				advice: "name one of them otherwise, or give " + name + " a reference of its own",
			})
		default:
			r.from[name] = parameter.Name
			r.add(name, p.source(parameter.Name), parameter.version(), parameter.Value, "", nil)
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

// add notes a variable's value: text, or what it has under key.
func (r *resolution) add(variable, source, version, text, key string, err error) {
	value := text
	if err == nil && key != "" {
		value, err = pick(text, key)
	}
	switch {
	case err != nil && source != "" && key != "":
		err = &problem{said: source + " " + err.Error(), advice: "look at the secret's keys, in upper and lower case, and at the reference"}
	case err == nil && strings.IndexByte(value, 0) >= 0:
		err = &problem{said: source + " holds a NUL byte, which no variable can", advice: "store it as text, base64 for instance, and decode it in the command"}
	case err == nil && !utf8.ValidString(value):
		err = &problem{said: source + " is binary, and no text", advice: "store it as text, base64 for instance, and decode it in the command"}
	}
	if err != nil {
		r.fail(variable, err)
		return
	}
	r.resolved.Secrets = append(r.resolved.Secrets, Secret{
		Variable: variable, Source: source, Version: version,
		reveal: func() content { return content{value, text} },
	})
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
		f.Advice, f.Service = p.advice, p.service
	}
	r.failures = append(r.failures, f)
}

package secrets

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/carlin-cicd/runner/runner/awsjson"
)

// maxParameters is how many GetParameters and a page of GetParametersByPath take.
const maxParameters = 10

const (
	getParameters = "ssm:GetParameters"
	getByPath     = "ssm:GetParametersByPath"
)

// parameter is what Parameter Store returns for one.
type parameter struct {
	Name, ARN, Value string
	Version          int64
}

func (p parameter) version() string { return strconv.FormatInt(p.Version, 10) }

func (p parameter) answer() answer { return answer{name: p.Name, version: p.version(), text: p.Value} }

// is reports whether it is the one that was asked for, whatever its version.
func (p parameter) is(i item) bool { return i.id == p.Name || i.id == p.ARN }

// asked is how a parameter is asked for.
func (i item) asked() string {
	if i.version == "" {
		return i.id
	}
	return i.id + ":" + i.version
}

// parameters asks Parameter Store for parameters, in batches, and for what is under paths.
func (s *session) parameters(ctx context.Context, a *awsjson.Client, items []item) {
	var asked sync.WaitGroup
	var batches [][]item
	for _, i := range items {
		if i.path {
			asked.Go(func() { s.path(ctx, a, i) })
			continue
		}
		// The answers say the parameter, not the version that was asked for: a batch has each parameter once.
		n := slices.IndexFunc(batches, func(batch []item) bool {
			return len(batch) < maxParameters && !slices.ContainsFunc(batch, func(j item) bool { return sameParameter(i, j) })
		})
		if n < 0 {
			n, batches = len(batches), append(batches, nil)
		}
		batches[n] = append(batches[n], i)
	}
	for _, batch := range batches {
		asked.Go(func() { s.batchParameters(ctx, a, batch) })
	}
	asked.Wait()
}

func sameParameter(i, j item) bool {
	return strings.TrimPrefix(i.name(), "/") == strings.TrimPrefix(j.name(), "/")
}

type getParametersInput struct {
	Names          []string
	WithDecryption bool
}

// batchParameters asks for up to maxParameters parameters.
func (s *session) batchParameters(ctx context.Context, a *awsjson.Client, items []item) {
	input := getParametersInput{WithDecryption: true}
	for _, i := range items {
		input.Names = append(input.Names, i.asked())
	}
	var output struct{ Parameters []parameter }
	if err := a.Call(ctx, "GetParameters", input, &output); err != nil {
		if len(items) == 1 || hopeless(err) {
			s.set(answer{err: err, action: getParameters}, items...)
			return
		}
		// One that may not be read or decrypted fails all of them. Asked for alone, each has its own answer.
		each(items, func(i item) { s.batchParameters(ctx, a, []item{i}) })
		return
	}
	for _, i := range items {
		n := slices.IndexFunc(output.Parameters, func(p parameter) bool { return p.is(i) })
		if n >= 0 {
			s.set(output.Parameters[n].answer(), i)
			continue
		}
		s.set(s.missing(ctx, a, i), i)
	}
}

// missing asks again for what the service does not know as it was asked for: what has an ARN by its name, for not
// everybody who speaks for AWS takes ARNs here; and what has a version without it, to tell whether it is the parameter
// that there is not, or only the version.
func (s *session) missing(ctx context.Context, a *awsjson.Client, i item) answer {
	ask := func(version string, decrypt bool) (parameter, bool) {
		input := getParametersInput{WithDecryption: decrypt}
		for _, name := range i.names() {
			input.Names = append(input.Names, item{id: name, version: version}.asked())
		}
		var output struct{ Parameters []parameter }
		if err := a.Call(ctx, "GetParameters", input, &output); err != nil {
			return parameter{}, false
		}
		// A name alone could be another account's: the answer has to have the very ARN.
		n := slices.IndexFunc(output.Parameters, func(p parameter) bool { return p.is(i) })
		if n < 0 {
			return parameter{}, false
		}
		return output.Parameters[n], true
	}
	if strings.HasPrefix(i.id, "arn:") {
		if p, ok := ask(i.version, true); ok {
			return p.answer()
		}
	}
	missing := &missingError{}
	if i.version != "" {
		p, _ := ask("", false)
		missing.newest = p.Version
	}
	return answer{err: missing, action: getParameters}
}

// names are what a parameter can be called. The ARNs of the parameters /x and x are the same.
func (i item) names() []string {
	name := i.name()
	if i.id != name && strings.Count(name, "/") == 1 {
		return []string{name, name[1:]}
	}
	return []string{name}
}

// missingError says that there is no such parameter, or nothing under a path.
type missingError struct {
	newest int64 // the newest version, if there is a parameter, but not of the version that was asked for
}

func (e *missingError) Error() string { return "not found" }

// path asks for everything under a path, page by page.
func (s *session) path(ctx context.Context, a *awsjson.Client, i item) {
	input := struct {
		Path                      string
		Recursive, WithDecryption bool
		MaxResults                int
		NextToken                 string `json:",omitempty"`
	}{Path: i.id, Recursive: true, WithDecryption: true, MaxResults: maxParameters}
	var found []parameter
	for {
		var output struct {
			Parameters []parameter
			NextToken  string
		}
		if err := a.Call(ctx, "GetParametersByPath", input, &output); err != nil {
			s.set(answer{err: err, action: getByPath}, i)
			return
		}
		found = append(found, output.Parameters...)
		if output.NextToken == "" {
			break
		}
		if output.NextToken == input.NextToken {
			s.set(answer{err: &problem{said: "Parameter Store repeats a page of " + i.id, service: true}}, i)
			return
		}
		input.NextToken = output.NextToken
	}
	if len(found) == 0 {
		s.set(answer{err: &missingError{}, action: getByPath}, i)
		return
	}
	s.set(answer{under: found}, i)
}

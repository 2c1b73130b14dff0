package secrets

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/carlin-cicd/runner/runner/awsjson"
)

// maxParameters is how many parameters GetParameters takes, and a page of GetParametersByPath has.
const maxParameters = 10

const (
	getParameters = "ssm:GetParameters"
	getByPath     = "ssm:GetParametersByPath"
)

// parameter is one as Parameter Store returns it.
type parameter struct {
	Name, ARN, Value string
	Version          int64
}

func (p parameter) version() string { return strconv.FormatInt(p.Version, 10) }

func (p parameter) result() result { return result{name: p.Name, version: p.version(), text: p.Value} }

// matches reports whether it is the requested one, in any version.
func (p parameter) matches(i item) bool { return i.id == p.Name || i.id == p.ARN }

// selector is the name by which a version of a parameter is requested.
func (i item) selector() string {
	if i.version == "" {
		return i.id
	}
	return i.id + ":" + i.version
}

// parameters fetches parameters from Parameter Store in batches, and those under paths.
func (s *fetcher) parameters(ctx context.Context, a *awsjson.Client, items []item) {
	var requests sync.WaitGroup
	var batches [][]item
	for _, i := range items {
		if i.path {
			requests.Go(func() { s.path(ctx, a, i) })
			continue
		}
		// Responses name the parameter, but not the requested version: a batch has each parameter once.
		n := slices.IndexFunc(batches, func(batch []item) bool {
			return len(batch) < maxParameters &&
				!slices.ContainsFunc(batch, func(j item) bool { return sameParameter(i, j) })
		})
		if n < 0 {
			n, batches = len(batches), append(batches, nil)
		}
		batches[n] = append(batches[n], i)
	}
	for _, batch := range batches {
		requests.Go(func() { s.batchParameters(ctx, a, batch) })
	}
	requests.Wait()
}

func sameParameter(i, j item) bool {
	return strings.TrimPrefix(i.name(), "/") == strings.TrimPrefix(j.name(), "/")
}

type getParametersInput struct {
	Names          []string
	WithDecryption bool
}

// batchParameters fetches up to maxParameters parameters.
func (s *fetcher) batchParameters(ctx context.Context, a *awsjson.Client, items []item) {
	input := getParametersInput{WithDecryption: true}
	for _, i := range items {
		input.Names = append(input.Names, i.selector())
	}
	var output struct{ Parameters []parameter }
	if err := a.Call(ctx, "GetParameters", input, &output); err != nil {
		if len(items) == 1 || failsForAll(err) {
			s.store(result{err: err, action: getParameters}, items...)
			return
		}
		// One that may not be read or decrypted fails all of them. Requested alone, each has its own result.
		forEach(items, func(i item) { s.batchParameters(ctx, a, []item{i}) })
		return
	}
	for _, i := range items {
		n := slices.IndexFunc(output.Parameters, func(p parameter) bool { return p.matches(i) })
		if n >= 0 {
			s.store(output.Parameters[n].result(), i)
			continue
		}
		s.store(s.missing(ctx, a, i), i)
	}
}

// missing requests again what was not found: by its name instead of its ARN, which not every implementation of the API
// accepts here; and without its version, to find out whether the parameter is missing or only the version.
func (s *fetcher) missing(ctx context.Context, a *awsjson.Client, i item) result {
	get := func(version string, decrypt bool) (parameter, bool) {
		input := getParametersInput{WithDecryption: decrypt}
		for _, name := range i.names() {
			input.Names = append(input.Names, item{id: name, version: version}.selector())
		}
		var output struct{ Parameters []parameter }
		if err := a.Call(ctx, "GetParameters", input, &output); err != nil {
			return parameter{}, false
		}
		// A name alone could be that of another account's parameter: the response must have the same ARN.
		n := slices.IndexFunc(output.Parameters, func(p parameter) bool { return p.matches(i) })
		if n < 0 {
			return parameter{}, false
		}
		return output.Parameters[n], true
	}
	if strings.HasPrefix(i.id, "arn:") {
		if p, ok := get(i.version, true); ok {
			return p.result()
		}
	}
	missing := &missingError{}
	if i.version != "" {
		p, _ := get("", false)
		missing.newest = p.Version
	}
	return result{err: missing, action: getParameters}
}

// names are the possible names of a parameter. The parameters /x and x have the same ARN.
func (i item) names() []string {
	name := i.name()
	if i.id != name && strings.Count(name, "/") == 1 {
		return []string{name, name[1:]}
	}
	return []string{name}
}

// missingError reports that a parameter does not exist, or that a path is empty.
type missingError struct {
	newest int64 // the newest version, if only the requested one does not exist
}

func (e *missingError) Error() string { return "not found" }

// path fetches all parameters under a path, page by page.
func (s *fetcher) path(ctx context.Context, a *awsjson.Client, i item) {
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
			s.store(result{err: err, action: getByPath}, i)
			return
		}
		found = append(found, output.Parameters...)
		if output.NextToken == "" {
			break
		}
		if output.NextToken == input.NextToken {
			s.store(result{err: &problem{message: "Parameter Store repeats a page of " + i.id, serviceFailed: true}}, i)
			return
		}
		input.NextToken = output.NextToken
	}
	if len(found) == 0 {
		s.store(result{err: &missingError{}, action: getByPath}, i)
		return
	}
	s.store(result{under: found}, i)
}

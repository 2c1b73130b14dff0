package secrets

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/carlin-cicd/runner/runner/awsjson"
)

// maxBatch is how many secrets BatchGetSecretValue takes.
const maxBatch = 20

const (
	getSecret   = "secretsmanager:GetSecretValue"
	batchSecret = "secretsmanager:BatchGetSecretValue"
)

// secrets fetches secrets from Secrets Manager: current versions in batches, and others, which a batch cannot select,
// and those that a batch did not return, one by one.
func (s *fetcher) secrets(ctx context.Context, a *awsjson.Client, items []item) {
	var current, single []item
	for _, i := range items {
		if i.stage == "" && i.version == "" {
			current = append(current, i)
		} else {
			single = append(single, i)
		}
	}
	if len(current) == 1 { // so that one secret needs no second permission
		current, single = nil, append(single, current...)
	}
	var requests sync.WaitGroup
	for batch := range slices.Chunk(current, maxBatch) {
		requests.Go(func() {
			forEach(s.batch(ctx, a, batch), func(i item) { s.secret(ctx, a, i) })
		})
	}
	forEach(single, func(i item) { s.secret(ctx, a, i) })
	requests.Wait()
}

// batch fetches the current versions of up to maxBatch secrets and returns those that have to be fetched one by one.
func (s *fetcher) batch(ctx context.Context, a *awsjson.Client, items []item) []item {
	var ids []string
	for _, i := range items {
		ids = append(ids, i.id)
	}
	var output struct{ SecretValues []secretValue }
	if err := a.Call(ctx, "BatchGetSecretValue", map[string]any{"SecretIdList": ids}, &output); err != nil {
		if failsForAll(err) {
			s.store(result{err: err, action: batchSecret}, items...)
			return nil
		}
		// A secret that may not be read or has an invalid name fails the whole batch, and so does a service that does
		// not know the operation; the permission for it is a second one that is easily forgotten.
		if isDenied(err) {
			s.note(
				batchSecret + " is denied in " + a.Region + ", so secrets are read one by one there: allow it on \"*\" " +
					"(it takes no resource, and does not replace " + getSecret + ")",
			)
		}
		return items
	}
	var rest []item
	for _, i := range items {
		n := slices.IndexFunc(output.SecretValues, func(v secretValue) bool { return isSecret(i.id, v.ARN, v.Name) })
		if n >= 0 {
			s.store(output.SecretValues[n].result(), i)
			continue
		}
		// The error of a single request is more specific, and it may succeed: a policy can require a stage.
		rest = append(rest, i)
	}
	return rest
}

// isSecret reports whether a secret is the requested one: by its name, its ARN, or its ARN without the six random
// characters at the end.
func isSecret(requested, arn, name string) bool {
	if requested == arn || requested == name {
		return true
	}
	random, ok := strings.CutPrefix(arn, requested+"-")
	return ok && len(random) == 6 && strings.HasPrefix(requested, "arn:")
}

// secret fetches one secret.
func (s *fetcher) secret(ctx context.Context, a *awsjson.Client, i item) {
	input := map[string]any{"SecretId": i.id}
	if i.version != "" {
		input["VersionId"] = i.version
	}
	if i.stage != "" || i.version == "" {
		// AWSCURRENT is the default, but policies that require a stage see only an explicit one.
		input["VersionStage"] = cmp.Or(i.stage, "AWSCURRENT")
	}
	var v secretValue
	if err := a.Call(ctx, "GetSecretValue", input, &v); err != nil {
		s.store(result{err: err, action: getSecret}, i)
		return
	}
	s.store(v.result(), i)
}

// secretValue is a secret as Secrets Manager returns it.
type secretValue struct {
	ARN, Name     string
	VersionID     string `json:"VersionId"`
	SecretString  *string
	SecretBinary  []byte
	VersionStages []string
}

func (v secretValue) result() result {
	a := result{name: v.Name, version: v.VersionID, text: string(v.SecretBinary)}
	if v.SecretString != nil {
		a.text = *v.SecretString
	} else if v.SecretBinary == nil {
		a.err = errors.New("the response has no value") // which AWS never returns
	}
	if len(v.VersionStages) > 0 {
		a.version += " (" + strings.Join(v.VersionStages, ", ") + ")"
	}
	return a
}

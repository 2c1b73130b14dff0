package secrets

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// maxBatch is how many secrets BatchGetSecretValue takes.
const maxBatch = 20

const (
	getSecret   = "secretsmanager:GetSecretValue"
	batchSecret = "secretsmanager:BatchGetSecretValue"
)

// secretValue is what Secrets Manager returns for a secret.
type secretValue struct {
	ARN, Name, VersionId string
	VersionStages        []string
	SecretString         *string
	SecretBinary         []byte
}

// secrets asks Secrets Manager for secrets: those of which the current version is wanted in batches, and one by one
// those of which another one is, which a batch cannot say, and what a batch did not bring.
func (s *session) secrets(ctx context.Context, a *api, items []item) {
	var current, single []item
	for _, i := range items {
		if i.stage == "" && i.version == "" {
			current = append(current, i)
		} else {
			single = append(single, i)
		}
	}
	if len(current) == 1 { // whoever asks for one needs no second permission
		current, single = nil, append(single, current...)
	}
	var asked sync.WaitGroup
	for batch := range slices.Chunk(current, maxBatch) {
		asked.Go(func() {
			each(s.batch(ctx, a, batch), func(i item) { s.secret(ctx, a, i) })
		})
	}
	each(single, func(i item) { s.secret(ctx, a, i) })
	asked.Wait()
}

// batch asks for the current versions of up to maxBatch secrets and returns those that have to be asked for one by one.
func (s *session) batch(ctx context.Context, a *api, items []item) []item {
	input := struct{ SecretIdList []string }{}
	for _, i := range items {
		input.SecretIdList = append(input.SecretIdList, i.id)
	}
	var output struct {
		SecretValues []secretValue
		Errors       []struct{ SecretId, ErrorCode, Message string }
	}
	if err := a.call(ctx, "BatchGetSecretValue", input, &output); err != nil {
		if hopeless(err) {
			s.set(answer{err: err, action: batchSecret}, items...)
			return nil
		}
		// One secret that may not be read or has an impossible name fails the whole batch, and so does a service
		// that does not know the operation; the permission for it is a second one that is easily forgotten.
		if denied(err) {
			s.note(fmt.Sprintf("%s is denied in %s, so %d secrets are read one by one: allow it on \"*\", it takes no resource, and does not replace %s", batchSecret, a.region, len(items), getSecret))
		}
		return items
	}
	var rest []item
	for _, i := range items {
		if n := slices.IndexFunc(output.SecretValues, func(v secretValue) bool { return isSecret(i.id, v.ARN, v.Name) }); n >= 0 {
			s.set(output.SecretValues[n].answer(), i)
			continue
		}
		// The error of a single one tells more, and there may be none: a policy can insist on the stage being named.
		rest = append(rest, i)
	}
	return rest
}

// isSecret reports whether a secret is the one that was asked for: by its name, its ARN, or its ARN without the six
// random characters at its end.
func isSecret(asked, arn, name string) bool {
	if asked == arn || asked == name {
		return true
	}
	random, ok := strings.CutPrefix(arn, asked+"-")
	return ok && len(random) == 6 && strings.HasPrefix(asked, "arn:")
}

// secret asks for one secret.
func (s *session) secret(ctx context.Context, a *api, i item) {
	input := struct {
		SecretId     string
		VersionStage string `json:",omitempty"`
		VersionId    string `json:",omitempty"`
	}{i.id, i.stage, i.version}
	if i.stage == "" && i.version == "" {
		input.VersionStage = "AWSCURRENT" // it is the default, but policies that insist on a stage see only what is said
	}
	var output secretValue
	if err := a.call(ctx, "GetSecretValue", input, &output); err != nil {
		s.set(answer{err: err, action: getSecret}, i)
		return
	}
	s.set(output.answer(), i)
}

func (v secretValue) answer() answer {
	a := answer{name: v.Name, version: v.VersionId, text: string(v.SecretBinary)}
	if v.SecretString != nil {
		a.text = *v.SecretString
	}
	if len(v.VersionStages) > 0 {
		a.version += " (" + strings.Join(v.VersionStages, ", ") + ")"
	}
	return a
}

package secrets

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

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
	client := newManager(a)
	var requests sync.WaitGroup
	for batch := range slices.Chunk(current, maxBatch) {
		requests.Go(func() {
			forEach(s.batch(ctx, client, a.Region, batch), func(i item) { s.secret(ctx, client, i) })
		})
	}
	forEach(single, func(i item) { s.secret(ctx, client, i) })
	requests.Wait()
}

// batch fetches the current versions of up to maxBatch secrets and returns those that have to be fetched one by one.
func (s *fetcher) batch(ctx context.Context, client *secretsmanager.Client, region string, items []item) []item {
	input := &secretsmanager.BatchGetSecretValueInput{}
	for _, i := range items {
		input.SecretIdList = append(input.SecretIdList, i.id)
	}
	output, err := client.BatchGetSecretValue(ctx, input)
	if err := convertError(ctx, err); err != nil {
		if failsForAll(err) {
			s.store(result{err: err, action: batchSecret}, items...)
			return nil
		}
		// A secret that may not be read or has an invalid name fails the whole batch, and so does a service that does
		// not know the operation; the permission for it is a second one that is easily forgotten.
		if isDenied(err) {
			s.note(
				batchSecret + " is denied in " + region + ", so secrets are read one by one there: allow it on \"*\" " +
					"(it takes no resource, and does not replace " + getSecret + ")",
			)
		}
		return items
	}
	var rest []item
	for _, i := range items {
		n := slices.IndexFunc(output.SecretValues, func(v types.SecretValueEntry) bool {
			return isSecret(i.id, aws.ToString(v.ARN), aws.ToString(v.Name))
		})
		if n >= 0 {
			v := output.SecretValues[n]
			s.store(secretAnswer(v.Name, v.VersionId, v.SecretString, v.SecretBinary, v.VersionStages), i)
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
func (s *fetcher) secret(ctx context.Context, client *secretsmanager.Client, i item) {
	input := &secretsmanager.GetSecretValueInput{SecretId: &i.id}
	if i.version != "" {
		input.VersionId = &i.version
	}
	if i.stage != "" || i.version == "" {
		// AWSCURRENT is the default, but policies that require a stage see only an explicit one.
		input.VersionStage = aws.String(cmp.Or(i.stage, "AWSCURRENT"))
	}
	v, err := client.GetSecretValue(ctx, input)
	if err := convertError(ctx, err); err != nil {
		s.store(result{err: err, action: getSecret}, i)
		return
	}
	s.store(secretAnswer(v.Name, v.VersionId, v.SecretString, v.SecretBinary, v.VersionStages), i)
}

func secretAnswer(name, version, text *string, binary []byte, stages []string) result {
	a := result{name: aws.ToString(name), version: aws.ToString(version), text: string(binary)}
	if text != nil {
		a.text = *text
	} else if binary == nil {
		a.err = errors.New("the response has no value") // which AWS never returns
	}
	if len(stages) > 0 {
		a.version += " (" + strings.Join(stages, ", ") + ")"
	}
	return a
}

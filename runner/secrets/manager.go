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

// secrets asks Secrets Manager for secrets: those of which the current version is wanted in batches, and one by one
// those of which another one is, which a batch cannot say, and what a batch did not bring.
func (s *session) secrets(ctx context.Context, a *awsjson.Client, items []item) {
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
	client := manager(a)
	var asked sync.WaitGroup
	for batch := range slices.Chunk(current, maxBatch) {
		asked.Go(func() {
			each(s.batch(ctx, client, a.Region, batch), func(i item) { s.secret(ctx, client, i) })
		})
	}
	each(single, func(i item) { s.secret(ctx, client, i) })
	asked.Wait()
}

// batch asks for the current versions of up to maxBatch secrets and returns those that have to be asked for one by one.
func (s *session) batch(ctx context.Context, client *secretsmanager.Client, region string, items []item) []item {
	input := &secretsmanager.BatchGetSecretValueInput{}
	for _, i := range items {
		input.SecretIdList = append(input.SecretIdList, i.id)
	}
	output, err := client.BatchGetSecretValue(ctx, input)
	if err := plain(ctx, err); err != nil {
		if hopeless(err) {
			s.set(answer{err: err, action: batchSecret}, items...)
			return nil
		}
		// One secret that may not be read or has an impossible name fails the whole batch, and so does a service
		// that does not know the operation; the permission for it is a second one that is easily forgotten.
		if denied(err) {
			s.note(batchSecret + " is denied in " + region + ", so secrets are read one by one there: allow it on \"*\" (it takes no resource, and does not replace " + getSecret + ")")
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
			s.set(secretAnswer(v.Name, v.VersionId, v.SecretString, v.SecretBinary, v.VersionStages), i)
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
func (s *session) secret(ctx context.Context, client *secretsmanager.Client, i item) {
	input := &secretsmanager.GetSecretValueInput{SecretId: &i.id}
	if i.version != "" {
		input.VersionId = &i.version
	}
	if i.stage != "" || i.version == "" {
		// AWSCURRENT is the default, but policies that insist on a stage see only what is said.
		input.VersionStage = aws.String(cmp.Or(i.stage, "AWSCURRENT"))
	}
	v, err := client.GetSecretValue(ctx, input)
	if err := plain(ctx, err); err != nil {
		s.set(answer{err: err, action: getSecret}, i)
		return
	}
	s.set(secretAnswer(v.Name, v.VersionId, v.SecretString, v.SecretBinary, v.VersionStages), i)
}

func secretAnswer(name, version, text *string, binary []byte, stages []string) answer {
	a := answer{name: aws.ToString(name), version: aws.ToString(version), text: string(binary)}
	if text != nil {
		a.text = *text
	} else if binary == nil {
		a.err = errors.New("the answer has no value") // whoever that came from is not AWS
	}
	if len(stages) > 0 {
		a.version += " (" + strings.Join(stages, ", ") + ")"
	}
	return a
}

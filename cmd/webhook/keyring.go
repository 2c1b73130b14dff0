package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

const (
	maxAge       = 5 * time.Minute // of a key before it is fetched again
	minRefetch   = time.Minute     // between two fetches because of signatures that do not match: anyone can send one
	overlap      = 24 * time.Hour  // in which the previous key is accepted after a rotation
	minKey       = 16              // bytes: a shorter secret was typed, not generated
	fetchTimeout = 2 * time.Second // for one attempt
	fetchTries   = 2
)

// keyring holds the webhook's secret and, for a day after a rotation, the previous one.
type keyring struct {
	store secretStore
	arn   string
	now   func() time.Time

	mu      sync.Mutex
	keys    [][]byte // the current one first
	fetched time.Time
	missed  time.Time // the last fetch because of a signature that did not match
}

type secretStore interface {
	GetSecretValue(
		context.Context,
		*secretsmanager.GetSecretValueInput,
		...func(*secretsmanager.Options),
	) (*secretsmanager.GetSecretValueOutput, error)
}

// verify reports whether the signature was made with one of the keys. One that does not match may be the first after a
// rotation, so the secret is fetched again before it is rejected.
func (k *keyring) verify(ctx context.Context, body, signature []byte) (bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fetched.IsZero() || k.now().Sub(k.fetched) >= maxAge {
		if err := k.fetch(ctx); err != nil {
			return false, err
		}
	}
	if k.matches(body, signature) {
		return true, nil
	}
	if k.now().Sub(k.fetched) < minRefetch || k.now().Sub(k.missed) < minRefetch {
		return false, nil
	}
	k.missed = k.now()
	if err := k.fetch(ctx); err != nil {
		return false, err
	}
	return k.matches(body, signature), nil
}

func (k *keyring) matches(body, signature []byte) bool {
	found := false
	for _, key := range k.keys {
		if matches(key, body, signature) {
			found = true
		}
	}
	return found
}

// fetch replaces the keys. If it fails, the old ones stay, but are not used beyond their age: a secret that was deleted
// must stop working.
func (k *keyring) fetch(ctx context.Context) error {
	current, err := k.get(ctx, "AWSCURRENT")
	if err != nil {
		return fmt.Errorf("the secret %s: %w", k.arn, err)
	}
	key := keyOf(current)
	if len(key) < minKey {
		return fmt.Errorf("the secret %s has fewer than %d bytes: replace it with a random one", k.arn, minKey)
	}
	keys := [][]byte{key}
	if current.CreatedDate != nil && k.now().Sub(*current.CreatedDate) < overlap {
		previous, err := k.get(ctx, "AWSPREVIOUS")
		if missing := (*types.ResourceNotFoundException)(nil); err != nil && !errors.As(err, &missing) {
			return fmt.Errorf("the previous version of the secret %s: %w", k.arn, err)
		}
		if key := keyOf(previous); len(key) >= minKey {
			keys = append(keys, key)
		}
	}
	k.keys, k.fetched = keys, k.now()
	return nil
}

// keyOf returns a version's value, which is text or bytes.
func keyOf(version *secretsmanager.GetSecretValueOutput) []byte {
	switch {
	case version == nil:
		return nil
	case version.SecretString != nil:
		return []byte(*version.SecretString)
	}
	return version.SecretBinary
}

// get tries twice, so that a lost packet does not cost a delivery.
func (k *keyring) get(ctx context.Context, stage string) (out *secretsmanager.GetSecretValueOutput, err error) {
	for range fetchTries {
		out, err = k.getOnce(ctx, stage)
		if missing := (*types.ResourceNotFoundException)(nil); err == nil || ctx.Err() != nil ||
			errors.As(err, &missing) {
			return out, err
		}
	}
	return nil, err
}

func (k *keyring) getOnce(ctx context.Context, stage string) (*secretsmanager.GetSecretValueOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	return k.store.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &k.arn, VersionStage: &stage})
}

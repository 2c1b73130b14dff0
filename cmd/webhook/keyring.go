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
	maxAge     = 5 * time.Minute // of a key that is used without asking whether it is still the one
	minRefetch = time.Minute     // between two looks because of a signature that does not match: anybody can send one
	transition = 24 * time.Hour  // for which the key before is accepted after a rotation
	minKey     = 16              // bytes: a shorter secret is one that somebody typed
	fetchTime  = 2 * time.Second // for one try
	fetchTries = 2
)

// keyring keeps the webhook's secret and, for a day after a rotation, the one before.
type keyring struct {
	store secretStore
	arn   string
	now   func() time.Time

	mu      sync.Mutex
	keys    [][]byte // the current one first
	fetched time.Time
	looked  time.Time // because of a signature that does not match
}

type secretStore interface {
	GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
}

// verify says whether the signature is of one of the keys. A signature that does not match may be the first after a
// rotation, so that an older copy of the secret is refreshed before the answer is no.
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
	if k.now().Sub(k.fetched) < minRefetch || k.now().Sub(k.looked) < minRefetch {
		return false, nil
	}
	k.looked = k.now()
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

// fetch replaces the keys by those that are there now. What was fetched before stays if that fails, but is not used
// beyond its age: a secret that was taken away must stop to work.
func (k *keyring) fetch(ctx context.Context) error {
	current, err := k.get(ctx, "AWSCURRENT")
	if err != nil {
		return fmt.Errorf("the secret %s: %w", k.arn, err)
	}
	key := keyOf(current)
	if len(key) < minKey {
		return fmt.Errorf("the secret %s has fewer than %d bytes: put a random one in its place", k.arn, minKey)
	}
	keys := [][]byte{key}
	if current.CreatedDate != nil && k.now().Sub(*current.CreatedDate) < transition {
		before, err := k.get(ctx, "AWSPREVIOUS")
		if missing := (*types.ResourceNotFoundException)(nil); err != nil && !errors.As(err, &missing) {
			return fmt.Errorf("the version of the secret %s before its rotation: %w", k.arn, err)
		}
		if key := keyOf(before); len(key) >= minKey {
			keys = append(keys, key)
		}
	}
	k.keys, k.fetched = keys, k.now()
	return nil
}

// keyOf is a version's value, kept as text or as bytes.
func keyOf(version *secretsmanager.GetSecretValueOutput) []byte {
	switch {
	case version == nil:
		return nil
	case version.SecretString != nil:
		return []byte(*version.SecretString)
	}
	return version.SecretBinary
}

// get tries twice: a lost packet should not cost a delivery.
func (k *keyring) get(ctx context.Context, stage string) (out *secretsmanager.GetSecretValueOutput, err error) {
	for range fetchTries {
		out, err = k.getOnce(ctx, stage)
		if missing := (*types.ResourceNotFoundException)(nil); err == nil || ctx.Err() != nil || errors.As(err, &missing) {
			return out, err
		}
	}
	return nil, err
}

func (k *keyring) getOnce(ctx context.Context, stage string) (*secretsmanager.GetSecretValueOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	return k.store.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &k.arn, VersionStage: &stage})
}

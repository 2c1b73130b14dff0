package shards

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/steps/history"
)

// The times by which tests are divided must be the same for all shards, whatever other runs add to the history
// meanwhile. So they are copied once: with the plan, else by the first shard of a group.

// PinPlan copies the times of a step beside the plan that the entry step stores, and returns their digest; "" if there
// are none, so that the files are divided by their number.
func PinPlan(ctx context.Context, s artifacts.Store, ref artifacts.Ref, entry string, from []string) (digest string, err error) {
	swapper, ok := s.(artifacts.Swapper)
	if !ok {
		return "", nil
	}
	times, err := loadTimes(ctx, swapper, from)
	if err != nil || len(times) == 0 {
		return "", err
	}
	text := times.Encode()
	_, err = s.Put(ctx, artifacts.Object{
		Key: keys.PlannedTimes(ref, entry, times.Digest()), Body: bytes.NewReader(text), Size: int64(len(text)), Type: "application/json",
	})
	return times.Digest(), err
}

// Times returns the times of a group of shards: those of the plan if they have a digest, else those that the first shard
// finds under one of the keys.
func (p Place) Times(ctx context.Context, s artifacts.Store, entry, digest string, from []string) (history.FileTimes, error) {
	if digest != "" {
		return plannedTimes(ctx, s, p.Ref, entry, digest)
	}
	swapper, ok := s.(artifacts.Swapper)
	if !ok {
		return history.FileTimes{}, nil
	}
	for range 2 {
		body, err := read(ctx, s, p.times())
		if err == nil {
			return history.DecodeFileTimes(body)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		times, err := loadTimes(ctx, swapper, from)
		if err != nil {
			return nil, err
		}
		text := times.Encode()
		_, err = swapper.Swap(ctx, artifacts.Object{
			Key: p.times(), Body: bytes.NewReader(text), Size: int64(len(text)), Type: "application/json",
		}, "")
		if err == nil {
			return times, nil
		}
		if !errors.Is(err, fs.ErrExist) { // another shard was first
			return nil, err
		}
	}
	return nil, fmt.Errorf("%s is stored and cannot be read", p.times())
}

func plannedTimes(ctx context.Context, s artifacts.Store, ref artifacts.Ref, entry, digest string) (history.FileTimes, error) {
	key := keys.PlannedTimes(ref, entry, digest)
	body, err := read(ctx, s, key)
	if err != nil {
		return nil, fmt.Errorf("the times of the plan, %s: %w", key, err)
	}
	times, err := history.DecodeFileTimes(body)
	if err == nil && times.Digest() != digest {
		err = &artifacts.CorruptError{Path: key, Want: digest, Got: times.Digest()}
	}
	return times, err
}

// loadTimes reads the history. One that is damaged counts as none, since it begins anew, too.
func loadTimes(ctx context.Context, s artifacts.Swapper, from []string) (history.FileTimes, error) {
	times, err := history.LoadFileTimes(ctx, s, from...)
	var corrupt *history.CorruptError
	if errors.As(err, &corrupt) {
		return history.FileTimes{}, nil
	}
	return times, err
}

// maxTimes bounds the times that are read, in bytes.
const maxTimes = 8 << 20

func read(ctx context.Context, s artifacts.Store, key string) ([]byte, error) {
	body, err := s.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(io.LimitReader(body, maxTimes))
}

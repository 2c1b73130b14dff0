package artifactstest

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"slices"
	"testing"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
)

// Spy is a store that calls Before ahead of each operation, and may replace the body of an object.
type Spy struct {
	artifacts.Store
	Before func(op, key string) error
	Body   func(o artifacts.Object) io.ReadSeeker
}

// Put implements artifacts.Store.
func (s *Spy) Put(ctx context.Context, o artifacts.Object) (string, error) {
	if err := s.Before("put", o.Key); err != nil {
		return "", err
	}
	if s.Body != nil {
		o.Body = s.Body(o)
	}
	return s.Store.Put(ctx, o)
}

// Get implements artifacts.Store.
func (s *Spy) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	if err := s.Before("get", key); err != nil {
		return nil, err
	}
	return s.Store.Get(ctx, key)
}

// Delete removes key by key, so that a test can stop between two.
func (s *Spy) Delete(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		if err := s.Before("delete", key); err != nil {
			return err
		}
		if err := s.Store.Delete(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// Lock is that of the store, if it has locks.
func (s *Spy) Lock(ctx context.Context, name string) (context.Context, func(), error) {
	if err := s.Before("lock", name); err != nil {
		return nil, nil, err
	}
	held, release := ctx, func() {}
	if l, ok := s.Store.(artifacts.Locker); ok {
		var err error
		if held, release, err = l.Lock(ctx, name); err != nil {
			return nil, nil, err
		}
	}
	return held, func() {
		s.Before("release", name)
		release()
	}, nil
}

// SetState returns which of several contents a set has by its manifest: its name, or "none". Anything else is an
// error.
func SetState(t testing.TB, s artifacts.Store, kind string, ref artifacts.Ref, contents map[string]Files) string {
	t.Helper()
	m, err := artifacts.ReadManifest(context.Background(), s, kind, ref)
	if errors.Is(err, fs.ErrNotExist) {
		return "none"
	}
	Must(t, err)
	problems, err := artifacts.Verify(context.Background(), s, kind, ref)
	Must(t, err)
	for _, p := range problems {
		t.Errorf("a manifest that lies: %v", p)
	}
	return match(t, s, keys.Set(kind, ref), m, contents)
}

// MirrorState is SetState for a mirror.
func MirrorState(t testing.TB, s artifacts.Store, kind, branch string, contents map[string]Files) string {
	t.Helper()
	var m artifacts.Manifest
	err := artifacts.GetJSON(context.Background(), s, keys.MirrorManifest(kind, branch), &m)
	if errors.Is(err, fs.ErrNotExist) {
		return "none"
	}
	Must(t, err)
	return match(t, s, keys.Mirror(kind, branch), m, contents)
}

func match(t testing.TB, s artifacts.Store, prefix string, m artifacts.Manifest, contents map[string]Files) string {
	t.Helper()
	got := Files{}
	for _, f := range m.Files {
		r, err := openVersion(s, prefix+"/"+f.Path, f.VersionID)
		Must(t, err)
		b, err := io.ReadAll(r)
		Must(t, err)
		r.Close()
		got[f.Path] = string(b)
	}
	for name, want := range contents {
		if maps.Equal(got, want) {
			return name
		}
	}
	t.Errorf("%s is a mixture: %v", prefix, slices.Sorted(maps.Keys(got)))
	return "mixture"
}

func openVersion(s artifacts.Store, key, version string) (io.ReadCloser, error) {
	if v, ok := s.(artifacts.Versioned); ok {
		return v.GetVersion(context.Background(), key, version, 0)
	}
	return s.Get(context.Background(), key)
}

package artifacts_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/artifacts/lease"
)

// bucket is an S3 in memory with conditional writes, which answers a request when serve says so.
type bucket struct {
	mu        sync.Mutex
	versioned bool
	free      bool // answers at once
	objects   map[string]stored
	versions  map[string]stored // by key and version
	count     int
	requests  []*request
	crashed   map[string]bool
	numbers   map[string]int // of requests that are alike

	// How the protocol is broken.
	openLocks, alwaysAsSeen, alwaysNew, hideVersions bool
	ignoreTag                                        string // suffix of keys
	drop                                             string // requests that are confirmed and not carried out
}

type stored struct {
	body    string
	tag     string
	version string
}

// request is one in progress. Its id names it in every order: publisher, operation, key, number.
type request struct {
	id     string
	do     func()
	err    error
	served chan struct{}
}

func newBucket(versioned bool) *bucket {
	return &bucket{
		versioned: versioned, objects: map[string]stored{}, versions: map[string]stored{}, crashed: map[string]bool{},
		numbers: map[string]int{},
	}
}

func (b *bucket) breakBy(how func(*bucket)) {
	if how != nil {
		how(b)
	}
}

func (b *bucket) waiting() (ids []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.requests {
		ids = append(ids, r.id)
	}
	return ids
}

// serve carries out a request and answers it.
func (b *bucket) serve(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.IndexFunc(b.requests, func(r *request) bool { return r.id == id })
	r := b.requests[i]
	b.requests = slices.Delete(b.requests, i, i+1)
	r.do()
	close(r.served)
}

// crash ends what a publisher has in progress, and whatever it sends.
func (b *bucket) crash(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.crashed[name] = true
	for _, r := range b.requests {
		if strings.HasPrefix(r.id, name+" ") {
			r.err = errKilled
			close(r.served)
		}
	}
	b.requests = slices.DeleteFunc(b.requests, func(r *request) bool { return r.err != nil })
}

var errKilled = errors.New("killed")

func (b *bucket) has(key string) bool { _, ok := b.objects[key]; return ok }

func (b *bucket) text(key string) string { return b.objects[key].body }

// keys returns the objects that there are, without locks and records that say nothing.
func (b *bucket) keys() []string {
	all := slices.Sorted(maps.Keys(b.objects))
	return slices.DeleteFunc(all, func(key string) bool { return strings.HasPrefix(key, "locks/") })
}

// content returns which of the contents a manifest describes, as a reader finds it. "" is none.
func (b *bucket) content(manifest, prefix string) (name, problem string) {
	o, ok := b.objects[manifest]
	if !ok {
		return "", ""
	}
	var m artifacts.Manifest
	if err := json.Unmarshal([]byte(o.body), &m); err != nil {
		return "", err.Error()
	}
	found := map[string]string{}
	for _, f := range m.Files {
		object := b.objects[prefix+"/"+f.Path]
		if f.VersionID != "" {
			object = b.versions[prefix+"/"+f.Path+" "+f.VersionID]
		}
		if sum := sha256.Sum256([]byte(object.body)); hex.EncodeToString(sum[:]) != f.SHA256 {
			return "", fmt.Sprintf("a mixture: %s names %s, and there is %q", manifest, f.Path, object.body)
		}
		found[f.Path] = object.body
	}
	for name, files := range modelContents {
		if maps.Equal(found, files) {
			return name, ""
		}
	}
	return "", fmt.Sprintf("a mixture: %v", found)
}

// client is a publisher's store.
type client struct {
	*bucket
	name string
}

func (b *bucket) client(name string) *client { return &client{b, name} }

func (c *client) request(ctx context.Context, op, key string, do func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r := &request{served: make(chan struct{})}
	r.do = func() { r.err = do() }
	c.mu.Lock()
	switch {
	case c.crashed[c.name]:
		c.mu.Unlock()
		return errKilled
	case c.free:
		r.do()
		c.mu.Unlock()
		return r.err
	}
	alike := c.name + " " + op + " " + key
	c.numbers[alike]++
	r.id = alike + " " + strconv.Itoa(c.numbers[alike])
	c.requests = append(c.requests, r)
	c.mu.Unlock()
	select {
	case <-r.served:
		return r.err
	case <-ctx.Done():
		c.mu.Lock()
		c.bucket.requests = slices.DeleteFunc(c.bucket.requests, func(other *request) bool { return other == r })
		c.mu.Unlock()
		return ctx.Err()
	}
}

// Put implements artifacts.Store.
func (c *client) Put(ctx context.Context, o artifacts.Object) (version string, err error) {
	body, err := io.ReadAll(o.Body)
	if err != nil {
		return "", err
	}
	err = c.request(ctx, "put", o.Key, func() error {
		version, _, err = c.store(o.Key, string(body), nil)
		return err
	})
	return version, err
}

// Swap implements artifacts.Swapper.
func (c *client) Swap(ctx context.Context, o artifacts.Object, tag string) (newTag string, err error) {
	body, err := io.ReadAll(o.Body)
	if err != nil {
		return "", err
	}
	err = c.request(ctx, "put", o.Key, func() error {
		_, newTag, err = c.store(o.Key, string(body), &tag)
		return err
	})
	return newTag, err
}

func (b *bucket) store(key, body string, tag *string) (version, newTag string, err error) {
	if b.drop == "put "+key {
		return "", "", nil
	}
	ignored := b.ignoreTag != "" && strings.HasSuffix(key, b.ignoreTag)
	if tag != nil && b.objects[key].tag != *tag && !ignored {
		return "", "", fs.ErrExist
	}
	b.count++
	o := stored{body: body, tag: strconv.Itoa(b.count)}
	if b.versioned {
		o.version = "v" + o.tag
		b.versions[key+" "+o.version] = o
	}
	b.objects[key] = o
	if b.hideVersions {
		return "", o.tag, nil
	}
	return o.version, o.tag, nil
}

// Load implements artifacts.Swapper.
func (c *client) Load(ctx context.Context, key string) (body []byte, tag string, err error) {
	err = c.request(ctx, "load", key, func() error {
		o, ok := c.objects[key]
		if !ok {
			return fs.ErrNotExist
		}
		body, tag = []byte(o.body), o.tag
		return nil
	})
	return body, tag, err
}

// Get implements artifacts.Store.
func (c *client) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	var o stored
	err := c.request(ctx, "get", key, func() error {
		var ok bool
		if o, ok = c.objects[key]; !ok {
			return fs.ErrNotExist
		}
		return nil
	})
	return io.NopCloser(bytes.NewReader([]byte(o.body))), err
}

// Delete implements artifacts.Store.
func (c *client) Delete(ctx context.Context, names ...string) error {
	for _, key := range names {
		err := c.request(ctx, "delete", key, func() error {
			if c.drop != "delete "+key {
				delete(c.objects, key)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Lock implements artifacts.Locker.
func (c *client) Lock(ctx context.Context, name string) (context.Context, func(), error) {
	held, release, _, err := memoryLock{c, name, nil}.Lock(ctx, true)
	return held, release, err
}

// Look implements artifacts.Looker.
func (c *client) Look(ctx context.Context, name string) (artifacts.SeenLock, error) {
	seen, err := lease.Look(ctx, c, keys.PublishLock(name))
	return memoryLock{c, name, seen}, err
}

type memoryLock struct {
	*client
	name string
	seen *lease.Seen
}

func (l memoryLock) New() bool { return l.alwaysNew || l.seen.New() }

func (l memoryLock) Lock(ctx context.Context, wait bool) (context.Context, func(), bool, error) {
	if l.openLocks {
		return ctx, func() {}, true, nil
	}
	r := lease.Request{Key: keys.PublishLock(l.name), TTL: 20 * time.Second, Poll: 200 * time.Millisecond, Seen: l.seen}
	if wait {
		r.Wait = time.Hour
	}
	held, err := lease.Acquire(ctx, l.client, r)
	if err != nil {
		return nil, nil, false, err
	}
	release := func() { _ = held.Release(context.WithoutCancel(ctx)) }
	return held.Context(), release, l.alwaysAsSeen || held.AsSeen(), nil
}

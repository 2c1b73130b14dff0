package cache

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
	"math"
	"os"
	"slices"
	"sort"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
)

// Objects are what a tool keeps under names of its own choice, such as the hashes of turbo. As with entries, a branch
// reads its own and the main branch's, writes its own, and what is damaged is absent. An object is stored behind a line
// with its name and its checksum.
type Objects struct {
	Store        Store
	Tool         string
	Branch, Main string // see Cache
	Compress     bool   // the tool does not compress them itself
	// Temp returns a new temporary file, which is closed when it is no longer needed.
	Temp func() (*os.File, error)
	// Inspect returns what of an object holds a secret, "" if nothing does; nil: nothing is looked for.
	Inspect func(ctx context.Context, name string, file *os.File) (where string, err error)

	mu    sync.Mutex
	known map[string]bool // keys that exist; nil before they were listed
}

// Object is one that was read: a file at its beginning, and what was stored with it.
type Object struct {
	File *os.File
	Size int64
	Meta map[string]string
}

// objectHeader is the line before an object.
type objectHeader struct {
	Version int               `json:"version"`
	Name    string            `json:"name"`
	SHA256  string            `json:"sha256"` // of the object, unpacked
	Size    int64             `json:"size"`   // unpacked
	Packed  bool              `json:"packed,omitempty"`
	Meta    map[string]string `json:"meta,omitempty"`
}

const maxHeader = 16 << 10 // bytes

// list finds out once which objects there are, so that a miss costs no request. Those that other runs store later are
// not seen.
func (o *Objects) list(ctx context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.known != nil {
		return nil
	}
	known := map[string]bool{}
	for _, branch := range o.branches() {
		for entry, err := range o.Store.List(ctx, keys.CacheObjects(branch, o.Tool)) {
			if err != nil {
				return err
			}
			known[entry.Key] = true
		}
	}
	o.known = known
	return nil
}

func (o *Objects) branches() []string {
	c := Cache{Branch: o.Branch, Main: o.Main}
	return c.branches()
}

func (o *Objects) key(branch, name string) string {
	return keys.CacheObject(branch, o.Tool, sha256.Sum256([]byte(name)))
}

func (o *Objects) has(key string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.known[key]
}

func (o *Objects) note(key string, exists bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.known != nil {
		o.known[key] = exists
	}
}

// Get returns an object. The error is fs.ErrNotExist if there is none, a *DamagedError, or the store's or the disk's.
func (o *Objects) Get(ctx context.Context, name string) (*Object, error) {
	if err := o.list(ctx); err != nil {
		return nil, err
	}
	var damage error
	for _, branch := range o.branches() {
		key := o.key(branch, name)
		if !o.has(key) {
			continue
		}
		object, err := o.read(ctx, key, name)
		switch {
		case err == nil:
			return object, nil
		case isDamaged(err):
			o.note(key, false)
			damage = err
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
	}
	if damage != nil {
		return nil, damage
	}
	return nil, fs.ErrNotExist
}

// read reads an object into a temporary file and verifies it.
func (o *Objects) read(ctx context.Context, key, name string) (object *Object, err error) {
	damaged := func(reason string) error { return &DamagedError{key, reason} }
	r, err := o.Store.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	header, body, err := readHeader(r)
	if err != nil {
		return nil, damaged(err.Error())
	}
	if header.Name != name {
		return nil, damaged("it is another object")
	}
	if header.Packed {
		unpacked, err := zstd.NewReader(body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, damaged(err.Error())
		}
		defer unpacked.Close()
		body = unpacked
	}
	file, err := o.Temp()
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			file.Close()
		}
	}()
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(file, sum), io.LimitReader(body, header.Size+1))
	var disk *fs.PathError
	switch {
	case errors.As(err, &disk), artifacts.ContextError(ctx) != nil:
		return nil, errors.Join(artifacts.ContextError(ctx), err)
	case err != nil:
		return nil, damaged(err.Error())
	case n != header.Size || hex.EncodeToString(sum.Sum(nil)) != header.SHA256:
		return nil, damaged("it is not what was stored")
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return &Object{file, header.Size, header.Meta}, nil
}

// readHeader reads the line before an object, and returns a reader of the object.
func readHeader(r io.Reader) (h objectHeader, body io.Reader, err error) {
	head := make([]byte, maxHeader)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return h, nil, err
	}
	line, rest, found := bytes.Cut(head[:n], []byte("\n"))
	if !found {
		return h, nil, errors.New("it has no header")
	}
	if err := json.Unmarshal(line, &h); err != nil {
		return h, nil, err
	}
	if h.Version != 1 || h.Size < 0 {
		return h, nil, errors.New("its header is not of this version")
	}
	return h, io.MultiReader(bytes.NewReader(rest), r), nil
}

// Put stores an object, unless there is one of the name: those of the main branch are not stored a second time. The
// error is a *SecretError, ErrReadOnly, fs.ErrExist, or that of the store or the disk.
func (o *Objects) Put(ctx context.Context, name string, meta map[string]string, file *os.File) (err error) {
	if o.Branch == "" {
		return ErrReadOnly
	}
	if err := o.list(ctx); err != nil {
		return err
	}
	if slices.ContainsFunc(o.branches(), func(branch string) bool { return o.has(o.key(branch, name)) }) {
		return fs.ErrExist
	}
	if o.Inspect != nil {
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return err
		}
		where, err := o.Inspect(ctx, name, file)
		if err != nil {
			return err
		}
		if where != "" {
			return &SecretError{name, where}
		}
	}
	header := objectHeader{Version: 1, Name: name, Packed: o.Compress, Meta: meta}
	body, size, err := o.pack(file, &header)
	if err != nil {
		return err
	}
	if body != file {
		defer body.Close()
	}
	line, err := json.Marshal(header)
	if err != nil {
		return err
	}
	if line = append(line, '\n'); len(line) > maxHeader {
		return fmt.Errorf("the name and the properties of an object have more than %d bytes", maxHeader)
	}
	key := o.key(o.Branch, name)
	_, err = o.Store.Put(ctx, artifacts.Object{
		Key: key, Body: &framed{head: line, file: body, size: size}, Size: int64(len(line)) + size,
	})
	if err == nil {
		o.note(key, true)
	}
	return err
}

// pack completes the header, and returns the file that is stored, with its size.
func (o *Objects) pack(file *os.File, header *objectHeader) (body *os.File, size int64, err error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, 0, err
	}
	sum := sha256.New()
	if !o.Compress {
		header.Size, err = io.Copy(sum, file)
		header.SHA256 = hex.EncodeToString(sum.Sum(nil))
		return file, header.Size, err
	}
	packed, err := o.Temp()
	if err != nil {
		return nil, 0, err
	}
	encoder, err := zstd.NewWriter(packed, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithWindowSize(1<<20), zstd.WithLowerEncoderMem(true))
	if err == nil {
		header.Size, err = io.Copy(io.MultiWriter(encoder, sum), file)
		err = errors.Join(err, encoder.Close())
	}
	if err == nil {
		size, err = packed.Seek(0, io.SeekEnd)
	}
	if err != nil {
		packed.Close()
		return nil, 0, err
	}
	header.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return packed, size, nil
}

// framed is a file behind a head.
type framed struct {
	head []byte
	file *os.File
	size int64 // of the file
	at   int64
}

func (f *framed) Read(p []byte) (int, error) {
	head := int64(len(f.head))
	if f.at < head {
		n := copy(p, f.head[f.at:])
		f.at += int64(n)
		return n, nil
	}
	n, err := f.file.ReadAt(p[:min(int64(len(p)), max(0, head+f.size-f.at))], f.at-head)
	f.at += int64(n)
	if n > 0 {
		return n, nil
	}
	if f.at == head+f.size {
		err = io.EOF
	}
	return n, err
}

func (f *framed) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
		f.at = offset
	case io.SeekCurrent:
		f.at += offset
	case io.SeekEnd:
		f.at = int64(len(f.head)) + f.size + offset
	}
	return f.at, nil
}

// Clear removes all objects of the branch.
func (o *Objects) Clear(ctx context.Context) (Pruned, error) { return o.prune(ctx, 0) }

// Prune removes objects of the branch, the oldest first, until they have at most limit bytes; 0 means without
// limit.
func (o *Objects) Prune(ctx context.Context, limit int64) (Pruned, error) {
	if limit <= 0 {
		limit = math.MaxInt64
	}
	return o.prune(ctx, limit)
}

func (o *Objects) prune(ctx context.Context, limit int64) (Pruned, error) {
	var p Pruned
	if o.Branch == "" {
		return p, ErrReadOnly
	}
	var all []artifacts.Entry
	for e, err := range o.Store.List(ctx, keys.CacheObjects(o.Branch, o.Tool)) {
		if err != nil {
			return p, err
		}
		all = append(all, e)
		p.Kept += e.Size
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Modified.Before(all[j].Modified) })
	var gone []string
	for _, e := range all {
		if p.Kept <= limit {
			break
		}
		gone = append(gone, e.Key)
		p.Entries++
		p.Bytes, p.Kept = p.Bytes+e.Size, p.Kept-e.Size
	}
	return p, o.Store.Delete(ctx, gone...)
}

package artifacts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"sync"

	"github.com/carlin-cicd/runner/artifacts/keys"
)

// Problem is a file of a set that does not match its manifest.
type Problem struct {
	Path string
	Err  *CorruptError
}

func (p Problem) String() string { return p.Err.Error() }

// Verify reads a whole set and returns the files that do not match its manifest, sorted by path. The error is for a
// set that could not be read, and fs.ErrNotExist if there is none.
func Verify(ctx context.Context, s Store, kind string, ref Ref) ([]Problem, error) {
	m, err := ReadManifest(ctx, s, kind, ref)
	if err != nil {
		return nil, fmt.Errorf("verify %s: %w", keys.Set(kind, ref), err)
	}
	var mu sync.Mutex
	found := map[string]*CorruptError{}
	meterOf(ctx).addTotal(len(m.Files), m.Bytes())
	parallel, _, _ := concurrency(s)
	err = forEach(ctx, parallel, len(m.Files), func(ctx context.Context, i int) error {
		err := verifyFile(ctx, s, m, m.Files[i], nil)
		var corrupt *CorruptError
		if errors.As(err, &corrupt) {
			mu.Lock()
			defer mu.Unlock()
			found[m.Files[i].Path] = corrupt
			return nil
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("verify %s: %w", keys.Set(kind, ref), err)
	}
	var problems []Problem
	for _, f := range m.Files {
		if e := found[f.Path]; e != nil {
			problems = append(problems, Problem{f.Path, e})
		}
	}
	return problems, nil
}

// verifyFile reads a stored file, and writes it to disk unless that is nil. The error is a *CorruptError if the file
// does not match the manifest.
func verifyFile(ctx context.Context, s Store, m Manifest, f File, disk *stagedFile) error {
	hash := sha256.New()
	var to io.Writer = hash
	n := int64(0)
	if disk != nil {
		if err := disk.resume(hash, f.Size); err != nil {
			return err
		}
		to, n = io.MultiWriter(hash, disk), disk.resumed
	}
	meter := meterOf(ctx)
	meter.addBytes(n)
	if n < f.Size || f.Size == 0 {
		r, err := openObject(ctx, s, keys.Set(m.Kind, m.Ref())+"/"+f.Path, f.VersionID, n)
		if errors.Is(err, fs.ErrNotExist) {
			// Not wrapped: fs.ErrNotExist means that the set does not exist.
			return &CorruptError{f.Path, f.SHA256, "nothing"}
		}
		if err != nil {
			return err
		}
		defer r.Close()
		// One byte more than expected shows that the object is too long.
		arrived, err := io.Copy(io.MultiWriter(to, meter), io.LimitReader(contextReader{ctx, r}, f.Size-n+1))
		if err != nil {
			return err
		}
		n += arrived
	}
	if n > f.Size {
		return &CorruptError{f.Path, fmt.Sprintf("%d bytes", f.Size), "more"}
	}
	if n < f.Size {
		return &CorruptError{f.Path, fmt.Sprintf("%d bytes", f.Size), strconv.FormatInt(n, 10)}
	}
	if sum := hex.EncodeToString(hash.Sum(nil)); sum != f.SHA256 {
		return &CorruptError{f.Path, f.SHA256, sum}
	}
	meter.addFile()
	return nil
}

// contextReader ends with the context.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := ContextError(c.ctx); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// openObject reads an object from an offset on. If the version does not exist, the set was copied from another bucket:
// the checksum tells whether the newest object is the right one.
func openObject(ctx context.Context, s Store, key, version string, offset int64) (io.ReadCloser, error) {
	v, ok := s.(Versioned)
	if !ok {
		r, err := s.Get(ctx, key)
		if err != nil {
			return nil, err
		}
		if _, err := io.CopyN(io.Discard, r, offset); err != nil && err != io.EOF {
			r.Close()
			return nil, err
		}
		return r, nil
	}
	r, err := v.GetVersion(ctx, key, version, offset)
	if version != "" && errors.Is(err, fs.ErrNotExist) {
		r, err = v.GetVersion(ctx, key, "", offset)
	}
	return r, err
}

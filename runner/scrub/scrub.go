// Package scrub keeps secrets out of the files that a run publishes. Text is rewritten without them. A file that
// a replacement would damage is withheld: an archive, text in UTF-16, binary data, and a file whose name holds a
// secret.
package scrub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"sync"
	"syscall"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/redact"
)

// Folder is the files to look through.
type Folder struct {
	Dir      string
	Within   string                 // the folder that Dir must not leave by a link; "" for its parent
	Exclude  func(path string) bool // reports files and folders to leave out, by their slash-separated path in Dir; nil: none
	Redactor *redact.Redactor
	Temp     string // the end of the names of temporary files, of this run alone
}

// Finding is a file that holds a secret.
type Finding struct {
	Path     string // slash-separated, in the folder: a name that may hold a secret itself
	Withheld bool   // it must not be published; else it was rewritten, or left by Report
	Where    string // what holds the secret: "text", "name", "archive", "UTF-16 text", "binary data"; or "archive that is …"
}

// reportLimit is the size in bytes from which Report does not look through a file: a warning is not worth the time.
const reportLimit = 32 << 20

// Report finds the files that hold a secret and changes nothing. It looks neither into archives nor at large files.
func (f Folder) Report(ctx context.Context) ([]Finding, error) {
	return f.walk(ctx, func(root *os.Root, name string, size int64) (*Finding, error) {
		if f.Redactor.String(name) != name {
			return &Finding{Path: name, Where: "name"}, nil
		}
		if size > reportLimit {
			return nil, nil
		}
		file, err := root.Open(name)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		if found, err := f.Redactor.FoundIn(&boundReader{ctx: ctx, from: file}); err != nil || !found {
			return nil, err
		}
		return &Finding{Path: name, Where: "text"}, nil
	})
}

// Scrub rewrites the text files that hold a secret, and returns them with those that must not be published.
func (f Folder) Scrub(ctx context.Context) ([]Finding, error) {
	return f.walk(ctx, func(root *os.Root, name string, _ int64) (*Finding, error) {
		where, err := f.inspect(ctx, root, name)
		if err != nil || where == "" {
			return nil, err
		}
		finding := &Finding{Path: name, Where: where, Withheld: where != "text"}
		if !finding.Withheld {
			err = f.rewrite(root, name)
		}
		return finding, err
	})
}

// walk calls look for each regular file and collects what it finds. A folder that does not exist has none.
func (f Folder) walk(
	ctx context.Context,
	look func(root *os.Root, name string, size int64) (*Finding, error),
) ([]Finding, error) {
	root, err := artifacts.OpenFolder(f.Dir, f.Within, false)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var findings []Finding
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return err
		case name != "." && f.Exclude != nil && f.Exclude(name):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case !d.Type().IsRegular():
			return nil // a link within the folder points to a file that is visited itself
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		finding, err := look(root, name, info.Size())
		if finding != nil {
			findings = append(findings, *finding)
		}
		return err
	})
	return findings, err
}

// inspect returns what of a file holds a secret, "" if nothing does.
func (f Folder) inspect(ctx context.Context, root *os.Root, name string) (where string, err error) {
	file, err := root.Open(name)
	if err != nil {
		return "", err
	}
	defer file.Close()
	return f.Inspect(ctx, name, file)
}

// smallFile is the size in bytes below which a file is searched in one piece: a folder of a project has thousands of them.
const smallFile = 64 << 10

var smallFiles = sync.Pool{New: func() any { return new([smallFile]byte) }}

// Inspect returns what of one file holds a secret, "" if nothing does: see Finding.Where. The file is at its beginning;
// without one it is the name only that is looked at.
func (f Folder) Inspect(ctx context.Context, name string, file *os.File) (where string, err error) {
	if f.Redactor.String(name) != name {
		return "name", nil
	}
	if file == nil {
		return "", nil
	}
	buffer := smallFiles.Get().(*[smallFile]byte)
	defer smallFiles.Put(buffer)
	n, err := io.ReadFull(file, buffer[:])
	whole := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	if err != nil && !whole {
		return "", err
	}
	head := buffer[:n]
	kind := kindOf(head[:min(n, sniffLength)])
	if whole && (kind == text || kind == binaryData) {
		if f.Redactor.Contains(head) {
			return kind.String(), nil
		}
		return "", nil
	}
	found, err := f.Redactor.FoundIn(&boundReader{ctx: ctx, from: io.MultiReader(bytes.NewReader(head), file)})
	if err == nil && !found && kind != text && kind != binaryData {
		found, err = f.lookInside(ctx, file)
	}
	if errors.Is(err, errTooLarge) {
		return kind.String() + " that is too large to look into", nil
	}
	if err != nil || !found {
		return "", err
	}
	return kind.String(), nil
}

// rewrite replaces a file by one without secrets, under the same name and with the same mode.
func (f Folder) rewrite(root *os.Root, name string) (err error) {
	from, err := root.Open(name)
	if err != nil {
		return err
	}
	defer from.Close()
	info, err := from.Stat()
	if err != nil {
		return err
	}
	temp := path.Join(path.Dir(name), "."+path.Base(name)+"."+f.Temp)
	to, err := root.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, info.Mode().Perm())
	if err != nil {
		return fmt.Errorf("%s holds a secret and cannot be rewritten: %w", name, err)
	}
	defer func() {
		if err = errors.Join(err, to.Close()); err != nil {
			err = errors.Join(err, root.Remove(temp))
			return
		}
		err = root.Rename(temp, name)
	}()
	w := f.Redactor.Writer(to)
	if _, err := io.Copy(w, from); err != nil {
		return err
	}
	return w.Close()
}

// boundReader ends with its context, and where a limit is set, after that many bytes.
type boundReader struct {
	ctx   context.Context
	from  io.Reader
	limit *int64 // bytes left; nil: any number
}

var errTooLarge = errors.New("there is too much in it to be looked through")

func (b *boundReader) Read(p []byte) (int, error) {
	if b.ctx.Err() != nil {
		return 0, context.Cause(b.ctx)
	}
	if b.limit == nil {
		return b.from.Read(p)
	}
	if *b.limit <= 0 {
		return 0, errTooLarge
	}
	n, err := b.from.Read(p[:min(int64(len(p)), *b.limit)])
	*b.limit -= int64(n)
	return n, err
}

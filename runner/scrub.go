package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/steps"
)

// scrub looks for secrets in the files of a set before it is published. Files of reports are rewritten without them; a
// build that others will run is left as it is, since what is found may be meant to be there, and the log says so.
func (r *run) scrub(ctx context.Context, set artifacts.Set, a steps.Artifact) error {
	if info, err := os.Stat(set.Dir); err != nil || !info.IsDir() {
		return nil // publishing says so
	}
	if a.Redacts() && r.Redactor.MasksExceeded() {
		return errors.New("it may hold values that are not masked, since the command masked too many")
	}
	root, err := os.OpenRoot(set.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	buffer := make([]byte, 64<<10)
	return fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return err
		case set.Exclude != nil && set.Exclude(name) && d.IsDir():
			return fs.SkipDir
		case !d.Type().IsRegular():
			return nil // a link within the folder is to a file that is met as itself
		}
		if info, err := d.Info(); !a.Redacts() && (err != nil || info.Size() > largeBuild) {
			return nil
		}
		found, err := r.holdsSecret(ctx, root, name, buffer)
		if err != nil || !found {
			return err
		}
		if !a.Redacts() {
			r.Log.Warn("a file that is published holds a secret", "artifact", a.Name, "path", name, "hint", "if it is not meant to be there, change the secret; redact: true in runner.yaml has such files rewritten")
			return nil
		}
		r.Log.Warn("a file held a secret, and is published without it", "artifact", a.Name, "path", name)
		return r.rewrite(root, name)
	})
}

// largeBuild is the size in bytes from which a file of a build is not looked through: a warning is not worth the time.
const largeBuild = 32 << 20

// holdsSecret reads a file until what is read and what is left of it by the redactor differ.
func (r *run) holdsSecret(ctx context.Context, root *os.Root, name string, buffer []byte) (bool, error) {
	f, err := root.Open(name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	same := &comparison{}
	w := r.Redactor.Writer(same)
	for {
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		n, err := f.Read(buffer)
		same.expect(buffer[:n])
		if _, err := w.Write(buffer[:n]); errors.Is(err, errDiffers) {
			return true, nil
		} else if err != nil {
			return false, err
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return false, err
		}
	}
	if err := w.Close(); errors.Is(err, errDiffers) {
		return true, nil
	} else if err != nil {
		return false, err
	}
	return same.expected.Len() > 0, nil
}

var errDiffers = errors.New("something was redacted")

// comparison is a writer that ends at the first byte that is not the expected one.
type comparison struct{ expected bytes.Buffer }

func (c *comparison) expect(p []byte) { c.expected.Write(p) }

func (c *comparison) Write(p []byte) (int, error) {
	if !bytes.Equal(c.expected.Next(len(p)), p) {
		return 0, errDiffers
	}
	return len(p), nil
}

// rewrite replaces a file by one without secrets, under the same name and with the same mode.
func (r *run) rewrite(root *os.Root, name string) (err error) {
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	temp := path.Join(path.Dir(name), "."+path.Base(name)+"."+r.ID)
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
	w := r.Redactor.Writer(to)
	if _, err := io.Copy(w, f); err != nil {
		return err
	}
	return w.Close()
}

package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	_ "image/gif" // whose size is looked at
	_ "image/jpeg"
	_ "image/png"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/scratch"
	"github.com/carlin-cicd/runner/runner/scrub"
	"github.com/carlin-cicd/runner/steps/attachments"
	"github.com/carlin-cicd/runner/steps/results"
)

// Files of failed tests are stored beside the report that shows them: attachments/<number>-<name>.<kind>. They come from
// the command, which may name anything and put anything there:
//
//   - Nothing outside of the workspace is read, also not by a link.
//   - A file is what its content is. Its name in the store ends accordingly, and what a browser would run is refused.
//   - Text is stored without secrets. What else holds one, or an archive that cannot be looked through, is refused.
//   - Numbers and sizes are bounded. What is refused is on record with the reason.
const (
	maxAttachments       = 100 // files of a run
	maxAttachmentsOfTest = 12
	maxAttachment        = 16 << 20 // bytes of a file
	maxAttachmentText    = 1 << 20
	maxAttachmentsSize   = 64 << 20 // bytes of all
	maxPixels            = 50 << 20
	maxRefused           = 50 // that are on record
)

// refusal says why a file is not stored.
type refusal string

func (r refusal) Error() string { return string(r) }

// storeAttachments stores the files of tests that failed, before a rerun replaces them.
func (r *run) storeAttachments() {
	tests := r.verdict.Tests
	if tests == nil || r.Store == nil || r.Stop.Work.Err() != nil || r.Redactor.MasksExceeded() {
		return
	}
	cases := slices.Concat(tests.Failures, tests.FlakyCases, tests.QuarantinedCases)
	if len(cases) == 0 {
		return
	}
	found := attachments.Find(attachments.Options{
		Workspace: r.Config.Workspace, Directory: filepath.ToSlash(filepath.Clean(r.step.Directory)), Since: r.result.Started, Cases: cases,
	})
	if len(found) == 0 {
		return
	}
	_ = r.timed("attachments", func() error {
		ctx, cancel := r.Stop.PublishContext()
		defer cancel()
		r.attachments = r.storeFound(ctx, found, cases)
		return nil // what could not be stored is on record
	})
}

// storeFound stores files within the bounds.
func (r *run) storeFound(ctx context.Context, found []attachments.Found, cases []results.Case) (all []record.Attachment) {
	root, err := os.OpenRoot(r.Config.Workspace)
	if err != nil {
		return nil
	}
	defer root.Close()
	groups, ofTest := map[string]int{}, map[string]int{}
	stored, refused, total := 0, 0, int64(0)
	for _, f := range found {
		a := record.Attachment{Test: f.Test, Name: f.Name, Source: f.Path, Role: string(f.Role)}
		if f.Role != "" {
			if groups[f.Group] == 0 {
				groups[f.Group] = len(groups) + 1
			}
			a.Group = groups[f.Group]
		}
		err := error(refusal(f.Problem))
		switch {
		case f.Problem != "":
		case stored >= maxAttachments:
			err = refusal(fmt.Sprintf("the run has more than %d", maxAttachments))
		case ofTest[f.Test] >= maxAttachmentsOfTest && f.Test != "":
			err = refusal(fmt.Sprintf("the test has more than %d", maxAttachmentsOfTest))
		default:
			err = r.storeAttachment(ctx, root, &a, stored+1, maxAttachmentsSize-total)
		}
		if err != nil {
			if refused++; refused <= maxRefused {
				a.File, a.Refused = "", err.Error()
				r.Log.Warn("a file of a test is not stored", "test", nameOf(f.Test, cases), "file", f.Path, "error", err.Error())
				all = append(all, a)
			}
			continue
		}
		stored++
		ofTest[f.Test]++
		total += a.Bytes
		all = append(all, a)
	}
	if over := refused - maxRefused; over > 0 {
		r.Log.Warn("more files of tests are not stored", "count", over)
	}
	r.Log.Info("stored files of failed tests", "files", stored, "bytes", total)
	return all
}

func nameOf(id string, cases []results.Case) string {
	if i := slices.IndexFunc(cases, func(c results.Case) bool { return c.ID == id }); i >= 0 && id != "" {
		return cases[i].Name
	}
	return ""
}

// storeAttachment stores a file as the nth, if it has room. It completes its record. What is looked at and what is
// stored is a copy: the file may change.
func (r *run) storeAttachment(ctx context.Context, root *os.Root, a *record.Attachment, n int, room int64) error {
	from, size, err := openAttachment(root, a.Source)
	if err != nil {
		return err
	}
	defer from.Close()
	if size > min(maxAttachment, room) {
		return refusal("it is too large, or the others have left no room for it")
	}
	copied, err := scratch.File()
	if err != nil {
		return err
	}
	defer scratch.Remove(copied)
	head := make([]byte, 512)
	read, err := io.ReadFull(from, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return refusal("it is empty, or cannot be read")
	}
	head = head[:read]
	ending, kind := contentOf(head)
	rest := io.MultiReader(bytes.NewReader(head), io.LimitReader(from, size-int64(read)))
	switch kind {
	case "":
		return refusal("its content is none that is stored: an image, a video, text or a zip file")
	case record.TextFile:
		err = r.copyText(copied, rest, size)
	default:
		_, err = io.Copy(copied, rest)
	}
	if err != nil {
		return err
	}
	if err := r.inspect(ctx, a.Source, copied); err != nil {
		return err
	}
	if kind == record.ImageFile {
		if err := measure(copied, a); err != nil {
			return err
		}
	}
	end, err := copied.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = copied.Seek(0, io.SeekStart)
	}
	if err != nil {
		return err
	}
	a.Kind, a.Bytes = kind, end
	a.File = fmt.Sprintf("attachments/%03d-%s%s", n, fileName(a.Source), ending)
	_, err = r.Store.Put(ctx, artifacts.Object{
		Key: r.runKey() + "/" + a.File, Body: copied, Size: end, Type: artifacts.MediaType(a.File), Mode: 0o644, Batch: true,
	})
	if err != nil {
		r.Log.Warn("a file of a test could not be stored", "file", a.Source, "error", err.Error(), "hint", outcome.Hint(err))
		return refusal("the store did not take it")
	}
	return nil
}

// openAttachment opens a regular file of the workspace without waiting for the writer of a pipe.
func openAttachment(root *os.Root, name string) (*os.File, int64, error) {
	file, err := root.OpenFile(filepath.FromSlash(name), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, 0, refusal("it does not exist")
		}
		return nil, 0, refusal("it cannot be read, or leads out of the workspace")
	}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		file.Close()
		return nil, 0, refusal("it is not a file")
	}
	return file, info.Size(), nil
}

// contentOf returns what a file is by its first bytes, "" for what is not stored, and how its name is to end.
func contentOf(head []byte) (ending string, kind record.AttachmentKind) {
	switch media := http.DetectContentType(head); {
	case media == "image/png":
		return ".png", record.ImageFile
	case media == "image/jpeg":
		return ".jpg", record.ImageFile
	case media == "image/gif":
		return ".gif", record.ImageFile
	case media == "video/mp4":
		return ".mp4", record.VideoFile
	case media == "video/webm":
		return ".webm", record.VideoFile
	case media == "application/zip":
		return ".zip", record.ArchiveFile
	case media == "text/plain; charset=utf-8" && isPlain(head):
		return ".txt", record.TextFile
	}
	return "", ""
}

// isPlain reports whether text is nothing that a browser could take for a page or a drawing, whatever it is served as.
func isPlain(head []byte) bool {
	for len(head) > 0 && !utf8.FullRune(head[max(0, len(head)-utf8.UTFMax):]) {
		head = head[:len(head)-1]
	}
	text := strings.ToLower(strings.TrimSpace(strings.TrimPrefix(string(head), "\ufeff")))
	for _, active := range []string{"<svg", "<html", "<!doctype", "<script", "<?xml"} {
		if strings.Contains(text, active) {
			return false
		}
	}
	return !strings.HasPrefix(text, "<")
}

// copyText copies text without secrets.
func (r *run) copyText(to io.Writer, from io.Reader, size int64) error {
	if size > maxAttachmentText {
		return refusal("it is too large for text")
	}
	w := r.Redactor.Writer(to)
	if _, err := io.Copy(w, from); err != nil {
		return err
	}
	return w.Close()
}

// inspect refuses a file that holds a secret.
func (r *run) inspect(ctx context.Context, name string, file *os.File) error {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	where, err := scrub.Folder{Redactor: r.Redactor}.Inspect(ctx, name, file)
	if err != nil {
		return err
	}
	if where != "" {
		return refusal("it holds a secret: " + where)
	}
	return nil
}

// measure takes the size of an image, and refuses one that would fill a browser's memory.
func measure(file *os.File, a *record.Attachment) error {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	c, _, err := image.DecodeConfig(file)
	switch {
	case err != nil:
		return refusal("it is a damaged image")
	case c.Width <= 0 || c.Height <= 0 || c.Width > maxPixels/c.Height:
		return refusal(fmt.Sprintf("it is an image of %d × %d pixels", c.Width, c.Height))
	}
	a.Width, a.Height = c.Width, c.Height
	return nil
}

// fileName is the name of a file for a key: letters, digits, dots and dashes of the original one, without its ending.
func fileName(source string) string {
	const longest = 60
	name := strings.TrimSuffix(path.Base(source), path.Ext(source))
	name = strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '_':
			return c
		case c >= 'A' && c <= 'Z':
			return c
		}
		return '-'
	}, name)
	return name[:min(len(name), longest)]
}

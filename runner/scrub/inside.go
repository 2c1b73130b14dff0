package scrub

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Limits of what is looked for inside of a file. One that exceeds them is withheld.
const (
	insideLimit = 2 << 30  // bytes that archives unpack to
	zipLimit    = 64 << 20 // bytes of a zip file within an archive, which has to be in memory
	maxDepth    = 8        // archives within archives
	zstdWindow  = 32 << 20 // bytes that have to be in memory to unpack zstd
)

// inside looks into one file.
type inside struct {
	folder Folder
	ctx    context.Context
	left   int64 // bytes that may still be unpacked
}

// lookInside reports whether an archive, or text in UTF-16, holds a secret. What cannot be unpacked, because it
// is damaged or encrypted or only looks like an archive, has been searched as it is.
func (f Folder) lookInside(ctx context.Context, file *os.File) (bool, error) {
	info, err := file.Stat()
	if err != nil {
		return false, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return false, err
	}
	in := &inside{folder: f, ctx: ctx, left: insideLimit}
	head := make([]byte, sniffLength)
	n, _ := file.ReadAt(head, 0)
	if kindOf(head[:n]) == zipArchive {
		return in.result(in.zip(file, info.Size(), 0))
	}
	return in.result(in.stream(file, 0))
}

// result decides what an error means: that of the context, or that there is too much, ends the search; others are
// of the format.
func (in *inside) result(found bool, err error) (bool, error) {
	switch {
	case in.ctx.Err() != nil:
		return false, context.Cause(in.ctx)
	case errors.Is(err, errTooLarge):
		return false, err
	}
	return found, nil
}

// stream searches what from returns, which may be an archive itself. The error is that of from or of its format.
func (in *inside) stream(from io.Reader, depth int) (bool, error) {
	if depth > maxDepth {
		return false, errTooLarge
	}
	buffered := bufio.NewReaderSize(&boundReader{in.ctx, from, &in.left}, sniffLength)
	head, err := buffered.Peek(sniffLength)
	if err != nil && err != io.EOF {
		return false, err
	}
	switch kindOf(head) {
	case gzipArchive:
		unpacked, err := gzip.NewReader(buffered)
		if err != nil {
			return in.folder.Redactor.FoundIn(buffered)
		}
		defer unpacked.Close()
		if in.isSecret(unpacked.Name) || in.isSecret(unpacked.Comment) {
			return true, nil
		}
		return in.stream(unpacked, depth+1)
	case zstdArchive:
		unpacked, err := zstd.NewReader(
			buffered, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(zstdWindow),
		)
		if err != nil {
			return in.folder.Redactor.FoundIn(buffered)
		}
		defer unpacked.Close()
		found, err := in.stream(unpacked, depth+1)
		if errors.Is(err, zstd.ErrWindowSizeExceeded) {
			err = errTooLarge
		}
		return found, err
	case tarArchive:
		return in.tar(buffered, depth)
	case zipArchive:
		whole, err := io.ReadAll(io.LimitReader(buffered, zipLimit+1))
		if err != nil {
			return false, err
		}
		if len(whole) > zipLimit {
			return false, errTooLarge
		}
		return in.zip(bytes.NewReader(whole), int64(len(whole)), depth)
	case utf16Text:
		return in.folder.Redactor.FoundIn(newUTF16Reader(buffered))
	}
	return in.folder.Redactor.FoundIn(buffered)
}

func (in *inside) tar(from io.Reader, depth int) (bool, error) {
	archive := tar.NewReader(from)
	for {
		entry, err := archive.Next()
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		texts := append(slices.Collect(maps.Values(entry.PAXRecords)), entry.Name, entry.Linkname)
		if slices.ContainsFunc(texts, in.isSecret) {
			return true, nil
		}
		if found, err := in.stream(archive, depth+1); err != nil || found {
			return found, err
		}
	}
}

// zip searches all entries. One that cannot be unpacked does not hide the others.
func (in *inside) zip(from io.ReaderAt, size int64, depth int) (bool, error) {
	archive, err := zip.NewReader(from, size)
	if err != nil {
		return false, err
	}
	for _, entry := range archive.File {
		if in.isSecret(entry.Name) || in.isSecret(entry.Comment) {
			return true, nil
		}
		unpacked, err := entry.Open()
		if err != nil {
			continue
		}
		found, err := in.stream(unpacked, depth+1)
		unpacked.Close()
		if found || errors.Is(err, errTooLarge) || in.ctx.Err() != nil {
			return found, err
		}
	}
	return in.isSecret(archive.Comment), nil
}

func (in *inside) isSecret(name string) bool { return in.folder.Redactor.String(name) != name }

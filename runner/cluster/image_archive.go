package cluster

import (
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"github.com/carlin-cicd/runner/steps"
)

// archiveContext writes what docker build would read of a workspace, as a compressed archive with paths that are relative
// to the workspace: the context without what .dockerignore leaves out, and the Dockerfile. Times are left out, so that the
// same files are the same archive.
//
// It returns the files that usually hold secrets.
func archiveContext(w io.Writer, workspace string, image steps.ClusterImage) (private []string, err error) {
	dockerfile, folder := image.Files()
	ignored, err := readIgnored(workspace, dockerfile, folder)
	if err != nil {
		return nil, err
	}
	zipped := gzip.NewWriter(w)
	a := archive{zipped, workspace, map[string]bool{}}
	for _, name := range []string{dockerfile, dockerfile + ".dockerignore", path.Join(folder, ".dockerignore")} {
		if err := a.add(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	top := filepath.Join(workspace, filepath.FromSlash(folder))
	err = filepath.WalkDir(top, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || name == top {
			return err
		}
		inside, err := filepath.Rel(top, name)
		if err != nil {
			return err
		}
		inside = filepath.ToSlash(inside)
		out, err := ignored.MatchesOrParentMatches(inside)
		switch {
		case err != nil:
			return err
		case out && entry.IsDir() && !ignored.Exclusions():
			return fs.SkipDir
		case out:
			return nil
		}
		return a.add(path.Join(folder, inside))
	})
	for name := range a.has {
		if isPrivate(name) {
			private = append(private, name)
		}
	}
	slices.Sort(private)
	return private, errors.Join(err, a.end(), zipped.Close())
}

// isPrivate reports whether a file is one that usually holds tokens or passwords.
func isPrivate(name string) bool {
	switch base := path.Base(name); base {
	case ".env", ".npmrc", ".netrc", ".pypirc", ".git-credentials":
		return true
	case "config":
		return path.Base(path.Dir(name)) == ".git"
	default:
		return strings.HasPrefix(base, ".env.") && base != ".env.example" && base != ".env.sample"
	}
}

// readIgnored reads the patterns of what the context leaves out. Those beside the Dockerfile win.
func readIgnored(workspace, dockerfile, folder string) (*patternmatcher.PatternMatcher, error) {
	var patterns []string
	for _, name := range []string{dockerfile + ".dockerignore", path.Join(folder, ".dockerignore")} {
		file, err := os.Open(filepath.Join(workspace, filepath.FromSlash(name)))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		patterns, err = ignorefile.ReadAll(file)
		_ = file.Close()
		if err != nil {
			return nil, &Error{Message: name + " cannot be read", Err: err, Advice: "correct it"}
		}
		break
	}
	ignored, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, &Error{
			Message: ".dockerignore has a pattern that is not valid", Err: err, Advice: "correct it: " + strings.Join(patterns, ", "),
		}
	}
	return ignored, nil
}

// archive writes files of a workspace as a tar archive, each of which it has once: headers as USTAR, and GNU's for names
// that are longer. Package archive/tar would bring three times as much code into every image as there is here.
type archive struct {
	to        io.Writer
	workspace string
	has       map[string]bool
}

const tarBlock = 512

// The types of a header.
const (
	tarFile     = '0'
	tarLink     = '2'
	tarFolder   = '5'
	tarLongName = 'L' // the name of the next header
	tarLongLink = 'K' // where the next header leads
)

// add adds a file, a folder without what is in it, or a link. Sockets and devices are no part of a context.
func (a archive) add(name string) error {
	if a.has[name] {
		return nil
	}
	full := filepath.Join(a.workspace, filepath.FromSlash(name))
	info, err := os.Lstat(full)
	if err != nil {
		return err
	}
	a.has[name] = true
	switch mode := info.Mode(); {
	case mode&fs.ModeSymlink != 0:
		link, err := os.Readlink(full)
		if err != nil {
			return err
		}
		return a.header(name, link, tarLink, 0o777, 0)
	case mode.IsDir():
		return a.header(name+"/", "", tarFolder, mode.Perm(), 0)
	case !mode.IsRegular():
		return nil
	}
	file, err := os.Open(full)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := a.header(name, "", tarFile, info.Mode().Perm(), info.Size()); err != nil {
		return err
	}
	written, err := io.CopyN(a.to, file, info.Size()) // not more than the header says
	if err != nil {
		return fmt.Errorf("%s changed while it was read: %w", name, err)
	}
	return a.pad(written)
}

// header writes the header of an entry.
func (a archive) header(name, link string, kind byte, mode fs.FileMode, size int64) error {
	for _, long := range []struct {
		kind byte
		text string
	}{{tarLongName, name}, {tarLongLink, link}} {
		if len(long.text) <= 100 {
			continue
		}
		if err := a.header("././@LongLink", "", long.kind, 0, int64(len(long.text)+1)); err != nil {
			return err
		}
		if _, err := io.WriteString(a.to, long.text+"\x00"); err != nil {
			return err
		}
		if err := a.pad(int64(len(long.text) + 1)); err != nil {
			return err
		}
	}
	var h [tarBlock]byte
	copy(h[:100], name)
	copy(h[100:], fmt.Sprintf("%07o\x000000000\x000000000\x00", mode))   // of no user in particular
	copy(h[124:], fmt.Sprintf("%011o\x0000000000000\x00        ", size)) // the time is 1970
	if size >= 1<<33 {
		h[124] = 0x80 // a number in base 256
		binary.BigEndian.PutUint64(h[128:136], uint64(size))
	}
	h[156] = kind
	copy(h[157:257], link)
	copy(h[257:], "ustar  \x00") // GNU's form
	sum := 0
	for _, b := range h {
		sum += int(b)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	_, err := a.to.Write(h[:])
	return err
}

// pad fills up the block that size bytes have begun.
func (a archive) pad(size int64) error {
	_, err := a.to.Write(make([]byte, (tarBlock-size%tarBlock)%tarBlock))
	return err
}

// end ends the archive.
func (a archive) end() error {
	_, err := a.to.Write(make([]byte, 2*tarBlock))
	return err
}

package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"golang.org/x/sys/unix"
)

// hidden are folders that no wildcard of a key goes into: what is in them follows from files that are outside.
var hidden = []string{"node_modules", ".git", ".runner"}

// visible is a file system whose listings leave out the hidden folders.
type visible struct{ fs.FS }

func (v visible) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(v.FS, name)
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return slices.Contains(hidden, e.Name()) }), err
}

// HashFiles returns a digest of the files below a folder that globs match: of their paths and contents. It follows no
// link out of the folder. Without any file the digest is "".
func HashFiles(dir string, globs []string) (digest string, files int, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", 0, err
	}
	defer root.Close()
	var names []string
	for _, g := range globs {
		found, err := doublestar.Glob(visible{root.FS()}, g, doublestar.WithFilesOnly(), doublestar.WithNoFollow())
		if err != nil {
			return "", 0, fmt.Errorf("%s: %w", g, err)
		}
		names = append(names, found...)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) == 0 {
		return "", 0, nil
	}
	all := sha256.New()
	for _, name := range names {
		sum, err := hashFile(root, name)
		if err != nil {
			return "", 0, err
		}
		fmt.Fprintf(all, "%d %s %x\n", len(name), name, sum)
	}
	return hex.EncodeToString(all.Sum(nil)), len(names), nil
}

// openWithoutWaiting opens what may be a named pipe: an open that waits for its other end never returns.
func openWithoutWaiting(root *os.Root, name string) (*os.File, error) {
	return root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
}

// hashFile hashes a file. Of a link that leaves the folder, or that dangles, it hashes the target's name, and of a
// socket, a named pipe or a device its type.
func hashFile(root *os.Root, name string) ([]byte, error) {
	sum := sha256.New()
	if info, err := root.Stat(name); err == nil && !info.Mode().IsRegular() {
		sum.Write([]byte("special " + info.Mode().Type().String()))
		return sum.Sum(nil), nil
	}
	f, err := openWithoutWaiting(root, name)
	if err != nil {
		target, linkErr := root.Readlink(name)
		if linkErr != nil {
			return nil, err
		}
		sum.Write([]byte("link " + target))
		return sum.Sum(nil), nil
	}
	defer f.Close()
	_, err = io.Copy(sum, f)
	return sum.Sum(nil), err
}

// ParsePath returns a path of a cache as it is declared: below "~/" it is in the home folder, else in the workspace.
func ParsePath(declared, workspace, home string) Path {
	if rel, ok := strings.CutPrefix(declared, "~/"); ok {
		return Path{home, rel}
	}
	return Path{workspace, declared}
}

// HasContent reports whether there is a file at a path, or a folder that is not empty.
func HasContent(p Path) bool {
	root, err := os.OpenRoot(p.Base)
	if err != nil {
		return false
	}
	defer root.Close()
	f, err := openWithoutWaiting(root, p.Rel)
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.IsDir() {
		return err == nil
	}
	names, _ := f.Readdirnames(1)
	return len(names) > 0
}

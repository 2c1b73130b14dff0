package results

import (
	"io/fs"
	"os"
	"slices"
	"time"
)

// Read reads every report below root, of any size, that one of the globs matches and that was written after since; the
// zero time accepts all. The error is for a root or a glob that cannot be used. A report that cannot be read is a
// Problem of the result, beside the cases that precede the fault.
func Read(root string, globs []string, since time.Time) (Results, error) {
	return Walk(root, globs, since, nil)
}

// Walk is Read that also calls visit for every case of every report: for a test that was attempted several times, once
// for each attempt.
func Walk(root string, globs []string, since time.Time, visit func(Case)) (r Results, err error) {
	for _, glob := range globs {
		if err := ValidGlob(glob); err != nil {
			return r, err
		}
	}
	folder, err := os.OpenRoot(root)
	if err != nil {
		return r, err
	}
	defer folder.Close()
	names, err := match(folder, globs)
	if err != nil {
		return r, err
	}
	c := newCollector(&r)
	c.visit = visit
	for _, name := range names {
		c.read(folder, name, since)
	}
	c.finish()
	return r, nil
}

// fileSet are the files that were read: two globs, or a link and a glob, may lead to the same file.
type fileSet map[fileKey][]fs.FileInfo

type fileKey struct {
	size     int64
	modified int64
}

// add reports whether the file is new. The key makes it fast; SameFile decides.
func (f fileSet) add(info fs.FileInfo) bool {
	key := fileKey{info.Size(), info.ModTime().UnixNano()}
	if slices.ContainsFunc(f[key], func(other fs.FileInfo) bool { return os.SameFile(info, other) }) {
		return false
	}
	f[key] = append(f[key], info)
	return true
}

package results

import (
	"io/fs"
	"os"
	"slices"
	"time"
)

// Options say which reports are read, and how.
type Options struct {
	Root  string
	Globs []string  // relative to Root
	Since time.Time // reports written before are stale; the zero time accepts all

	// CommandPassed says that the command which wrote the reports exited with 0. Then failed cases can be earlier
	// attempts of tests that passed in the end.
	CommandPassed bool

	// Visit is called for every case of every report, for each attempt of a test; it may be nil.
	Visit func(Case)
}

// Read reads every report, of any size. The error is for a root or a glob that cannot be used. A report that cannot be
// read is a Problem of the result, beside the cases that precede the fault.
func Read(o Options) (r Results, err error) {
	for _, glob := range o.Globs {
		if err := ValidGlob(glob); err != nil {
			return r, err
		}
	}
	folder, err := os.OpenRoot(o.Root)
	if err != nil {
		return r, err
	}
	defer folder.Close()
	names, err := match(folder, o.Globs)
	if err != nil {
		return r, err
	}
	c := newCollector(&r)
	c.visit = o.Visit
	for _, name := range names {
		c.read(folder, name, o.Since)
	}
	c.finish(o.CommandPassed)
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

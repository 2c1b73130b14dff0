package main

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// work is something to upload, and what its folder goes through just before. Works of one folder follow each
// other in the order of this list, each client having done the one before.
type work struct {
	name, title string
	folder      string // the files, and where they go in the bucket
	prepare     func(dir string, round int) error
	remove      bool // what is gone here has to go there
	single      bool // one file, which some tools have a command of their own for
}

var works = []work{
	{name: "W1", title: "5,000 files of 1-16 KiB", folder: "small", prepare: makeSmall},
	{name: "W2", title: "nothing changed", folder: "small", prepare: func(string, int) error { return nil }},
	{name: "W2t", title: "same content, new times", folder: "small", prepare: touch},
	{name: "W3", title: "1 % changed, 1 % removed", folder: "small", prepare: change, remove: true},
	{name: "W4", title: "one file of 1 GiB", folder: "large", single: true, prepare: func(dir string, _ int) error {
		return makeLarge(dir, 1, 1<<30)
	}},
	{name: "W5", title: "40 files of 16 MiB", folder: "forty", prepare: func(dir string, _ int) error {
		return makeLarge(dir, 40, 16<<20)
	}},
}

const (
	smallFiles = 5000
	changes    = smallFiles / 100 // and as many removals
)

func workNames() []string {
	names := make([]string, len(works))
	for i, w := range works {
		names[i] = w.name
	}
	return names
}

// smallPath is like a coverage report: folders in folders, some full, some not.
func smallPath(i int) string {
	extensions := []string{".html", ".js", ".map", ".json", ".css", ".lcov"}
	return fmt.Sprintf(
		"lcov-report/packages/p%02d/src/m%02d/file-%04d.ts%s",
		i%17,
		i%53,
		i,
		extensions[i%len(extensions)],
	)
}

func makeSmall(dir string, round int) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(1, uint64(round)))
	for i := range smallFiles {
		content := make([]byte, 1<<10+random.IntN(15<<10+1))
		fill(content, random)
		if err := write(filepath.Join(dir, smallPath(i)), content); err != nil {
			return err
		}
	}
	return settle()
}

// makeLarge leaves files alone that are there: no client changes them.
func makeLarge(dir string, files int, size int64) error {
	random := rand.New(rand.NewPCG(2, 2))
	buffer := make([]byte, 1<<20)
	for i := range files {
		name := filepath.Join(dir, fmt.Sprintf("chunk-%02d.bin", i))
		if info, err := os.Stat(name); err == nil && info.Size() == size {
			continue
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		f, err := os.Create(name)
		if err != nil {
			return err
		}
		for written := int64(0); written < size && err == nil; written += int64(len(buffer)) {
			fill(buffer, random)
			_, err = f.Write(buffer)
		}
		if err := firstOf(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// touch does what a fresh checkout and a fresh build do.
func touch(dir string, _ int) error {
	now := time.Now()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		return os.Chtimes(path, now, now)
	})
	return firstOf(err, settle())
}

// change keeps the sizes, which is what most tools look at first.
func change(dir string, round int) error {
	random := rand.New(rand.NewPCG(3, uint64(round)))
	for i, n := range random.Perm(smallFiles)[:2*changes] {
		name := filepath.Join(dir, smallPath(n))
		if i < changes {
			if err := os.Remove(name); err != nil {
				return err
			}
			continue
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		fill(content, random)
		if err := write(name, content); err != nil {
			return err
		}
	}
	return settle()
}

// settle waits for the next second: S3 cuts times to seconds, and a client that compares them must not be misled.
func settle() error {
	time.Sleep(1100 * time.Millisecond)
	return nil
}

func fill(p []byte, random *rand.Rand) {
	for ; len(p) >= 8; p = p[8:] {
		binary.LittleEndian.PutUint64(p, random.Uint64())
	}
	for i := range p {
		p[i] = byte(random.Uint64())
	}
}

func write(name string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, content, 0o644)
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func contains(all []string, one string) bool { return slices.Contains(all, one) }

package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

func copyFolder(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return exec.Command("cp", "-a", from, to).Run()
}

// count returns the number of regular files below a folder, and their bytes.
func count(dir string) (files int, bytes int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			files, bytes = files+1, bytes+info.Size()
		}
		return err
	})
	return files, bytes, err
}

// compare sees that a client brought back all files with their sizes.
func compare(from, to string) error {
	files, bytes, err := count(from)
	if err != nil {
		return err
	}
	gotFiles, gotBytes, err := count(to)
	if err == nil && (files != gotFiles || bytes != gotBytes) {
		err = fmt.Errorf("%d files with %d bytes came back as %d with %d", files, bytes, gotFiles, gotBytes)
	}
	return err
}

// change changes one file of a hundred, in the middle, and keeps its size.
func change(dir string) error {
	i := 0
	return filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		if i++; i%100 != 0 {
			return nil
		}
		info, err := d.Info()
		if err != nil || info.Size() == 0 {
			return err
		}
		if err := os.Chmod(name, 0o644); err != nil {
			return err
		}
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = f.WriteAt([]byte{byte(i)}, info.Size()/2)
		return err
	})
}

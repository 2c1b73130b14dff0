package process

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

var aLongTimeAgo = time.Unix(1, 0)

// find looks the command up where it will run: in its own PATH, relative to its own directory.
func find(c Command) (string, error) {
	if len(c.Args) == 0 || c.Args[0] == "" {
		return "", &StartError{Path: "the command", NotFound: true, Err: errors.New("it is empty")}
	}
	name := c.Args[0]
	if info, err := os.Stat(c.Dir); c.Dir != "" && (err != nil || !info.IsDir()) {
		return "", &StartError{Path: name, Err: errors.New("the directory " + c.Dir + " is not there")}
	}
	if strings.Contains(name, "/") {
		return name, executable(at(c.Dir, name), name)
	}
	denied := error(nil)
	for _, dir := range filepath.SplitList(variable(c.Env, "PATH")) {
		path := filepath.Join(at(c.Dir, dir), name)
		err := executable(path, name)
		if err == nil {
			return path, nil
		}
		if start := new(StartError); errors.As(err, &start) && !start.NotFound && denied == nil {
			denied = err
		}
	}
	if denied != nil {
		return "", denied
	}
	return "", &StartError{Path: name, NotFound: true, Err: errors.New("no such program on PATH")}
}

func at(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}

func variable(env []string, name string) string {
	value := ""
	for _, entry := range env {
		if v, ok := strings.CutPrefix(entry, name+"="); ok {
			value = v
		}
	}
	return value
}

func executable(path, name string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return &StartError{Path: name, NotFound: true, Err: fs.ErrNotExist}
	case err != nil:
		return &StartError{Path: name, Err: err}
	case info.IsDir():
		return &StartError{Path: name, Err: syscall.EISDIR}
	case info.Mode().Perm()&0o111 == 0:
		return &StartError{Path: name, Err: fs.ErrPermission}
	default:
		return nil
	}
}

// startError reads what execve said. A file that was just found and is "not found" lacks its interpreter.
func startError(path string, err error) error {
	if errors.Is(err, syscall.ENOENT) {
		err = errors.New("its interpreter (#! or loader) is not there")
	}
	return &StartError{Path: path, Err: err}
}

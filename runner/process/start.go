package process

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// defaultPath is searched where Env has no PATH, as a shell would.
const defaultPath = "/usr/local/bin:/usr/bin:/bin"

// spawn starts the command as the leader of a process group of its own, reading nothing and writing both streams to output.
func spawn(c Command, output *os.File) (pid int, err error) {
	path, err := LookPath(c)
	if err != nil {
		return 0, err
	}
	input, err := os.Open(os.DevNull)
	if err != nil {
		return 0, &StartError{Path: path, Err: err}
	}
	defer input.Close()
	pid, err = syscall.ForkExec(path, c.Args, &syscall.ProcAttr{
		Dir: c.Dir, Env: c.Env, Files: []uintptr{input.Fd(), output.Fd(), output.Fd()},
		Sys: &syscall.SysProcAttr{Setpgid: true},
	})
	switch {
	case err == nil:
		return pid, nil
	case errors.Is(err, syscall.ENOENT): // though lookUp has seen the file
		return 0, &StartError{Path: path, Err: missingInterpreter{err}}
	default:
		return 0, &StartError{Path: path, Err: err}
	}
}

// missingInterpreter is what ENOENT means for a file that exists.
type missingInterpreter struct{ error }

func (missingInterpreter) Error() string {
	return "its interpreter (#! or loader) is not there"
}
func (e missingInterpreter) Unwrap() error { return e.error }

// usable returns why a command cannot run in dir. The kernel's own answer would not tell dir from the command.
func usable(dir string) error {
	if dir == "" {
		return nil
	}
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return bare(err)
	case !info.IsDir():
		return syscall.ENOTDIR
	default:
		return unix.Access(dir, unix.X_OK)
	}
}

// lookUp finds name as the shell of the command would: in the PATH of its own environment, relative folders of it and names
// with a slash seen from its own directory. On an error the path is what the error is about.
func lookUp(name, dir string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		return name, executable(name, dir)
	}
	var denied string // found, yet not executable: worse than nothing, better than another one further on
	for _, folder := range filepath.SplitList(variable(env, "PATH", defaultPath)) {
		if folder == "" {
			folder = "."
		}
		path := folder + "/" + name
		switch err := executable(path, dir); {
		case err == nil:
			return path, nil
		case errors.Is(err, syscall.EACCES) && denied == "":
			denied = path
		}
	}
	if denied != "" {
		return denied, syscall.EACCES
	}
	return name, syscall.ENOENT
}

// executable returns why path, seen from dir, cannot be executed by us.
func executable(path, dir string) error {
	if !filepath.IsAbs(path) {
		path = dir + "/" + path
		if dir == "" {
			path = "." + path
		}
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, syscall.ENOTDIR):
		return syscall.ENOENT
	case err != nil:
		return bare(err)
	case info.IsDir():
		return syscall.EACCES
	default:
		return unix.Access(path, unix.X_OK)
	}
}

// variable returns the value of a variable: the first one's, as getenv in the command would.
func variable(env []string, name, otherwise string) string {
	for _, entry := range env {
		if key, value, _ := strings.Cut(entry, "="); key == name {
			return value
		}
	}
	return otherwise
}

// bare takes off what package os says about operation and path, as our own errors say it.
func bare(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

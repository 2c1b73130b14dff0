package process

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// defaultPath is searched where Env has no PATH, as a shell would.
const defaultPath = "/usr/local/bin:/usr/bin:/bin"

// spawn starts the command as the leader of a session of its own, with no input and both streams written to output.
//
// A session has no controlling terminal unless it opens one, so a command that opens /dev/tty to ask for a password
// fails at once, as in a container, instead of being suspended for reading from the background.
func spawn(c Command, output *os.File) (pid int, err error) {
	path, err := LookPath(c)
	if err != nil {
		return 0, err
	}
	input, err := os.Open(os.DevNull)
	if err != nil {
		return 0, &StartError{Path: path, Resource: os.DevNull, Err: withoutPath(err)}
	}
	defer input.Close()
	pid, err = syscall.ForkExec(path, c.Args, &syscall.ProcAttr{
		Dir: c.Dir, Env: c.Env, Files: []uintptr{input.Fd(), output.Fd(), output.Fd()},
		Sys: &syscall.SysProcAttr{Setsid: true},
	})
	switch {
	case err == nil:
		return pid, nil
	case errors.Is(err, syscall.ENOENT): // though LookPath has found the file
		return 0, &StartError{Path: path, Err: newInterpreterError(absolute(path, c.Dir), err)}
	case errors.Is(err, syscall.E2BIG):
		return 0, &StartError{Path: path, Err: newSizeError(c)}
	default:
		return 0, &StartError{Path: path, Err: err}
	}
}

// commandName returns the command as it was named.
func commandName(c Command) string {
	if len(c.Args) == 0 {
		return "the command"
	}
	return cmp.Or(c.Args[0], "the command")
}

// LookPath returns the file that Run would execute for a command, or the *StartError that Run would return.
func LookPath(c Command) (string, error) {
	if len(c.Args) == 0 || c.Args[0] == "" {
		return "", &StartError{Path: "the command", NotFound: true, Err: errors.New("it is empty")}
	}
	if err := checkDirectory(c.Dir); err != nil {
		return "", &StartError{Path: c.Args[0], Dir: c.Dir, Err: err}
	}
	path, err := findExecutable(c.Args[0], c.Dir, c.Env)
	if err != nil {
		return "", &StartError{Path: path, NotFound: errors.Is(err, fs.ErrNotExist), Err: err}
	}
	return path, nil
}

// checkDirectory returns why a command cannot run in dir. The kernel's own error would not distinguish a missing
// directory from a missing command.
func checkDirectory(dir string) error {
	if dir == "" {
		return nil
	}
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return withoutPath(err)
	case !info.IsDir():
		return syscall.ENOTDIR
	default:
		return unix.Access(dir, unix.X_OK)
	}
}

// findExecutable finds name as the command's shell would: in the PATH of env, with relative folders of PATH and names
// that contain a slash resolved from dir. On an error the path is the one that the error is about.
func findExecutable(name, dir string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		return name, checkExecutable(name, dir)
	}
	var denied string // the first file that was found but is not executable
	for _, folder := range filepath.SplitList(variable(env, "PATH", defaultPath)) {
		path := cmp.Or(folder, ".") + "/" + name
		switch err := checkExecutable(path, dir); {
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

// checkExecutable returns why we cannot execute path, relative to dir.
func checkExecutable(path, dir string) error {
	path = absolute(path, dir)
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, syscall.ENOTDIR):
		return syscall.ENOENT
	case err != nil:
		return withoutPath(err)
	case info.IsDir():
		return syscall.EACCES
	default:
		return unix.Access(path, unix.X_OK)
	}
}

// absolute resolves path from dir, or from our own directory if dir is empty.
func absolute(path, dir string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return cmp.Or(dir, ".") + "/" + path
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

// withoutPath removes the operation and path of an error, which our own errors name.
func withoutPath(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// interpreterError is the reason why an existing file cannot be executed with ENOENT.
type interpreterError struct {
	name string // what the #! line names; empty for a binary
	crlf bool   // the line ends with a carriage return
	error
}

func newInterpreterError(path string, err error) *interpreterError {
	name, crlf := shebang(path)
	return &interpreterError{name, crlf, err}
}

func (e *interpreterError) Error() string {
	switch {
	case e.crlf:
		return fmt.Sprintf(`its first line has Windows line ends: there is no interpreter %q`, e.name+"\r")
	case e.name != "":
		return fmt.Sprintf("its interpreter %s does not exist", e.name)
	}
	return "its interpreter (#! or loader) does not exist"
}

func (e *interpreterError) Unwrap() error { return e.error }

// shebang returns the interpreter that the first line of a file names, or "" if there is none, and whether the line
// ends as lines of Windows do.
func shebang(path string) (interpreter string, crlf bool) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return "", false
	}
	f, err := os.Open(path)
	if err != nil {
		return "", false
	}
	defer f.Close()
	head := make([]byte, 256) // the most that the kernel reads
	n, _ := io.ReadFull(f, head)
	line, found := bytes.CutPrefix(head[:n], []byte("#!"))
	if !found {
		return "", false
	}
	line, _, found = bytes.Cut(line, []byte("\n"))
	fields := strings.Fields(string(line))
	if len(fields) == 0 {
		return "", false
	}
	return fields[0], found && bytes.HasSuffix(line, []byte("\r"))
}

// sizeError is the reason for E2BIG.
type sizeError struct{ message, advice string }

func (e *sizeError) Error() string { return e.message }
func (e *sizeError) Unwrap() error { return syscall.E2BIG }

// newSizeError names the variable or argument that is too long, if one of them alone is.
func newSizeError(c Command) *sizeError {
	limit := 32 * os.Getpagesize() // of the kernel, for one string with its final NUL
	const advice = "write the value to a file, and pass the file's name"
	total := 0
	for _, entry := range c.Env {
		total += len(entry) + 1
		if len(entry) >= limit {
			name, _, _ := strings.Cut(entry, "=")
			return &sizeError{fmt.Sprintf("the variable %s is %d KiB long, and Linux allows %d KiB for one string",
				name, len(entry)>>10, limit>>10), advice}
		}
	}
	for i, argument := range c.Args {
		total += len(argument) + 1
		if len(argument) >= limit {
			return &sizeError{fmt.Sprintf("argument %d is %d KiB long, and Linux allows %d KiB for one string",
				i, len(argument)>>10, limit>>10), advice}
		}
	}
	return &sizeError{
		fmt.Sprintf("its arguments and variables are %d KiB long together, more than Linux allows", total>>10),
		"pass less by arguments and variables; a quarter of the stack limit (ulimit -s) is the maximum",
	}
}

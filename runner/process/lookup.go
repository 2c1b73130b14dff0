package process

import (
	"errors"
	"io/fs"
)

// LookPath returns the file that Run would execute for a command, or the *StartError that it would end with.
func LookPath(c Command) (string, error) {
	if len(c.Args) == 0 || c.Args[0] == "" {
		return "", &StartError{Path: "the command", NotFound: true, Err: errors.New("it is empty")}
	}
	if err := usable(c.Dir); err != nil {
		return "", &StartError{Path: c.Args[0], Dir: c.Dir, Err: err}
	}
	path, err := lookUp(c.Args[0], c.Dir, c.Env)
	if err != nil {
		return "", &StartError{Path: path, NotFound: errors.Is(err, fs.ErrNotExist), Err: err}
	}
	return path, nil
}

package process

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// LookPath returns what Run would start, and fails as Run would.
func TestLookPath(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"bin/tool": 0o755, "bin/text": 0o644} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		command  Command
		want     string
		fails    bool
		notFound bool
	}{
		"on the PATH of the command's own environment": {
			command: Command{Args: []string{"tool"}, Env: []string{"PATH=/nowhere:" + dir + "/bin"}},
			want:    dir + "/bin/tool",
		},
		"seen from its own directory": {
			command: Command{Args: []string{"./tool"}, Dir: dir + "/bin"}, want: "./tool",
		},
		"it is not there": {
			command: Command{Args: []string{"tool"}, Env: []string{"PATH=/nowhere"}}, fails: true, notFound: true,
		},
		"it is not executable": {
			command: Command{Args: []string{"text"}, Env: []string{"PATH=" + dir + "/bin"}}, fails: true,
		},
		"its directory is not there": {
			command: Command{Args: []string{"/bin/sh"}, Dir: dir + "/none"}, fails: true,
		},
		"there is no command": {fails: true, notFound: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := LookPath(c.command)
			var start *StartError
			if got != c.want || errors.As(err, &start) != c.fails || c.fails && start.NotFound != c.notFound {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

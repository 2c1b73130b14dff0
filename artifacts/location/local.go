package location

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/folder"
)

// formerStore is where earlier versions kept the local store: in the workspace, where linters and test runners of the
// project found copies of its files.
const formerStore = ".runner/artifacts"

// LocalStore returns the folder of a workspace's local store, below the user's state folder:
// "<state>/carlin-runner/<name>-<hash>". The state folder is $XDG_STATE_HOME if it is absolute, else ~/.local/state, on
// macOS ~/Library/Application Support, on Windows %LocalAppData%. Without a home it is below the temporary folder.
func LocalStore(workspace string, getenv func(string) string) (string, error) {
	absolute, err := filepath.Abs(workspace)
	if err != nil {
		return "", err
	}
	if resolved, err := filepath.EvalSymlinks(absolute); err == nil {
		absolute = resolved
	}
	sum := sha256.Sum256([]byte(absolute))
	name := unusual.ReplaceAllString(filepath.Base(absolute), "-")
	return filepath.Join(stateFolder(getenv), "carlin-runner", name+"-"+hex.EncodeToString(sum[:5])), nil
}

var unusual = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

func stateFolder(getenv func(string) string) string {
	if dir := getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return dir
	}
	home := getenv("HOME")
	switch {
	case runtime.GOOS == "windows" && filepath.IsAbs(getenv("LocalAppData")):
		return getenv("LocalAppData")
	case !filepath.IsAbs(home):
		return filepath.Join(os.TempDir(), fmt.Sprintf("carlin-runner-%d", os.Getuid()))
	case runtime.GOOS == "darwin":
		return filepath.Join(home, "Library", "Application Support")
	default:
		return filepath.Join(home, ".local", "state")
	}
}

// openLocal opens the local store of a workspace, and moves the store of an earlier version there.
func openLocal(o Options) (artifacts.Store, string, error) {
	getenv := o.Getenv
	if getenv == nil {
		getenv = os.Getenv
	}
	dir, err := LocalStore(o.Workspace, getenv)
	if err == nil {
		err = moveFormerStore(o.Workspace, dir, o.OnMove)
	}
	if err == nil {
		err = os.MkdirAll(dir, 0o700) // other users of the machine have no business in it
	}
	if err != nil {
		return nil, "", invalid(dir, err.Error(), err)
	}
	store, err := folder.New(dir)
	if err != nil {
		return nil, "", invalid(dir, err.Error(), err)
	}
	return store, store.Locate(""), nil
}

// moveFormerStore moves <workspace>/.runner/artifacts to dir unless dir exists. A link is left alone.
func moveFormerStore(workspace, dir string, onMove func(from, to string)) error {
	root, err := os.OpenRoot(workspace)
	if err != nil {
		return err
	}
	defer root.Close()
	if info, err := root.Lstat(formerStore); err != nil || !info.IsDir() {
		return nil
	}
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	from := filepath.Join(workspace, filepath.FromSlash(formerStore))
	if err := os.Rename(from, dir); err != nil { // another file system
		inside, err := root.OpenRoot(formerStore)
		if err != nil {
			return err
		}
		defer inside.Close()
		partial := dir + ".moving"
		err = errors.Join(os.RemoveAll(partial), os.CopyFS(partial, inside.FS()))
		if err == nil {
			err = os.Rename(partial, dir)
		}
		if err == nil {
			err = root.RemoveAll(formerStore)
		}
		if err != nil {
			return err
		}
	}
	if onMove != nil {
		onMove(from, dir)
	}
	return nil
}

package location

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestTheLocalStoreIsOutsideTheWorkspace(t *testing.T) {
	state, home := t.TempDir(), t.TempDir()
	workspace := filepath.Join(t.TempDir(), "my shop")
	if err := os.Mkdir(workspace, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		variables map[string]string
		below     string
	}{
		"the state folder":                  {map[string]string{"XDG_STATE_HOME": state, "HOME": home}, state},
		"a relative state folder, ignored":  {map[string]string{"XDG_STATE_HOME": "state", "HOME": home}, home},
		"the home":                          {map[string]string{"HOME": home}, home},
		"the temporary folder without home": {nil, os.TempDir()},
	} {
		dir, err := LocalStore(workspace, func(name string) string { return c.variables[name] })
		if err != nil || !strings.HasPrefix(dir, c.below+string(filepath.Separator)) ||
			!regexp.MustCompile(`carlin-runner[/\\]my-shop-[0-9a-f]{10}$`).MatchString(dir) {
			t.Errorf("%s: %q, %v", name, dir, err)
		}
	}
	one, _ := LocalStore(workspace, os.Getenv)
	other, _ := LocalStore(filepath.Join(t.TempDir(), "my shop"), os.Getenv)
	if one == other {
		t.Errorf("two workspaces of one name share %s", one)
	}
}

func TestTheStoreOfAnEarlierVersionIsMoved(t *testing.T) {
	workspace, state := t.TempDir(), t.TempDir()
	former := filepath.Join(workspace, formerStore)
	if err := os.MkdirAll(former, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(former, "k"), []byte("v"), 0o644); err != nil {
		t.Fatal(err)
	}
	moves := 0
	open := func() string {
		t.Helper()
		_, place, err := Open(t.Context(), "", Options{
			Workspace: workspace, Getenv: func(name string) string { return map[string]string{"XDG_STATE_HOME": state}[name] },
			OnMove: func(from, to string) { moves++ },
		})
		if err != nil {
			t.Fatal(err)
		}
		return place
	}
	place := open()
	if text, err := os.ReadFile(filepath.Join(place, "k")); string(text) != "v" || moves != 1 {
		t.Errorf("the file is %q (%v) after %d moves", text, err, moves)
	}
	if _, err := os.Lstat(former); err == nil {
		t.Error("the former store still exists")
	}
	if info, err := os.Stat(place); err != nil || info.Mode().Perm()&0o077 != 0 && moves == 0 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if err := os.MkdirAll(former, 0o755); err != nil {
		t.Fatal(err)
	}
	if again := open(); again != place || moves != 1 {
		t.Errorf("a second store in the workspace replaced the first: %s after %d moves", again, moves)
	}
}

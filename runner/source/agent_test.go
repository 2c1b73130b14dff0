package source

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/runner/source/sourcetest"
)

func TestAnSSHKeyIsUsedWithoutAFile(t *testing.T) {
	dir, first, _ := repository(t)
	key, public := sourcetest.NewKey(t, "")
	s := sourcetest.ServeSSH(t, filepath.Dir(dir), public)
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	ws := t.TempDir()
	var seen []string
	run := func(r *recorder) Runner {
		return func(ctx context.Context, dir string, variables []string, args ...string) (string, error) {
			seen = append(append(seen, variables...), args...)
			left, _ := filepath.Glob(filepath.Join(temp, "*", "*"))
			for _, name := range left {
				if text, err := os.ReadFile(name); err == nil && strings.Contains(string(text), "PRIVATE") {
					t.Errorf("%s holds the key", name)
				}
			}
			return r.run(ctx, dir, variables, args...)
		}
	}(&recorder{})
	o := Options{
		URL: "ssh://git@" + s.Address + "/" + filepath.Base(dir), SHA: first, Dir: ws,
		SSHKey: strings.ReplaceAll(strings.TrimSpace(key), "\n", "\r\n"), KnownHosts: s.KnownHosts,
	}
	if _, changed, err := Checkout(t.Context(), run, o); err != nil || !changed || content(t, ws, "file") != "one" {
		t.Fatalf("%v, changed %v", err, changed)
	}
	if text := strings.Join(seen, "\n"); strings.Contains(text, "PRIVATE") || strings.Contains(text, key[60:90]) {
		t.Error("the key is in an argument or a variable of git's")
	}
	if left, _ := os.ReadDir(temp); len(left) != 0 {
		t.Errorf("%v are left", left)
	}
}

func TestErrorsOfSSH(t *testing.T) {
	dir, first, _ := repository(t)
	key, public := sourcetest.NewKey(t, "")
	other, _ := sourcetest.NewKey(t, "")
	locked, _ := sourcetest.NewKey(t, "secret")
	s := sourcetest.ServeSSH(t, filepath.Dir(dir), public)
	stranger := sourcetest.ServeSSH(t, filepath.Dir(dir), public)
	for _, c := range []struct {
		name, key, known, sha string
		is                    func(error) bool
		message               string
	}{
		{"an unknown key", other, s.KnownHosts, first, is[*AccessError], ""},
		{"an unknown commit", key, s.KnownHosts, strings.Repeat("f", 40), is[*NotFoundError], ""},
		{"an unknown host key", key, stranger.KnownHosts, first, is[*HostKeyError], ""},
		{
			"another host key", key,
			strings.Split(
				s.KnownHosts, " ",
			)[0] + strings.TrimPrefix(stranger.KnownHosts, strings.Split(stranger.KnownHosts, " ")[0]),
			first, is[*HostKeyError], "",
		},
		{"the key has a passphrase", locked, s.KnownHosts, first, is[*Error], "passphrase"},
		{"not a key", "hunter2hunter2", s.KnownHosts, first, is[*Error], "not a private key"},
	} {
		o := Options{
			URL: "ssh://git@" + s.Address + "/" + filepath.Base(dir), SHA: c.sha, Dir: t.TempDir(), SSHKey: c.key,
			KnownHosts: c.known,
		}
		_, _, err := Checkout(t.Context(), (&recorder{}).run, o)
		if err == nil || !c.is(err) || !strings.Contains(
			err.Error(), c.message,
		) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %T %v", c.name, err, err)
		}
	}
}

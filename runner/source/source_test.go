package source

import (
	"context"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// recorder runs git and keeps what it was given on the command line.
type recorder struct{ arguments []string }

func (r *recorder) run(ctx context.Context, dir string, variables []string, args ...string) (string, error) {
	r.arguments = append(r.arguments, args...)
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), variables...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"}, args...)...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// repository has two commits and serves them by their ids, as GitHub does.
func repository(t *testing.T) (dir, first, second string) {
	t.Helper()
	dir = t.TempDir()
	git(t, dir, "init", "-q")
	git(t, dir, "config", "uploadpack.allowAnySHA1InWant", "true")
	git(t, dir, "config", "http.uploadpack", "true")
	write(t, dir, ".gitignore", "node_modules\n")
	write(t, dir, "file", "one")
	write(t, dir, "gone", "soon")
	git(t, dir, "add", ".")
	git(t, dir, "commit", "-qm", "one")
	first = git(t, dir, "rev-parse", "HEAD")
	write(t, dir, "file", "two")
	git(t, dir, "rm", "-q", "gone")
	git(t, dir, "commit", "-qam", "two")
	return dir, first, git(t, dir, "rev-parse", "HEAD")
}

func content(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return string(b)
}

func TestDescribe(t *testing.T) {
	dir, _, second := repository(t)
	run := (&recorder{}).run
	if c, err := Describe(t.Context(), run, dir); err != nil || c != (Commit{Branch: "main", SHA: second}) {
		t.Errorf("a clean checkout is %+v, %v", c, err)
	}
	write(t, dir, "node_modules/x", "ignored")
	if c, _ := Describe(t.Context(), run, dir); c.Dirty {
		t.Error("ignored files make it dirty")
	}
	write(t, dir, "sub/new", "x")
	if c, _ := Describe(t.Context(), run, dir); !c.Dirty {
		t.Error("a new file does not make it dirty")
	}
	if c, err := Describe(t.Context(), run, filepath.Join(dir, "sub")); err != nil || c.SHA != second {
		t.Errorf("from a subfolder it is %+v, %v", c, err)
	}
	git(t, dir, "checkout", "-q", "--detach")
	if c, err := Describe(t.Context(), run, dir); err != nil || c.Branch != "" || c.SHA != second {
		t.Errorf("detached it is %+v, %v", c, err)
	}
	empty := t.TempDir()
	git(t, empty, "init", "-q")
	for name, dir := range map[string]string{"no repository": t.TempDir(), "no commit": empty} {
		if _, err := Describe(t.Context(), run, dir); !errors.Is(err, ErrNoRepository) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}

func TestExactlyThatCommitIsCheckedOutOverWhatIsThere(t *testing.T) {
	dir, first, second := repository(t)
	ws := t.TempDir()
	write(t, ws, "node_modules/dep/index.js", "kept")
	write(t, ws, "file", "stale")
	write(t, ws, "beside", "kept")
	o := Options{URL: "file://" + dir, SHA: first, Dir: ws}
	r := &recorder{}
	if _, changed, err := Checkout(t.Context(), r.run, o); err != nil || !changed {
		t.Fatalf("%v, changed %v", err, changed)
	}
	if content(t, ws, "file") != "one" || content(t, ws, "gone") != "soon" || content(t, ws, "node_modules/dep/index.js") != "kept" || content(t, ws, "beside") != "kept" {
		t.Error("the workspace is not the first commit with what was beside it")
	}
	if n := git(t, ws, "rev-list", "--count", "HEAD"); n != "1" {
		t.Errorf("%s commits were fetched", n)
	}

	o.SHA = second
	write(t, ws, "file", "changed by hand")
	if _, _, err := Checkout(t.Context(), r.run, o); err != nil {
		t.Fatal(err)
	}
	if content(t, ws, "file") != "two" || content(t, ws, "gone") != "" {
		t.Error("the workspace is not the second commit")
	}
	if _, changed, err := Checkout(t.Context(), r.run, o); err != nil || changed {
		t.Errorf("being there already: %v, changed %v", err, changed)
	}
}

const token = "ghp_0123456789abcdefghijABCDEFGHIJ456789"

// serve puts the repository behind http. It answers with a failure as often as it is told first, then wants the token.
func serve(t *testing.T, dir string, failures int32) string {
	t.Helper()
	path, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	backend := &cgi.Handler{Path: filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"), Env: []string{"GIT_PROJECT_ROOT=" + filepath.Dir(dir), "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=x"}}
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte("x-access-token:"+token))
	var left atomic.Int32
	left.Store(failures)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case left.Add(-1) >= 0:
			http.Error(w, "try later", http.StatusBadGateway)
		case r.Header.Get("Authorization") != want:
			w.Header().Set("WWW-Authenticate", "Basic")
			http.Error(w, "no", http.StatusUnauthorized)
		default:
			backend.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL + "/" + filepath.Base(dir) + "/.git"
}

func TestATokenOpensTheRepositoryAndLeavesNoTrace(t *testing.T) {
	dir, first, _ := repository(t)
	ws := t.TempDir()
	r := &recorder{}
	retried := 0
	_, _, err := Checkout(t.Context(), r.run, Options{
		URL: serve(t, dir, 1), SHA: first, Dir: ws, Token: token, Retries: 2,
		Log: func(string, ...any) { retried++ },
	})
	if err != nil || retried != 1 || content(t, ws, "file") != "one" {
		t.Fatalf("%v after %d retries", err, retried)
	}
	secrets := []string{token, base64.StdEncoding.EncodeToString([]byte("x-access-token:" + token))}
	for _, secret := range secrets {
		if strings.Contains(strings.Join(r.arguments, " "), secret) {
			t.Error("the token is in an argument")
		}
		filepath.WalkDir(ws, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && strings.Contains(content(t, "/", path), secret) {
				t.Errorf("the token is in %s", path)
			}
			return nil
		})
	}
}

func TestWhatGoesWrongIsTold(t *testing.T) {
	dir, first, _ := repository(t)
	served := serve(t, dir, 0)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	missing := strings.Repeat("f", 40)
	for name, c := range map[string]struct {
		options Options
		is      func(error) bool
	}{
		"there is no such commit":       {Options{URL: "file://" + dir, SHA: missing}, is[*NotFoundError]},
		"there is no such commit, http": {Options{URL: served, SHA: missing, Token: token}, is[*NotFoundError]},
		"the token is wrong":            {Options{URL: served, SHA: first, Token: "ghp_wrong"}, is[*AccessError]},
		"there is no token":             {Options{URL: served, SHA: first}, is[*AccessError]},
		"there is no such repository":   {Options{URL: "file://" + dir + "-nowhere", SHA: first}, is[*AccessError]},
		"nobody answers":                {Options{URL: "http://" + closed.Addr().String() + "/x.git", SHA: first}, is[*NetworkError]},
		"the commit is abbreviated":     {Options{URL: served, SHA: first[:10]}, is[*Error]},
		"the URL has a password in it":  {Options{URL: "https://me:hunter2@example.com/x.git", SHA: first}, is[*Error]},
	} {
		t.Run(name, func(t *testing.T) {
			c.options.Dir = t.TempDir()
			_, _, err := Checkout(t.Context(), (&recorder{}).run, c.options)
			if !c.is(err) {
				t.Fatalf("error is %T: %v", err, err)
			}
			if hint, ok := err.(interface{ Hint() string }); !ok || hint.Hint() == "" {
				t.Error("there is no hint")
			}
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "ghp_wrong") || strings.Contains(err.Error(), "\n") {
				t.Errorf("it says %q", err)
			}
		})
	}
}

func is[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

func TestTheReasonIsReadFromGitsWords(t *testing.T) {
	for output, check := range map[string]func(error) bool{
		"Host key verification failed.\nfatal: Could not read from remote repository.":                  is[*HostKeyError],
		"git@github.com: Permission denied (publickey).\nfatal: Could not read from remote repository.": is[*AccessError],
		"fatal: unable to access 'https://x/': Could not resolve host: x":                               is[*NetworkError],
		"error: RPC failed; curl 92 HTTP/2 stream 5 was not closed cleanly":                             is[*NetworkError],
		"fatal: remote error: upload-pack: not our ref ffff":                                            is[*NotFoundError],
		"fatal: cannot mkdir: No space left on device":                                                  is[*Error],
	} {
		if err := explain("https://x/", Options{SHA: "ffff"}, output, errors.New("exit 128")); !check(err) {
			t.Errorf("%q is %T", output, err)
		}
	}
}

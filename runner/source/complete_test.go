package source

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/runner/source/sourcetest"
)

// project is a repository with all that a checkout may leave out.
type project struct {
	dir, sub, inner string // inner is a submodule of sub
	tag             string // id of the tag object of v1.0.0, at the first commit
	first, last     string
}

// newProject creates a project whose submodules are at URLs below base.
func newProject(t *testing.T, base func(dir string) string) project {
	t.Helper()
	top := t.TempDir()
	p := project{dir: filepath.Join(top, "repo"), sub: filepath.Join(top, "sub"), inner: filepath.Join(top, "inner")}
	for _, dir := range []string{p.inner, p.sub, p.dir} {
		write(t, dir, "file", filepath.Base(dir))
		git(t, dir, "init", "-q")
		for _, name := range []string{"uploadpack.allowAnySHA1InWant", "uploadpack.allowFilter", "http.uploadpack"} {
			git(t, dir, "config", name, "true")
		}
		git(t, dir, "add", ".")
		git(t, dir, "commit", "-qm", "first")
	}
	addSubmodule := func(dir, sub string) {
		git(
			t, dir, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "file://"+sub,
			"vendor/"+filepath.Base(sub),
		)
		git(t, dir, "config", "-f", ".gitmodules", "submodule.vendor/"+filepath.Base(sub)+".url", base(sub))
		git(t, dir, "commit", "-qam", "submodule")
	}
	for _, dir := range []string{p.inner, p.sub} {
		write(t, dir, ".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n")
		write(t, dir, "part.bin", sourcetest.StoreLFS(t, dir, "the part of "+filepath.Base(dir)))
		git(t, dir, "add", ".")
		git(t, dir, "commit", "-qm", "part")
	}
	addSubmodule(p.sub, p.inner)

	write(t, p.dir, "migrations/005.sql", "drop")
	git(t, p.dir, "add", ".")
	git(t, p.dir, "commit", "-qm", "migration")
	p.first = git(t, p.dir, "rev-parse", "HEAD")
	git(t, p.dir, "tag", "-a", "v1.0.0", "-m", "v1")
	p.tag = git(t, p.dir, "rev-parse", "v1.0.0")
	git(t, p.dir, "branch", "side")
	addSubmodule(p.dir, p.sub)
	git(t, p.dir, "rm", "-q", "migrations/005.sql")
	write(t, p.dir, ".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n")
	write(t, p.dir, ".gitignore", "node_modules\n")
	write(t, p.dir, "big.bin", sourcetest.StoreLFS(t, p.dir, "the large file"))
	git(t, p.dir, "add", ".")
	git(t, p.dir, "commit", "-qm", "last")
	p.last = git(t, p.dir, "rev-parse", "HEAD")
	return p
}

// server is one way to reach a project.
type server struct {
	options  Options // without SHA and Dir
	recorder *recorder
	project  project
}

// serveProject serves a project by https with a token, by ssh with a key, and as a folder.
func serveProject(t *testing.T, scheme string) server {
	t.Helper()
	s := server{recorder: &recorder{}}
	base := func(dir string) string { return "file://" + dir }
	var https *sourcetest.Server
	if scheme != "file" {
		https = sourcetest.Serve(t, filepath.Join(t.TempDir(), "repo")) // the folder follows
		base = https.RepositoryURL
		s.recorder = trusting(t, https)
	}
	s.project = newProject(t, base)
	s.options = Options{URL: base(s.project.dir), Branch: "main"}
	if https != nil {
		https.ServeInstead(s.project.dir)
		s.options.Token = token
	}
	if scheme == "ssh" {
		key, public := sourcetest.NewKey(t, "")
		ssh := sourcetest.ServeSSH(t, filepath.Dir(s.project.dir), public)
		ssh.LFS = https
		s.options = Options{
			URL: "ssh://git@" + ssh.Address + "/repo", SSHKey: key, KnownHosts: ssh.KnownHosts, Branch: "main",
		}
	}
	return s
}

// completed returns a workspace at a commit, and what was logged.
func (s server) completed(t *testing.T, sha string, settings Settings) (ws string, j *journal) {
	t.Helper()
	ws, j = t.TempDir(), &journal{}
	s.complete(t, ws, sha, settings, j)
	return ws, j
}

func (s server) complete(t *testing.T, ws, sha string, settings Settings, j *journal) {
	t.Helper()
	o := s.options
	o.SHA, o.Dir, o.Log = sha, ws, j.log()
	if _, _, err := Checkout(t.Context(), s.recorder.run, o); err != nil {
		t.Fatal(err)
	}
	if err := Complete(t.Context(), s.recorder.run, o, settings); err != nil {
		t.Fatalf("%v\n%s", err, j.text.String())
	}
}

func TestCompleteCheckouts(t *testing.T) {
	for _, scheme := range []string{"file", "https", "ssh"} {
		t.Run(scheme, func(t *testing.T) {
			s := serveProject(t, scheme)
			p := s.project
			t.Run("by default there is one commit, and what is left out is named", func(t *testing.T) {
				ws, j := s.completed(t, p.last, Settings{Depth: 1})
				if n := git(t, ws, "rev-list", "--count", "HEAD"); n != "1" {
					t.Errorf("there are %s commits", n)
				}
				if !j.has("setting=checkout.submodules") || !j.has("setting=checkout.lfs") || !j.has("first=big.bin") {
					t.Errorf("the log is %s", j.text.String())
				}
				if url := git(t, ws, "config", "remote.origin.url"); url != s.options.URL {
					t.Errorf("origin is %s", url)
				}
			})
			t.Run("all history, branches and tags", func(t *testing.T) {
				ws, _ := s.completed(t, p.last, Settings{Tags: true})
				if d := git(t, ws, "describe"); !strings.HasPrefix(d, "v1.0.0-2-g") {
					t.Errorf("it is described as %s", d)
				}
				for _, ref := range []string{"refs/remotes/origin/main", "refs/remotes/origin/side", "HEAD~2"} {
					git(t, ws, "rev-parse", "--verify", ref)
				}
			})
			t.Run("a depth, and tags without more history", func(t *testing.T) {
				ws, _ := s.completed(t, p.last, Settings{Depth: 2, Tags: true})
				if n := git(t, ws, "rev-list", "--count", "HEAD"); n != "2" {
					t.Errorf("there are %s commits", n)
				}
				git(t, ws, "rev-parse", "--verify", "v1.0.0")
			})
			t.Run("history without its files", func(t *testing.T) {
				ws, _ := s.completed(t, p.last, Settings{Filter: "blob:none"})
				missing := git(t, ws, "rev-list", "--objects", "--missing=print", "HEAD")
				if strings.Count(missing, "\n?") == 0 || git(t, ws, "rev-list", "--count", "HEAD") == "1" {
					t.Errorf("objects are %s", missing)
				}
			})
			t.Run("files in Git LFS", func(t *testing.T) {
				ws, j := s.completed(t, p.last, Settings{Depth: 1, LFS: true})
				if content(t, ws, "big.bin") != "the large file" {
					t.Errorf("big.bin is %q; %s", content(t, ws, "big.bin"), j.text.String())
				}
				if status := git(t, ws, "status", "--porcelain"); status != "" || j.has("checkout.lfs") {
					t.Errorf("the command's git sees %q", status)
				}
			})
			t.Run("an annotated tag is resolved to its commit", func(t *testing.T) {
				o := s.options
				o.SHA, o.Dir = p.tag, t.TempDir()
				c, changed, err := Checkout(t.Context(), s.recorder.run, o)
				if err != nil || !changed || c.SHA != p.first || git(t, o.Dir, "rev-parse", "HEAD") != p.first {
					t.Fatalf("%+v, %v", c, err)
				}
				if c, changed, err := Checkout(
					t.Context(), s.recorder.run, o,
				); err != nil || changed || c.SHA != p.first {
					t.Errorf("again: %+v, changed %v, %v", c, changed, err)
				}
			})
		})
	}
}

func TestSubmodules(t *testing.T) {
	for _, scheme := range []string{"file", "https"} {
		t.Run(scheme, func(t *testing.T) {
			s := serveProject(t, scheme)
			for choice, inner := range map[Submodules]string{TopSubmodules: "", AllSubmodules: "inner"} {
				ws, j := s.completed(t, s.project.last, Settings{Depth: 1, Submodules: choice, Clean: true})
				if content(
					t, ws, "vendor/sub/file",
				) != "sub" || content(t, ws, "vendor/sub/vendor/inner/file") != inner {
					t.Errorf("with %v there are %q and %q", choice,
						content(t, ws, "vendor/sub/file"), content(t, ws, "vendor/sub/vendor/inner/file"))
				}
				if leftOut := choice == TopSubmodules; j.has("first=vendor/sub/vendor/inner setting=checkout.submodules") != leftOut {
					t.Errorf("with %v the log is %s", choice, j.text.String())
				}
				if !j.has("vendor/sub/part.bin") || !j.has("setting=checkout.lfs") ||
					j.has("vendor/inner/part.bin") != (inner != "") {
					t.Errorf("with %v the log is %s", choice, j.text.String())
				}
			}
			ws, j := s.completed(t, s.project.last, Settings{Depth: 1, Submodules: AllSubmodules, LFS: true})
			for _, dir := range []string{"vendor/sub", "vendor/sub/vendor/inner"} {
				if content(t, ws, dir+"/part.bin") != "the part of "+filepath.Base(dir) ||
					git(t, filepath.Join(ws, dir), "status", "--porcelain") != "" {
					t.Errorf("%s/part.bin is %q", dir, content(t, ws, dir+"/part.bin"))
				}
			}
			if j.has("WARN") {
				t.Errorf("the log is %s", j.text.String())
			}
		})
	}
	t.Run("a commit that is not served is looked for in the submodule's branches", func(t *testing.T) {
		s := serveProject(t, "file")
		for _, dir := range []string{s.project.sub, s.project.inner} {
			git(t, dir, "config", "uploadpack.allowAnySHA1InWant", "false")
			for range 3 {
				git(t, dir, "commit", "-q", "--allow-empty", "-m", "later")
			}
		}
		s.recorder.variables = []string{"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=protocol.version", "GIT_CONFIG_VALUE_0=0"}
		ws, _ := s.completed(t, s.project.last, Settings{Depth: 1, Submodules: AllSubmodules})
		if content(t, ws, "vendor/sub/vendor/inner/file") != "inner" {
			t.Error("the submodules are not checked out")
		}
	})
	t.Run("a URL of the commit may not name a folder of the machine", func(t *testing.T) {
		s := serveProject(t, "https")
		git(t, s.project.dir, "config", "-f", ".gitmodules", "submodule.vendor/sub.url", "file://"+s.project.sub)
		git(t, s.project.dir, "commit", "-qam", "local")
		o := s.options
		o.SHA, o.Dir = git(t, s.project.dir, "rev-parse", "HEAD"), t.TempDir()
		if _, _, err := Checkout(t.Context(), s.recorder.run, o); err != nil {
			t.Fatal(err)
		}
		err := Complete(t.Context(), s.recorder.run, o, Settings{Depth: 1, Submodules: TopSubmodules})
		if !is[*SubmoduleError](err) || !strings.Contains(err.Error(), "not allowed") {
			t.Errorf("error is %v", err)
		}
	})
	t.Run("a submodule by ssh is fetched with the token", func(t *testing.T) {
		o, err := parseOrigin("https://git.example.com:8443/a/b", "tok")
		want := "url.https://git.example.com:8443/.insteadOf=git@git.example.com:"
		if got := strings.Join(o.rewrites(), " "); err != nil || !strings.Contains(got, want) {
			t.Errorf("%q, %v", got, err)
		}
		if o, _ := parseOrigin("https://git.example.com/a/b", ""); o.rewrites() != nil {
			t.Errorf("without a token: %q", o.rewrites())
		}
	})
}

func TestWhatIsLeftOfAnotherCommitIsRemoved(t *testing.T) {
	s := serveProject(t, "file")
	for name, clean := range map[string]bool{"clean": true, "as it is": false} {
		t.Run(name, func(t *testing.T) {
			ws := t.TempDir()
			write(t, ws, "migrations/005.sql", "drop") // as baked into an image, without .git
			write(t, ws, "node_modules/dep/index.js", "ignored")
			write(t, ws, ".runner/artifacts/x", "the runner's")
			write(t, ws, "runner.yaml", "version: 1\n")
			var j journal
			s.complete(t, ws, s.project.last, Settings{Depth: 1, Clean: clean}, &j)
			if (content(t, ws, "migrations/005.sql") == "") != clean {
				t.Error("the deleted migration is not handled")
			}
			for _, kept := range []string{"node_modules/dep/index.js", ".runner/artifacts/x", "runner.yaml"} {
				if content(t, ws, kept) == "" {
					t.Errorf("%s was removed", kept)
				}
			}
			message := "files that are not in the commit stay in the workspace"
			if clean {
				message = "removed files that are neither in the commit nor ignored"
			}
			if !j.has(message) || !j.has("first=migrations/") || !j.has("count=1") {
				t.Errorf("the log is %s", j.text.String())
			}
		})
	}
	t.Run("a home folder is not emptied", func(t *testing.T) {
		ws := t.TempDir()
		t.Setenv("HOME", ws)
		write(t, ws, "letter", "kept")
		s.complete(t, ws, s.project.last, Settings{Depth: 1, Clean: true}, &journal{})
		if content(t, ws, "letter") != "kept" {
			t.Error("it was")
		}
	})
}

// A server of protocol version 0, or one without uploadpack.allowReachableSHA1InWant, serves tips only.
func TestACommitThatIsNotServedIsLookedForInItsBranch(t *testing.T) {
	s := serveProject(t, "file")
	p := s.project
	git(t, p.dir, "config", "uploadpack.allowAnySHA1InWant", "false")
	for range 60 { // more than are fetched at first
		git(t, p.dir, "commit", "-q", "--allow-empty", "-m", "later")
	}
	git(t, p.dir, "update-ref", "refs/pull/5/head", "HEAD") // as GitHub has it of a pull request, from a fork as well
	s.recorder.variables = []string{"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=protocol.version", "GIT_CONFIG_VALUE_0=0"}
	for branch, found := range map[string]bool{
		"pr/5": true, "main": true, "refs/heads/main": true, "v1.0.0": false, "main:x": false, "--all": false,
		"pr/6": true, "merged-and-gone": true, "": true, // in all branches
	} {
		t.Run(branch, func(t *testing.T) {
			o := s.options
			o.SHA, o.Dir, o.Branch = p.last, t.TempDir(), branch
			c, _, err := Checkout(t.Context(), s.recorder.run, o)
			if found && (err != nil || c.SHA != p.last || content(t, o.Dir, "big.bin") == "") {
				t.Errorf("%+v, %v", c, err)
			}
			if !found && !is[*NotFoundError](err) {
				t.Errorf("error is %v", err)
			}
			if found {
				if err := Complete(t.Context(), s.recorder.run, o, Settings{Tags: true}); err != nil {
					t.Error(err)
				}
				git(t, o.Dir, "describe", "HEAD")
			}
		})
	}
}

func TestOriginIsSetWithoutCredentials(t *testing.T) {
	s := serveProject(t, "https")
	for name, c := range map[string]struct{ before, after string }{
		"there is none":        {"", s.options.URL},
		"it has a token in it": {strings.Replace(s.options.URL, "https://", "https://x:ghp_old@", 1), s.options.URL},
		"it is another":        {"https://x:y@example.com/a", "https://x:y@example.com/a"},
	} {
		t.Run(name, func(t *testing.T) {
			o := s.options
			o.SHA, o.Dir = s.project.first, t.TempDir()
			git(t, o.Dir, "init", "-q")
			if c.before != "" {
				git(t, o.Dir, "remote", "add", "origin", c.before)
			}
			if _, _, err := Checkout(t.Context(), s.recorder.run, o); err != nil {
				t.Fatal(err)
			}
			if url := git(t, o.Dir, "config", "remote.origin.url"); url != c.after {
				t.Errorf("origin is %s", url)
			}
		})
	}
}

func TestAMissingLFSProgramOrObjectIsAnError(t *testing.T) {
	s := serveProject(t, "file")
	o := s.options
	o.SHA, o.Dir = s.project.last, t.TempDir()
	if _, _, err := Checkout(t.Context(), s.recorder.run, o); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(s.project.dir, ".git", "lfs")); err != nil {
		t.Fatal(err)
	}
	if err := Complete(t.Context(), s.recorder.run, o, Settings{Depth: 1, LFS: true}); err == nil {
		t.Error("the pointer was left without an error")
	}
}

// Where git-lfs is installed for all users, a checkout would fetch files that the settings leave out, or fail.
func TestFiltersOfTheMachineDoNotFetch(t *testing.T) {
	s := serveProject(t, "file")
	s.recorder.variables = []string{
		"GIT_CONFIG_COUNT=2", "GIT_CONFIG_KEY_0=filter.lfs.smudge", "GIT_CONFIG_VALUE_0=git-lfs smudge -- %f",
		"GIT_CONFIG_KEY_1=filter.lfs.required", "GIT_CONFIG_VALUE_1=true",
	}
	ws, j := s.completed(t, s.project.last, Settings{Depth: 1})
	if !strings.HasPrefix(content(t, ws, "big.bin"), pointerStart) || !j.has("setting=checkout.lfs") {
		t.Errorf("big.bin is %q", content(t, ws, "big.bin"))
	}
}

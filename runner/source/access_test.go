package source

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// commandsGit runs git as the step's command does.
func commandsGit(dir string, variables map[string]string, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env = dir, slices.Concat(os.Environ(), isolated)
	for name, value := range variables {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func TestTheCommandsGitHasAccessWhileTheStepLasts(t *testing.T) {
	for _, scheme := range []string{"https", "ssh"} {
		t.Run(scheme, func(t *testing.T) {
			s := serveProject(t, scheme)
			ws, _ := s.completed(t, s.project.last, Settings{Depth: 1})
			o := s.options
			access, err := OpenAccess(o)
			if err != nil {
				t.Fatal(err)
			}
			defer access.Close()
			variables := map[string]string{
				"GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "user.name", "GIT_CONFIG_VALUE_0": "ci",
			}
			for _, v := range s.recorder.variables { // the certificate
				name, value, _ := strings.Cut(v, "=")
				variables[name] = value
			}
			if out, err := commandsGit(ws, variables, "fetch", "--unshallow"); err == nil {
				t.Fatalf("it works without access, so this tests nothing: %s", out)
			}
			access.Configure(variables)
			for _, value := range variables {
				if strings.Contains(value, token) || strings.Contains(value, "PRIVATE") {
					t.Error("a secret is in the environment")
				}
			}
			if out, err := commandsGit(ws, variables, "fetch", "--unshallow", "--tags"); err != nil {
				t.Errorf("%v: %s", err, out)
			}
			if out, err := commandsGit(ws, variables, "config", "user.name"); out != "ci" {
				t.Errorf("its own settings are lost: %s, %v", out, err)
			}
			access.Close()
			if out, err := commandsGit(ws, variables, "ls-remote"); err == nil {
				t.Errorf("it still has access: %s", out)
			}
		})
	}
}

func TestTheTokenIsForItsHostOnly(t *testing.T) {
	access, err := OpenAccess(Options{URL: "https://git.example.com/a/b", Token: token})
	if err != nil {
		t.Fatal(err)
	}
	defer access.Close()
	variables := map[string]string{"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true"}
	access.Configure(variables)
	for request, granted := range map[string]bool{
		"protocol=https\nhost=git.example.com\n\n":      true,
		"protocol=https\nhost=evil.example.com\n\n":     false,
		"protocol=http\nhost=git.example.com\n\n":       false,
		"protocol=https\nhost=git.example.com:444\n\n":  false,
		"protocol=https\nhost=git.example.com.evil\n\n": false,
	} {
		cmd := exec.CommandContext(context.Background(), "git", "credential-cache", "--socket", access.socket(), "get")
		cmd.Stdin = strings.NewReader(request)
		out, err := cmd.Output()
		if err != nil || strings.Contains(string(out), token) != granted {
			t.Errorf("%q: %q, %v", request, out, err)
		}
	}
	if info, err := os.Stat(filepath.Dir(access.socket())); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("its folder is %v, %v", info.Mode(), err)
	}
}

func TestAccessWithoutCredentialsWarns(t *testing.T) {
	var j journal
	access, err := OpenAccess(Options{URL: "https://git.example.com/a/b", Log: j.log()})
	if err != nil {
		t.Fatal(err)
	}
	defer access.Close()
	variables := map[string]string{}
	if access.Configure(variables); len(variables) > 0 || !j.has("setting=checkout.credentials") {
		t.Errorf("%v %s", variables, j.text.String())
	}
	if _, err := OpenAccess(Options{URL: "ssh://git@example.com/a", SSHKey: "hunter2"}); !is[*Error](err) {
		t.Errorf("error is %v", err)
	}
}

// A .git of another user in a parent folder can name programs that git would run.
func TestARepositoryOfAnotherUserIsNotTrusted(t *testing.T) {
	top := t.TempDir()
	victim := filepath.Join(top, "victim")
	ran := filepath.Join(t.TempDir(), "ran")
	write(t, victim, "runner.yaml", "version: 1\n")
	git(t, top, "init", "-q")
	git(t, top, "add", ".")
	git(t, top, "commit", "-qm", "x")
	write(t, top, ".git/info/attributes", "* filter=evil\n")
	git(t, top, "config", "filter.evil.clean", "touch "+ran+"; cat")
	write(t, victim, "runner.yaml", "version: 2\n")

	r := &recorder{}
	if os.Geteuid() == 0 {
		for _, path := range []string{top, filepath.Join(top, ".git")} {
			if err := os.Chown(path, 65534, 65534); err != nil {
				t.Fatal(err)
			}
		}
	} else {
		r.variables = []string{"GIT_TEST_ASSUME_DIFFERENT_OWNER=1"}
	}
	_, err := Describe(t.Context(), r.run, victim)
	var ownership *OwnershipError
	if !errors.As(err, &ownership) || !errors.Is(err, ErrNoRepository) || ownership.Hint() == "" {
		t.Errorf("error is %v", err)
	}
	if _, err := os.Lstat(ran); err == nil {
		t.Error("a program of the repository was run")
	}
	// The workspace itself is trusted: its runner.yaml is run as well.
	if _, err := Describe(t.Context(), r.run, top); err != nil {
		t.Errorf("the workspace itself: %v", err)
	}
}

func TestTheCommandsGitMayUseAWorkspaceOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("only root can give a folder away; the variables are tested only")
		variables := map[string]string{}
		if TrustWorkspace(t.TempDir(), variables); len(variables) > 0 {
			t.Errorf("%v", variables)
		}
		return
	}
	dir, _, second := repository(t)
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if out, err := commandsGit(dir, nil, "rev-parse", "HEAD"); err == nil {
		t.Fatalf("git does not object, so this tests nothing: %s", out)
	}
	variables := map[string]string{}
	TrustWorkspace(dir, variables)
	if out, err := commandsGit(dir, variables, "rev-parse", "HEAD"); err != nil || out != second {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := commandsGit(dir, variables, "config", "--get-all", "safe.directory"); err != nil || out != dir {
		t.Errorf("trusted are %q, %v", out, err)
	}
}

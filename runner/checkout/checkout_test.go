package checkout

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/environment"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/runner/source"
	"github.com/carlin-cicd/runner/steps"
)

func TestSettings(t *testing.T) {
	for name, c := range map[string]struct {
		checkout steps.Checkout
		clean    bool
		want     source.Settings
	}{
		"nothing is set":                 {steps.Checkout{}, false, source.Settings{Depth: 1}},
		"nothing is set, in a container": {steps.Checkout{}, true, source.Settings{Depth: 1, Clean: true}},
		"all history": {
			steps.Checkout{Depth: new(int), Tags: pointer(true), Filter: pointer("blob:none")},
			false,
			source.Settings{Tags: true, Filter: "blob:none"},
		},
		"no submodules": {
			steps.Checkout{Submodules: pointer(steps.WithoutSubmodules)}, false, source.Settings{Depth: 1},
		},
		"submodules and files in LFS": {
			steps.Checkout{Submodules: pointer(steps.WithSubmodules), LFS: pointer(true)},
			false,
			source.Settings{Depth: 1, Submodules: source.TopSubmodules, LFS: true},
		},
		"all submodules": {
			steps.Checkout{Submodules: pointer(steps.RecursiveSubmodules), Clean: pointer(false)},
			true,
			source.Settings{Depth: 1, Submodules: source.AllSubmodules},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := settings(c.checkout, c.clean); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

func pointer[T any](value T) *T { return &value }

func TestTheCommandHasTheCredentialsOnlyIfTheStepSaysSo(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	variables := map[string]string{"GITHUB_TOKEN": "ghp_0123456789abcdefghij"}
	s := session.New(
		t.Context(),
		variables,
		config.Config{Repository: "https://git.example.com/a/b", Workspace: t.TempDir()},
	)
	c := New(s, &environment.Private{})
	for name, settings := range map[string]steps.Checkout{
		"by default": {}, "with none": {Credentials: pointer(steps.WithoutCheckoutCredentials)},
	} {
		env := map[string]string{}
		if err := c.Configure(settings, env); err != nil || len(env) > 0 {
			t.Errorf("%s it gets %v, %v", name, env, err)
		}
	}
	env := map[string]string{}
	if err := c.Configure(steps.Checkout{Credentials: pointer(steps.StepCheckoutCredentials)}, env); err != nil {
		t.Fatal(err)
	}
	sockets := func() []string {
		found, _ := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "*", "*"))
		return found
	}
	if !strings.Contains(env["GIT_CONFIG_KEY_1"], "credential.https://git.example.com.helper") || len(sockets()) != 1 {
		t.Errorf("it gets %v, by %v", env, sockets())
	}
	c.Close()
	if left := sockets(); len(left) > 0 {
		t.Errorf("%v are left", left)
	}
}

func TestAFailedCheckoutIsAnErrorOfTheSource(t *testing.T) {
	s := session.New(t.Context(), nil, config.Config{Repository: "file:///nowhere", Workspace: t.TempDir()})
	s.Ref.SHA = strings.Repeat("a", 40)
	var failed outcome.SourceError
	if _, err := New(s, &environment.Private{}).Fetch(); !errors.As(err, &failed) {
		t.Errorf("error is %v", err)
	}
}

package artifacts_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/artifactstest"
	"github.com/carlin-cicd/runner/artifacts/keys"
)

var main1 = artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1}

// A folder that is a link, or is reached through one that leaves the workspace, is not published, nor fetched into.
func TestLinkedFoldersAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name, link, target, dir string
		within                  bool // the workspace
		refused                 bool
	}{
		{"the folder is a link out of the workspace", "dist", "OUTSIDE", "dist", false, true},
		{"the same within the workspace", "dist", "OUTSIDE", "dist", true, true},
		{"the folder is a link to another of the workspace", "dist", "real", "dist", true, true},
		{"the folder is a link with a slash after it", "dist", "OUTSIDE", "dist/", false, true},
		{"the folder is a link that points nowhere", "dist", "nowhere", "dist", true, true},
		{"a folder above it is a link out of the workspace", "out", "OUTSIDE", "out/sub", true, true},
		{"a folder above it is a link within the workspace", "out", "real", "out/sub", true, false},
		{"it is not in the workspace", "unused", "real", "../elsewhere", true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, store := newStore(t)
			top := t.TempDir()
			outside := artifactstest.Files{"x": "outside", "sub/x": "outside"}
			outside.Write(t, filepath.Join(top, "outside"))
			outside.Write(t, filepath.Join(top, "elsewhere"))
			workspace := filepath.Join(top, "workspace")
			artifactstest.Files{"real/x": "x", "real/sub/x": "x"}.Write(t, workspace)
			target := strings.ReplaceAll(tt.target, "OUTSIDE", filepath.Join(top, "outside"))
			artifactstest.Must(t, os.Symlink(target, filepath.Join(workspace, tt.link)))
			dir, within := workspace+"/"+tt.dir, ""
			if tt.within {
				within = workspace
			}
			set := artifacts.Set{Kind: "builds", Ref: main1, Dir: dir, Within: within}
			_, err := artifacts.Publish(t.Context(), s, set)
			checkFolderError(t, "publish", err, tt.refused)
			if tt.refused {
				artifactstest.Equal(t, "store", artifactstest.Read(t, store), artifactstest.Files{})
			}

			set.Dir, set.Within = artifactstest.Files{"x": "fetched", "new": "fetched"}.Dir(t), ""
			artifactstest.Publish(t, s, set)
			_, err = artifacts.Fetch(t.Context(), s, "builds", main1, dir, artifacts.FetchOptions{Within: within})
			checkFolderError(t, "fetch", err, tt.refused)
			artifactstest.Equal(t, "outside", artifactstest.Read(t, filepath.Join(top, "outside")), outside)
			artifactstest.Equal(t, "elsewhere", artifactstest.Read(t, filepath.Join(top, "elsewhere")), outside)
		})
	}
}

func checkFolderError(t *testing.T, op string, err error, want bool) {
	t.Helper()
	var refused *artifacts.FolderError
	if errors.As(err, &refused) != want || (err != nil) != want {
		t.Errorf("%s: %v, want a *FolderError: %v", op, err, want)
	}
	if want && (refused == nil || refused.Hint() == "") {
		t.Errorf("%s: no hint", op)
	}
}

func TestNothingIsFetchedBelowGit(t *testing.T) {
	for name, tt := range map[string]struct{ file, dir string }{
		"a hook":                        {".git/hooks/pre-commit", "out"},
		"of a submodule":                {"vendor/lib/.git/config", "out"},
		"a link file of a worktree":     {".git", "out"},
		"in capitals":                   {".GIT/config", "out"},
		"with a dot that Windows drops": {".git./config", "out"},
		"the short name of Windows":     {"GIT~1/config", "out"},
		"a folder that is one":          {"config", "out/.git"},
		"a folder in one":               {"x", "out/.git/hooks"},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := newStore(t)
			dist := artifactstest.Files{tt.file: "#!/bin/sh\n", "good": "x"}.Dir(t)
			artifactstest.Publish(
				t,
				s,
				artifacts.Set{Kind: "builds", Ref: main1, Dir: dist, Include: []string{"**/.*"}},
			)
			top := t.TempDir()
			_, err := artifacts.Fetch(
				t.Context(),
				s,
				"builds",
				main1,
				filepath.Join(top, tt.dir),
				artifacts.FetchOptions{},
			)
			var refused *artifacts.GitError
			if !errors.As(err, &refused) {
				t.Errorf("fetch: %v, want a *GitError", err)
			}
			artifactstest.Equal(t, "fetched", artifactstest.Read(t, top), artifactstest.Files{})
		})
	}
	t.Run("the rest of the set can be had", func(t *testing.T) {
		s, _ := newStore(t)
		dist := artifactstest.Files{".git/hooks/x": "#!/bin/sh\n", "good": "x", ".gitignore": "y"}.Dir(t)
		artifactstest.Publish(t, s, artifacts.Set{Kind: "builds", Ref: main1, Dir: dist, Include: []string{".*"}})
		out := t.TempDir()
		_, err := artifacts.Fetch(
			t.Context(),
			s,
			"builds",
			main1,
			out,
			artifacts.FetchOptions{Exclude: []string{".git"}},
		)
		artifactstest.Must(t, err)
		artifactstest.Equal(
			t,
			"fetched",
			artifactstest.Read(t, out),
			artifactstest.Files{"good": "x", ".gitignore": "y"},
		)
	})
}

func TestDotFilesAreLeftOutUnlessNamed(t *testing.T) {
	all := artifactstest.Files{
		"index.html": "1", "assets/a.js": "2", ".env": "3", "assets/.env.local": "4", ".cache/x/y": "5", ".cache/x/z": "6",
		".well-known/security.txt": "7", ".nojekyll": "8", ".vite/manifest.json": "9", "sub/.well-known/x": "10",
	}
	visible := []string{"index.html", "assets/a.js", ".well-known/security.txt", ".nojekyll", ".vite/manifest.json"}
	for _, tt := range []struct {
		name            string
		include, hidden []string
		also            []string // paths that are published as well
	}{
		{"none is named", nil, []string{".cache/", ".env", "assets/.env.local", "sub/.well-known/"}, nil},
		{"one is named", []string{".env"}, []string{".cache/", "assets/.env.local", "sub/.well-known/"}, []string{".env"}},
		{"a folder is named", []string{".cache/"}, []string{".env", "assets/.env.local", "sub/.well-known/"}, []string{".cache/x/y", ".cache/x/z"}},
		{"a file in one is named", []string{".cache/x/y"}, []string{".cache/x/", ".cache/x/z", ".env", "assets/.env.local", "sub/.well-known/"}[1:], []string{".cache/x/y"}},
		{"at any depth", []string{"**/.env*"}, []string{".cache/x/", "sub/.well-known/"}, []string{".env", "assets/.env.local"}},
		{"all", []string{"**"}, nil, []string{".env", "assets/.env.local", ".cache/x/y", ".cache/x/z", "sub/.well-known/x"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, store := newStore(t)
			p, err := artifacts.Publish(t.Context(), s, artifacts.Set{
				Kind: "builds", Ref: main1, Dir: all.Dir(t), Include: tt.include,
			})
			artifactstest.Must(t, err)
			want := artifactstest.Files{}
			for _, name := range slices.Concat(visible, tt.also) {
				want[name] = all[name]
			}
			got := artifactstest.Read(t, store).Without("manifests/")
			artifactstest.Equal(t, "store", got, want.Under(keys.Set("builds", main1)))
			if tt.name != "at any depth" && !slices.Equal(p.Hidden, tt.hidden) {
				t.Errorf("left out %q, want %q", p.Hidden, tt.hidden)
			}
		})
	}
	t.Run("nothing else is there", func(t *testing.T) {
		s, _ := newStore(t)
		dir := artifactstest.Files{".env": "1"}.Dir(t)
		_, err := artifacts.Publish(t.Context(), s, artifacts.Set{Kind: "builds", Ref: main1, Dir: dir})
		var missing *artifacts.MissingError
		if !errors.As(err, &missing) || !strings.Contains(err.Error(), "begin with a dot") {
			t.Error(err)
		}
	})
	t.Run("a link in a hidden folder is not looked at", func(t *testing.T) {
		s, _ := newStore(t)
		dir := artifactstest.Files{".cache/x": "1", "y": "2"}.Dir(t)
		artifactstest.Must(t, os.Symlink("/etc", filepath.Join(dir, ".cache/etc")))
		artifactstest.Publish(t, s, artifacts.Set{Kind: "builds", Ref: main1, Dir: dir})
	})
}

func TestFetchSelects(t *testing.T) {
	all := artifactstest.Files{"index.html": "1", "assets/a.js": "2", "assets/a.js.map": "3", "assets/deep/b.js": "4"}
	for _, tt := range []struct {
		name          string
		only, exclude []string
		want          []string // nil: an error
	}{
		{"everything", nil, nil, []string{"index.html", "assets/a.js", "assets/a.js.map", "assets/deep/b.js"}},
		{"a file", []string{"index.html"}, nil, []string{"index.html"}},
		{"a folder", []string{"assets"}, nil, []string{"assets/a.js", "assets/a.js.map", "assets/deep/b.js"}},
		{"a glob in a folder", []string{"assets/*.js"}, nil, []string{"assets/a.js"}},
		{"a glob at any depth", []string{"**/*.js"}, nil, []string{"assets/a.js", "assets/deep/b.js"}},
		{"alternatives", []string{"index.html", "**/*.map"}, nil, []string{"index.html", "assets/a.js.map"}},
		{"all but some", nil, []string{"**/*.map"}, []string{"index.html", "assets/a.js", "assets/deep/b.js"}},
		{"all but a folder", nil, []string{"assets/"}, []string{"index.html"}},
		{"some of some", []string{"assets"}, []string{"assets/deep"}, []string{"assets/a.js", "assets/a.js.map"}},
		{"nothing", []string{"*.css"}, nil, nil},
		{"everything is excluded", nil, []string{"**"}, nil},
		{"not a glob", []string{"[a"}, nil, nil},
		{"an absolute path", nil, []string{"/etc"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, _ := newStore(t)
			artifactstest.Publish(t, s, artifacts.Set{Kind: "builds", Ref: main1, Dir: all.Dir(t)})
			out := filepath.Join(t.TempDir(), "out")
			m, err := artifacts.Fetch(
				t.Context(),
				s,
				"builds",
				main1,
				out,
				artifacts.FetchOptions{Only: tt.only, Exclude: tt.exclude},
			)
			if tt.want == nil {
				var none *artifacts.SelectionError
				var key *artifacts.KeyError
				if !errors.As(err, &none) && !errors.As(err, &key) {
					t.Errorf("%v, want a *SelectionError or a *KeyError", err)
				}
				if _, err := os.Stat(out); err == nil {
					t.Error("the folder was created")
				}
				return
			}
			artifactstest.Must(t, err)
			want := artifactstest.Files{}
			for _, name := range tt.want {
				want[name] = all[name]
			}
			artifactstest.Equal(t, "fetched", artifactstest.Read(t, out), want)
			if len(m.Files) != len(want) {
				t.Errorf("the manifest has %d files, want %d", len(m.Files), len(want))
			}
		})
	}
}

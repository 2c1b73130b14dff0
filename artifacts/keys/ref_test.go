package keys

import (
	"errors"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

const (
	sha1 = "0123456789abcdef0123456789abcdef01234567"
	sha2 = "89abcdef0123456789abcdef0123456789abcdef"
)

func TestValidate(t *testing.T) {
	for _, tt := range []struct {
		name string
		ref  Ref
		part string // of the KeyError; "" for a good ref
	}{
		{"a branch and a full SHA", Ref{"main", sha1}, ""},
		{"a SHA-256", Ref{"main", strings.Repeat("a1", 32)}, ""},
		{"an abbreviated SHA", Ref{"main", "abc1234"}, ""},
		{"slashes", Ref{"feature/a/b", sha1}, ""},
		{"what git allows and people fear", Ref{"fix/#1%20+ü@x{y}", sha1}, ""},
		{"a dash inside", Ref{"a-b/-c", sha1}, ""},
		{"no branch", Ref{"", sha1}, "branch"},
		{"HEAD", Ref{"HEAD", sha1}, "branch"},
		{"a way up", Ref{"a/../b", sha1}, "branch"},
		{"an absolute path", Ref{"/etc", sha1}, "branch"},
		{"a trailing slash", Ref{"a/", sha1}, "branch"},
		{"a space", Ref{"a b", sha1}, "branch"},
		{"a newline", Ref{"a\nb", sha1}, "branch"},
		{"the mark", Ref{"a/latest~", sha1}, "branch"},
		{"not UTF-8", Ref{"a\xff", sha1}, "branch"},
		{"a lock", Ref{"a.lock/b", sha1}, "branch"},
		{"no SHA", Ref{"main", ""}, "sha"},
		{"six digits", Ref{"main", "abc123"}, "sha"},
		{"65 digits", Ref{"main", strings.Repeat("a", 65)}, "sha"},
		{"latest", Ref{"main", "latest"}, "sha"},
		{"upper case", Ref{"main", "ABCDEF1"}, "sha"},
		{"a way up for a SHA", Ref{"main", "../../x"}, "sha"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.ref.Validate()
			var key *Error
			if errors.As(err, &key) != (tt.part != "") || key != nil && key.Part != tt.part {
				t.Errorf("Validate(%q) = %v, want an error about %q", tt.ref, err, tt.part)
			}
		})
	}
}

// FuzzBranch holds our rules to git's own.
func FuzzBranch(f *testing.F) {
	for _, s := range []string{
		"main", "a/b", "a//b", "/a", "a/", ".a", "a/.b", "a.", "a./b", "a..b", "a.lock", "a.lock/b", "a.lockx", "-a", "a/-b",
		"HEAD", "a/HEAD", "refs/heads/a", "a~", "a^", "a:b", "a?", "a*", "a[", "a]", `a\b`, "a b", "a\tb", "a\x7f", "a@{b", "@a",
		"a@", "a/@", "@{-1}", "ü", "a\u00a0b", "a\u0085b", "{", "%2e", ".", "..", "", "lock", ".lock", "a/.lock", "a{", "a@b{",
	} {
		f.Add(s)
	}
	git, err := exec.LookPath("git")
	if err != nil {
		f.Fatal(err)
	}
	nowhere := f.TempDir()
	f.Fuzz(func(t *testing.T, branch string) {
		if !utf8.ValidString(branch) || branch == "@" || strings.ContainsRune(branch, 0) || len(branch) > 4096 {
			t.Skip("we are stricter, or git cannot be asked")
		}
		cmd := exec.Command(git, "check-ref-format", "--branch", branch)
		cmd.Dir, cmd.Env = nowhere, []string{"GIT_CEILING_DIRECTORIES=" + filepath.Dir(nowhere)}
		err := cmd.Run()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if ours := CheckBranch(branch); (ours == nil) != (err == nil) {
			t.Errorf("%q: git says %v, we say %v", branch, err, ours)
		}
	})
}

func TestKeysOfAwkwardBranches(t *testing.T) {
	for _, tt := range []struct{ name, got, want string }{
		{"a plain branch", Set("builds", Ref{"main", sha1}), "builds/main/" + sha1},
		{"slashes stay", Set("builds", Ref{"feature/x", sha1}), "builds/feature/x/" + sha1},
		{"a first segment is never marked", Set("builds", Ref{"latest", sha1}), "builds/latest/" + sha1},
		{"the mirror of a branch above", Set("builds", Ref{"a/latest", sha1}), "builds/a/latest~/" + sha1},
		{"a set of a branch above", Set("builds", Ref{"a/" + sha2, sha1}), "builds/a/" + sha2 + "~/" + sha1},
		{"a manifest of a branch above", Manifest("builds", Ref{"a/" + sha2 + ".json", sha1}), "manifests/builds/a/" + sha2 + ".json~/" + sha1 + ".json"},
		{"the newest set's record of a branch above", LatestManifest("builds", "a/latest.json"), "manifests/builds/a/latest.json~/latest.json"},
		{"an abbreviation of a branch above", Set("builds", Ref{"a/deadbeef", sha1}), "builds/a/deadbeef~/" + sha1},
		{"a date stays", Set("builds", Ref{"release/20261123", sha1}), "builds/release/20261123/" + sha1},
		{"an abbreviation like a date does not", Set("builds", Ref{"release", "20261123"}), "builds/release/20261123~"},
		{"a full SHA of digits stays", Set("builds", Ref{"a", strings.Repeat("1", 40)}), "builds/a/" + strings.Repeat("1", 40)},
		{"the mirror", Mirror("coverage", "a/b"), "coverage/a/b/latest"},
		{"a run", Run(Ref{"a/b", sha1}, "test", "", "r1"), "runs/a/b/" + sha1 + "/test/r1"},
		{"a run in an environment", Run(Ref{"a", sha1}, "deploy", "Staging", "r1"), "runs/a/" + sha1 + "/deploy@Staging/r1"},
		{"a run with a slash in its names", Run(Ref{"a", sha1}, "x/y", "../z", "r/1"), "runs/a/" + sha1 + "/x~y@..~z/r~1"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, tt.got, tt.want)
		}
	}
}

func TestKeys(t *testing.T) {
	for _, tt := range []struct {
		name, key string
		ok        bool
	}{
		{"a plain key", "builds/main/x/index.html", true},
		{"one segment", "a", true},
		{"spaces, unicode, percent, plus, newline", "a/b c/ü/%2e%2e/+/\n", true},
		{"dots in names", "a/..b/c../...", true},
		{"empty", "", false},
		{"absolute", "/etc/passwd", false},
		{"a way up", "../x", false},
		{"a way up in the middle", "a/../../x", false},
		{"a way up at the end", "a/..", false},
		{"just up", "..", false},
		{"just here", ".", false},
		{"here in the middle", "a/./b", false},
		{"an empty segment", "a//b", false},
		{"a trailing slash", "a/", false},
		{"a zero byte", "a\x00b", false},
		{"not UTF-8", "a\xff", false},
		{"files in the making", Partial + "/x", false},
		{"the longest", strings.Repeat("a", 1024), true},
		{"too long", strings.Repeat("a", 1025), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := Check(tt.key)
			var key *Error
			if (err == nil) != tt.ok || err != nil && !errors.As(err, &key) {
				t.Errorf("Check(%q) = %v", tt.key, err)
			}
		})
	}
}

func FuzzKey(f *testing.F) {
	f.Add("a/b")
	f.Add("../a")
	f.Add("a/./../..")
	f.Fuzz(func(t *testing.T, key string) {
		if Check(key) != nil {
			t.Skip()
		}
		if joined := path.Join("/top", key); joined != "/top/"+key || !filepath.IsLocal(key) || len(key) > MaxKey {
			t.Errorf("%q is taken, and means %q", key, joined)
		}
	})
}

func TestKinds(t *testing.T) {
	for kind, ok := range map[string]bool{
		"builds": true, "coverage": true, "e2e_videos-2.0": true,
		"": false, "manifests": false, "runs": false, "tests": false, "cache": false, "locks": false, "deployments": false,
		"a/b": false, "..": false, ".x": false, "-x": false, "a b": false, "ü": false, Partial: false,
	} {
		if err := CheckKind(kind); (err == nil) != ok {
			t.Errorf("CheckKind(%q) = %v", kind, err)
		}
	}
}

func TestAStepAndAnEnvironmentShareNoKeyWithAnotherPair(t *testing.T) {
	ref := Ref{"main", sha1}
	pairs := [][2]string{
		{"t", "prod"},
		{"t-prod", ""},
		{"t", ""},
		{"t.prod", ""},
		{"t_prod", ""},
		{"t-prod", "eu"},
		{"t", "prod-eu"},
	}
	seen := map[string][2]string{}
	for _, p := range pairs {
		for _, key := range []string{Run(ref, p[0], p[1], "r"), LatestRun(ref, p[0], p[1]), LatestRunOnBranch("main", p[0], p[1])} {
			if other, ok := seen[key]; ok {
				t.Errorf("%q and %q share %s", p, other, key)
			}
			seen[key] = p
		}
	}
}

func TestParseFinishedRunIsTheInverseOfRun(t *testing.T) {
	for _, ref := range []Ref{{"main", sha1}, {"a/b", sha2}, {"a", "20261123"}} {
		sha, id, ok := ParseFinishedRun(Run(ref, "deploy", "prod", "r1")+"/finished.json", ref.Branch, "deploy", "prod")
		if !ok || sha != ref.SHA || id != "r1" {
			t.Errorf("%v: got %q, %q, %v", ref, sha, id, ok)
		}
		if _, _, ok := ParseFinishedRun(Run(ref, "deploy", "prod", "r1")+"/finished.json", ref.Branch, "deploy-prod", ""); ok {
			t.Errorf("%v: the run of deploy in prod reads as one of step deploy-prod", ref)
		}
	}
}

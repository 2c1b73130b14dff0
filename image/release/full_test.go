//go:build release

package release

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// What make release has made, installed in each way. Run by make test-release, after the build.
func TestTheRelease(t *testing.T) {
	dir, err := filepath.Abs("../../bin/release")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^  version "(.*)"$`).FindStringSubmatch(read(t, filepath.Join(dir, "runner.rb")))
	if found == nil {
		t.Fatal("runner.rb has no version")
	}
	number := found[1]
	must := func(t *testing.T, program string, args ...string) string {
		t.Helper()
		out, code := call(t, dir, nil, program, args...)
		if code != 0 {
			t.Fatalf("%s %v: exit %d\n%s", program, args, code, out)
		}
		return out
	}
	want := fmt.Sprintf("runner  %s\n", number)

	t.Run("has a checksum for each file", func(t *testing.T) {
		must(t, "sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS")
		files, err := os.ReadDir(dir)
		if lines := strings.Count(read(t, filepath.Join(dir, "SHA256SUMS")), "\n"); err != nil || lines != len(files)-1 {
			t.Errorf("%d checksums for %d files, %v", lines, len(files), err)
		}
	})
	t.Run("has no binary for Linux beyond the limit", func(t *testing.T) {
		for _, p := range platforms[:2] {
			info, err := os.Stat(filepath.Join(dir, "runner-"+p))
			if err != nil || info.Size() > 24<<20 {
				t.Errorf("%s: %v, %v", p, info.Size(), err)
			}
		}
	})
	t.Run("is a deb", func(t *testing.T) {
		root, file := t.TempDir(), fmt.Sprintf("carlin-cicd-runner_%s-1_%s.deb", number, runtime.GOARCH)
		for _, f := range []string{"var/lib/dpkg/status", "var/lib/dpkg/available"} {
			write(t, filepath.Join(root, f), "")
		}
		for _, f := range []string{"var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers"} {
			if err := os.MkdirAll(filepath.Join(root, f), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		dpkg := []string{"--root=" + root, "--log=/dev/null", "--force-not-root", "--force-script-chrootless"}
		must(t, "dpkg", append(dpkg, "--install", file)...)
		if out := must(t, filepath.Join(root, "usr/bin/runner"), "version"); !strings.HasPrefix(out, want) {
			t.Errorf("%s", out)
		}
		for _, f := range []string{"usr/share/man/man1/runner.1.gz", "usr/share/bash-completion/completions/runner", "usr/share/doc/carlin-cicd-runner/copyright"} {
			if _, err := os.Stat(filepath.Join(root, f)); err != nil {
				t.Error(err)
			}
		}
		must(t, "dpkg", append(dpkg, "--remove", "carlin-cicd-runner")...)
		if _, err := os.Stat(filepath.Join(root, "usr/bin/runner")); !os.IsNotExist(err) {
			t.Errorf("after its removal: %v", err)
		}
	})
	t.Run("is an rpm", func(t *testing.T) {
		arch := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
		file := fmt.Sprintf("carlin-cicd-runner-%s-1.%s.rpm", number, arch)
		if out := must(t, "rpm", "-qp", "--queryformat", "%{name} %{version} %{arch} %{license}\n", file); out != "carlin-cicd-runner "+number+" "+arch+" MIT\n" {
			t.Errorf("%s", out)
		}
		if out := must(t, "rpm", "-qpl", file); !strings.Contains(out, "/usr/bin/runner\n") || !strings.Contains(out, "/usr/share/zsh/site-functions/_runner\n") {
			t.Errorf("%s", out)
		}
		must(t, "rpm", "-K", "--nosignature", file)
	})
	t.Run("is an npm package", func(t *testing.T) {
		project := t.TempDir()
		write(t, filepath.Join(project, "package.json"), `{"private":true}`)
		platform := runtime.GOOS + "-" + map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
		must(t, "npm", "install", "--silent", "--prefix", project, "--offline", "--omit=optional", "--no-audit", "--no-fund", "--cache", t.TempDir(),
			filepath.Join(dir, "carlin-cicd-runner-"+number+".tgz"), filepath.Join(dir, "carlin-cicd-runner-"+platform+"-"+number+".tgz"))
		if out, code := call(t, project, nil, "npx", "--offline", "runner", "version"); code != 0 || !strings.HasPrefix(out, want) {
			t.Errorf("exit %d: %s", code, out)
		}
	})
	t.Run("is a formula", func(t *testing.T) { must(t, "ruby", "-c", "runner.rb") })
	t.Run("is installed by its script", func(t *testing.T) {
		served, to := t.TempDir(), filepath.Join(t.TempDir(), "bin")
		if err := os.Symlink(dir, filepath.Join(served, "v"+number)); err != nil {
			t.Fatal(err)
		}
		must(t, "sh", "install.sh", "--to", to, "--from", "file://"+served)
		if out := must(t, filepath.Join(to, "runner"), "version"); !strings.HasPrefix(out, want) {
			t.Errorf("%s", out)
		}
	})
}

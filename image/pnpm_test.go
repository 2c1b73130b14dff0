//go:build container

package image

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// bakesPnpm: the version of pnpm that a project pins is in its image, and used without a network, by scripts of scripts too.
func (e *engine) bakesPnpm(t *testing.T) {
	const pinned = "10.33.0"
	build := func(t *testing.T, manager string) string {
		t.Helper()
		dir := t.TempDir()
		for name, text := range map[string]string{
			"package.json":   `{"name":"a","private":true,"packageManager":"` + manager + `","scripts":{"own":"pnpm --version","nested":"pnpm run own"}}`,
			"pnpm-lock.yaml": "lockfileVersion: '9.0'\n\nsettings:\n  autoInstallPeers: true\n  excludeLinksFromLockfile: false\n\nimporters:\n\n  .: {}\n",
			"Dockerfile":     "FROM " + baseTag + "\nCOPY --chown=1000:1000 . .\nRUN pnpm install --frozen-lockfile\nVOLUME [\"/workspace\", \"/pnpm\"]\n",
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		tag := "localhost/pnpm:" + strings.Map(func(r rune) rune {
			if r == '@' || r == '+' {
				return '-'
			}
			return r
		}, manager[:min(len(manager), 20)])
		_, stderr, code := e.try(t, "build", "--quiet", "--isolation", "chroot", "--tag", tag, "--file", filepath.Join(dir, "Dockerfile"), dir)
		if code != 0 {
			return stderr
		}
		return tag
	}
	// As a task runs it, but with no network at all, and no home that outlives anything.
	run := func(t *testing.T, tag, script string) string {
		t.Helper()
		out, stderr, code := e.try(t, append(task(containerName(t), "--rm", "--network", "none", "--entrypoint", "sh", tag, "-c"), script)...)
		if code != 0 {
			t.Errorf("exit %d\n%s%s", code, tail(out), tail(stderr))
		}
		return out + stderr
	}
	last := func(out string) string {
		lines := strings.Split(strings.TrimSpace(out), "\n")
		return lines[len(lines)-1]
	}

	tag := build(t, "pnpm@"+pinned)
	if out := run(t, tag, "pnpm --version && pnpm run nested"); !strings.HasPrefix(out, pinned+"\n") || last(out) != pinned {
		t.Errorf("%s", out)
	}
	own := strings.TrimSpace(run(t, baseTag, "cat /opt/pnpm/default"))
	if out := run(t, baseTag, "pnpm --version"); strings.TrimSpace(out) != own || own == pinned {
		t.Errorf("the image's own: %s", out)
	}
	// Without the pinned version and without a network, the image's own serves, and says so.
	out := run(t, baseTag, `cd /tmp && echo '{"packageManager": "pnpm@9.0.1", "scripts": {"own": "pnpm --version"}}' >package.json && pnpm run own`)
	if !strings.Contains(out, "pnpm 9.0.1, which packageManager pins, could not be installed") || !strings.Contains(out, "\n"+own+"\n") {
		t.Errorf("%s", out)
	}
	if said := build(t, "pnpm@"+pinned+"+sha512."+strings.Repeat("ab", 64)); !strings.Contains(said, "does not have the hash in packageManager") {
		t.Errorf("another hash than that of what was installed: %s", said)
	}
	listing := run(t, baseTag, "find /root/.npm /home/node/.npm /home/node/.cache /tmp -mindepth 1 2>/dev/null; true")
	if listing != "" {
		t.Errorf("caches in the image:\n%s", listing)
	}
	t.Logf("beyond its base, runner-base has %s", run(t, baseTag, "du -sk /opt/pnpm /usr/local/bin/runner | tr '\\n' ' '"))
}

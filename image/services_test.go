//go:build container

package image

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// debian are the packages of this machine that stand in for those of Alpine.
var debian = []string{
	"postgresql17=postgresql", "postgresql17-client=postgresql-client", "redis=redis-server,redis-tools", "chromium",
}

// uses is what the tests of the project do: they ask both databases and the browser, once a dependency is there.
const uses = `set -e
psql --host 127.0.0.1 --port "$SERVICE_DB_PORT" --username app --dbname postgres --no-align --tuples-only --command "select 'postgres ' || 6*7"
redis-cli -p "$SERVICE_CACHE_PORT" set answer 42 >/dev/null
echo "redis $(redis-cli -p "$SERVICE_CACHE_PORT" get answer)"
"$CHROME_BIN" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --user-data-dir=/tmp/chromium --dump-dom \
  "data:text/html,<p><script>document.write('chromium ' + 6*7)</script>" 2>/tmp/chromium.log | grep -o 'chromium [0-9]*' || cat /tmp/chromium.log
if [ -e store/dependency ]; then echo "the dependency is $(cat store/dependency)"; else mkdir -p store; echo fetched >store/dependency; fi
`

// serves builds the project image of README.md, with databases and a browser baked in, and runs its step twice, in a new
// workspace each time: its services are ready, and the second run has the cache of the first.
func (e *engine) serves(t *testing.T, s store, in func(...string) []string) {
	image := e.projectImage(t, "Services in the image", debian)
	w := t.TempDir()
	for name, text := range map[string]string{
		"runner.yaml":    snippet(t, "Services in the image", "yaml") + "    cache: [{ name: deps, path: [store], key: [pnpm-lock.yaml] }]\n",
		"package.json":   `{ "name": "shop", "private": true, "scripts": { "test": "sh uses.sh" } }`,
		"pnpm-lock.yaml": "lockfileVersion: '9.0'\nimporters:\n  .: {}\n", "uses.sh": uses,
	} {
		if err := os.WriteFile(filepath.Join(w, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(w, 1000, 1000); err != nil {
		t.Fatal(err)
	}
	for _, run := range []struct{ hit, save, says string }{
		{"miss", "saved", ""}, {"exact", "unchanged", `"msg":"the dependency is fetched"`},
	} {
		if err := os.RemoveAll(filepath.Join(w, "store")); err != nil {
			t.Fatal(err)
		}
		r := e.run(t, append(in("--env", "PIPELINE_STEP=test"), "--image-volume", "ignore", "--volume", w+":/workspace", image)...)
		if r.code != 0 {
			t.Fatalf("exit %d\n%s%s", r.code, tail(r.out), tail(r.stderr))
		}
		for _, says := range []string{`"msg":"postgres 42"`, `"msg":"redis 42"`, `"msg":"chromium 42"`, `"source":"service/db"`, `"source":"service/cache"`, run.says} {
			if !strings.Contains(r.out, says) {
				t.Errorf("the log lacks %s\n%s", says, tail(r.out))
			}
		}
		f := s.beside(t, branch, commit, "test")
		if len(f.Caches) != 1 || f.Caches[0].Hit != run.hit || f.Caches[0].Save != run.save {
			t.Errorf("its cache: %+v, want %s and %s", f.Caches, run.hit, run.save)
		}
		if len(f.Services) != 2 || f.Services[0].Ready == 0 || f.Services[1].Ready == 0 || f.Services[0].Error+f.Services[1].Error != "" {
			t.Errorf("its services: %+v", f.Services)
		}
	}
}

// beside is what a finished.json says of caches and services.
type beside struct {
	Caches []struct {
		Name, Hit, Save, Branch string
	} `json:"caches"`
	Services []struct {
		Name, Kind, Error string
		Ready             float64 `json:"ready_seconds"`
	} `json:"services"`
}

func (s store) beside(t *testing.T, branch, commit, step string) (f beside) {
	t.Helper()
	var latest struct{ Key string }
	err := json.Unmarshal(s.get(t, "runs/"+branch+"/"+commit+"/"+step+"/latest.json"), &latest)
	if err = errors.Join(err, json.Unmarshal(s.get(t, latest.Key+"/finished.json"), &f)); err != nil {
		t.Fatal(err)
	}
	return f
}

// The sidecar of the chain's tests: a web server, made of nothing but busybox.
const (
	sidecarImage = "localhost/runner-beside:test"
	sidecarPort  = "8097"
	// The tasks of a test share this machine's ports: one waits until that of another is free.
	sidecarCommand = `["sh", "-c", "trap 'exit 0' TERM; while :; do httpd -f -p 127.0.0.1:$SERVICE_PORT -h /www & wait; sleep 0.2; done"]`
	// besideSteps are the steps of the chain with something beside their commands.
	besideSteps = "" +
		"  test: { before: \"wget -qO- http://127.0.0.1:$SERVICE_WEB_PORT/said\", services: { web: { image: \"" + sidecarImage + "\" } } }\n" +
		"  build: { before: \"mkdir -p .stamps; date >>.stamps/all\", cache: [{ name: stamps, path: [.stamps], key: [pnpm-lock.yaml] }] }\n"
)

// sidecar makes the image of the sidecar.
func (e *engine) sidecar(t *testing.T) {
	t.Helper()
	e.busybox(t, sidecarImage, sidecarCommand, "WORKDIR /", "httpd", "wget")
}

// hasBeside fails unless the test of a commit had its sidecar, and its build the cache.
func (c *chain) hasBeside(t *testing.T, ran execution, sha, hit, save string) {
	t.Helper()
	c.lines(t, ran, "ci-Test", "the answer is 42")
	if f := c.store.beside(t, "main", sha, "test"); len(f.Services) != 1 || f.Services[0].Kind != "sidecar" || f.Services[0].Ready == 0 {
		t.Errorf("the services of the test: %+v", f.Services)
	}
	if f := c.store.beside(t, "main", sha, "build"); len(f.Caches) != 1 || f.Caches[0].Hit != hit || f.Caches[0].Save != save {
		t.Errorf("the caches of the build: %+v, want %s and %s", f.Caches, hit, save)
	}
}

// projectImage builds an image of README.md's, by its own Dockerfile, for a project without dependencies. Where the base
// is a stand-in, the files of its packages are this machine's.
func (e *engine) projectImage(t *testing.T, heading string, packages []string) (tag string) {
	t.Helper()
	e.podman(t, "tag", baseTag, projectBase(t))
	dir := t.TempDir()
	for name, text := range map[string]string{
		"Dockerfile": snippet(t, heading, "dockerfile"), "package.json": `{ "name": "shop", "private": true }`,
		"pnpm-lock.yaml": "lockfileVersion: '9.0'\nimporters:\n  .: {}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tag = "localhost/" + strings.ReplaceAll(strings.ToLower(heading), " ", "-") + ":test"
	args := []string{"build", "--quiet", "--isolation", "chroot", "--layers", "--pull=never", "--tag", tag}
	if _, _, code := e.try(t, "run", "--rm", "--entrypoint", "grep", baseTag, "-q", "stand-in", "/usr/sbin/apk"); code == 0 {
		lists := t.TempDir()
		list := exec.Command("standin/build", append([]string{"packages", lists}, packages...)...)
		if out, err := list.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for from, to := range map[string]string{
			lists: "/standin", "/usr": "/machine/usr", "/etc": "/machine/etc",
			filepath.Join(top(t), "image/standin/apk"): "/usr/sbin/apk", // an image that was built before may have an older one
		} {
			args = append(args, "--volume", from+":"+to+":ro")
		}
	}
	e.podman(t, append(args, dir)...)
	return tag
}

// snippet is the first block of a language below a heading of README.md.
func snippet(t *testing.T, heading, language string) string {
	t.Helper()
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, there := strings.Cut(string(page), "\n## "+heading+"\n")
	_, block, begun := strings.Cut(section, "\n```"+language+"\n")
	text, _, ended := strings.Cut(block, "\n```")
	if !there || !begun || !ended {
		t.Fatalf("README.md has no %s below %q", language, heading)
	}
	return text + "\n"
}

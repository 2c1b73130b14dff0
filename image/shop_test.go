//go:build container

package image

import (
	"fmt"
	"io"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// projectBase is what projects write FROM, under the name that README.md gives it.
func projectBase(t *testing.T) string {
	t.Helper()
	first, _, _ := strings.Cut(snippet(t, "An image for your project", "dockerfile"), "\n")
	return strings.TrimPrefix(first, "FROM ")
}

// shopRepository is the project behind the pipeline: a clone in dir, or the repository that is served itself.
type shopRepository struct {
	dir, url string
	clone    bool
}

// newShop makes the shop: the sample, with a stack, and with README.md's Dockerfile. Its clone pushes to a server.
func newShop(t *testing.T) shopRepository {
	t.Helper()
	root := t.TempDir()
	r := shopRepository{dir: filepath.Join(t.TempDir(), "shop"), url: serveRepositories(t, root), clone: true}
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	tracked := exec.Command("sh", "-c", `git ls-files -z sample | tar --null -T - -cf - | tar -C "$0" --strip-components 1 -xf -`, r.dir)
	if out, err := tracked.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r.git(t, "init", "-q", "--bare", "-b", "main", filepath.Join(root, shop+".git"))
	r.git(t, "init", "-q", "-b", "main")
	r.git(t, "remote", "add", "origin", "https://github.com/"+shop+".git")
	r.git(t, "config", "url."+root+"/.pushInsteadOf", "https://github.com/")
	r.write(t, map[string]string{
		"carlin.yml":             "{}\n",
		"src/cloudformation.yml": template("Bucket"),
		"runner.yaml":            steps("test -f .carlin/latest-deploy.json"),
		"Dockerfile":             projectDockerfile(t),
		".dockerignore":          "node_modules\n.git\n.env*\n",
	})
	return r
}

// projectDockerfile is the Dockerfile that README.md recommends.
func projectDockerfile(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for block := range strings.SplitSeq(string(page), "\n```dockerfile\n") {
		if text, _, ended := strings.Cut(block, "\n```"); ended && strings.HasPrefix(text, "FROM ") && strings.Contains(text, "pnpm fetch") {
			return text + "\n"
		}
	}
	t.Fatal("README.md has no Dockerfile with pnpm fetch")
	return ""
}

// serveRepositories serves the repositories below a folder, as github.com does, and returns the address.
func serveRepositories(t *testing.T, root string) string {
	t.Helper()
	path, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(&cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"), Stderr: io.Discard,
		Env: []string{
			"GIT_PROJECT_ROOT=" + root,
			"GIT_HTTP_EXPORT_ALL=1",
			"GIT_CONFIG_NOSYSTEM=1",
			"GIT_CONFIG_GLOBAL=/dev/null",
		},
	})
	t.Cleanup(server.Close)
	return server.URL
}

// steps are the runner.yaml of the shop: the built-in deploy step, which is carlin's, what shows that it works, and
// steps that end in other ways.
func steps(verify string) string {
	return fmt.Sprintf(`version: 1
steps:
  deploy: { needs: [test, build], fetch: [builds], verify: %q }
  seven: { command: "echo seven; exit 7" }
  hungry: { command: [node, -e, "const all = []; for (;;) all.push(Buffer.alloc(64 << 20, 1))"] }
  wait: { command: "echo waiting for a signal; sleep 300" }
  lint: { command: "true" }
`+besideSteps+`cluster:
  parameters: { pipeline: { OwnSteps: lint, TestServices: "web=`+sidecarImage+":"+sidecarPort+`" } }
`, verify)
}

// template is a stack with one more resource than a topic.
func template(more string) string {
	kind := map[string]string{"Bucket": "AWS::S3::Bucket", "Queue": "AWS::SQS::Queue"}[more]
	return fmt.Sprintf(
		"AWSTemplateFormatVersion: \"2010-09-09\"\nResources:\n  Topic: { Type: AWS::SNS::Topic }\n  %s: { Type: %s }\n",
		more,
		kind,
	)
}

func (r shopRepository) git(t *testing.T, args ...string) string {
	t.Helper()
	c := exec.Command("git", args...)
	c.Dir = r.dir
	c.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (r shopRepository) read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// write writes files; an empty text removes one.
func (r shopRepository) write(t *testing.T, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(r.dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if text == "" {
			err = os.Remove(path)
		} else if err == nil {
			err = os.WriteFile(path, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func (r shopRepository) commit(t *testing.T, message string, files map[string]string) string {
	t.Helper()
	r.write(t, files)
	r.git(t, "add", "--all")
	r.git(t, "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qm", message)
	if r.clone {
		r.git(t, "push", "-q", "origin", "main")
	}
	return r.git(t, "rev-parse", "HEAD")
}

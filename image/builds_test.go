//go:build container

package image

import (
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/runner/awstest"
)

// fargate are the privileges of a task on Fargate: the capabilities that Docker leaves to a container, and the calls of
// the system that its default profile refuses to one without CAP_SYS_ADMIN.
func fargate(t *testing.T) []string {
	args := []string{"--cap-drop", "ALL", "--security-opt", "seccomp=" + filepath.Join(top(t), "image/standin/seccomp.json")}
	for _, name := range strings.Fields("CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE") {
		args = append(args, "--cap-add", name)
	}
	return args
}

// buildsImages runs what README.md says of images that are built inside a task: crane appends to one, with a token of
// ECR, and buildah works where namespaces may be made, and only there.
func (e *engine) buildsImages(t *testing.T, image string, in func(...string) []string) {
	e.appends(t, image, in)

	buildah := e.projectImage(t, "Images built inside a task", []string{"buildah"})
	const build = `cd /tmp && cp "$(readlink -f /bin/sh)" busybox && printf 'FROM scratch\nCOPY busybox /bin/sh\n%s' "$1" >Dockerfile &&
buildah build --tag local/app . && buildah push --tls-verify=false local/app "$2"`
	for name, c := range map[string]struct {
		privileges []string
		more       string
		refused    bool
	}{
		"buildah where namespaces may be made":     {nil, `RUN echo made >/made\n`, false},
		"buildah on Fargate":                       {fargate(t), `RUN echo made >/made\n`, true},
		"buildah on Fargate, without RUN":          {fargate(t), "", true},
		"buildah on Fargate, as a user of its own": {append(fargate(t), "--user", "1000"), "", true},
	} {
		t.Run(name, func(t *testing.T) {
			to := e.registry + "/team/buildah:1"
			args := append([]string{"run", "--rm", "--memory", "512m", "--cpus", "0.5", "--entrypoint", "sh"}, c.privileges...)
			out, said, code := e.try(t, append(args, buildah, "-c", build, "sh", c.more, to)...)
			if refused := strings.Contains(said, "unshare(CLONE_NEWUSER): Operation not permitted"); refused != c.refused || (code == 0) == c.refused {
				t.Fatalf("exit %d, refused %v\n%s%s", code, refused, tail(out), tail(said))
			}
			if !c.refused && !strings.Contains(crane(t, "export", to, "-"), "made") {
				t.Error("what RUN has made is not in the image")
			}
		})
	}
}

// appends runs the step of README.md for Fargate, with a registry that takes the token of ECR only.
func (e *engine) appends(t *testing.T, image string, in func(...string) []string) {
	token := ecrToken(t)
	behind := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: e.registry})
	ecr := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if user != "AWS" || subtle.ConstantTimeCompare([]byte(password), []byte(token)) != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="ecr"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		behind.ServeHTTP(w, r)
	}))
	t.Cleanup(ecr.Close)
	host := strings.TrimPrefix(ecr.URL, "http://")
	e.busybox(t, "localhost/runner-append:test", `["sh"]`, "WORKDIR /")
	e.podman(t, "push", "--quiet", "--tls-verify=false", "localhost/runner-append:test", e.registry+"/team/node:24")

	yaml := snippet(t, "Images built inside a task", "yaml")
	yaml = strings.ReplaceAll(yaml, "123456789012.dkr.ecr.eu-west-1.amazonaws.com", host)
	w := newWorkspace(t, strings.Replace(yaml, "    fetch: [builds]\n", "", 1)) // what is fetched is here
	programs := t.TempDir()
	for path, text := range map[string]string{
		filepath.Join(w, "dist/server.js"): "console.log(42)\n", filepath.Join(w, "package.json"): "{}\n",
		filepath.Join(programs, "aws"): "#!/bin/sh\ntest \"$*\" = 'ecr get-login-password' && echo " + token + "\n",
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	own, err := exec.LookPath("crane")
	if err != nil {
		t.Fatal(err)
	}
	args := append(in("--env", "PIPELINE_STEP=image"), fargate(t)...)
	r := e.run(t, append(args, "--volume", own+":/usr/local/bin/crane:ro", "--volume", filepath.Join(programs, "aws")+":/usr/local/bin/aws:ro",
		"--image-volume", "ignore", "--volume", w+":/workspace", image)...)
	if r.code != 0 || strings.Contains(r.out, token) {
		t.Fatalf("exit %d\n%s%s", r.code, tail(r.out), tail(r.stderr))
	}
	made := e.registry + "/team/app:" + commit
	if config := crane(t, "config", made); !strings.Contains(config, `"Entrypoint":["node","dist/server.js"]`) || !strings.Contains(config, `"WorkingDir":"/app"`) {
		t.Errorf("its configuration is %s", config)
	}
	if all := crane(t, "export", made, "-"); !strings.Contains(all, "app/dist/server.js") || !strings.Contains(all, "www/said") {
		t.Error("it lacks the files of the step, or those of the base")
	}
}

func crane(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("crane", args...).Output()
	if err != nil {
		t.Fatalf("crane %v: %v", args, err)
	}
	return string(out)
}

// ecrToken is what aws ecr get-login-password prints.
func ecrToken(t *testing.T) string {
	t.Helper()
	request, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, os.Getenv("AWS_ENDPOINT_URL"), strings.NewReader("{}"))
	request.Header.Set("X-Amz-Target", "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken")
	request.Header.Set("Content-Type", "application/x-amz-json-1.1")
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=x/20260101/"+awstest.Region+"/ecr/aws4_request, SignedHeaders=host, Signature=x")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var given struct {
		AuthorizationData []struct{ AuthorizationToken string }
	}
	if err := json.NewDecoder(answer.Body).Decode(&given); err != nil || len(given.AuthorizationData) != 1 {
		t.Fatal(answer.Status, err)
	}
	text, err := base64.StdEncoding.DecodeString(given.AuthorizationData[0].AuthorizationToken)
	_, password, ok := strings.Cut(string(text), ":")
	if err != nil || !ok {
		t.Fatalf("%q %v", text, err)
	}
	return password
}

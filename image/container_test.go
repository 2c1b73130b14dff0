//go:build container

package image

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/carlin-cicd/runner/runner/awstest"
	"github.com/carlin-cicd/runner/runner/source/sourcetest"
)

// The image, built from the Dockerfile as it is, and run as Fargate would run it. Run by make test-image.

const (
	imageTag = "localhost/runner:test"
	baseTag  = "localhost/runner-base:test"

	debianTag = "localhost/runner-debian:test"
	bucket    = "artifacts-of-a-container"
	theTask   = "arn:aws:ecs:eu-central-1:123456789012:task/ci/0123456789abcdef0123456789abcdef"
	password  = "correct-horse-battery-staple"
	apiKey    = "k3y-of-the-parameter-store"
)

func TestTheImage(t *testing.T) {
	e := newEngine(t)
	step := func(name string, do func(*testing.T)) {
		if !t.Run(name, do) {
			t.FailNow() // what follows stands on it
		}
	}
	step("is built from the unmodified Dockerfile", func(t *testing.T) {
		e.bases(t)
		e.build(t, "runner-base", baseTag)
		e.build(t, "runner", imageTag)
		e.build(t, "debian", debianTag)
	})
	pulled := ""
	step("is pushed to a registry and pulled by its digest", func(t *testing.T) { pulled = e.pushAndPull(t) })
	step("is little more than its base", func(t *testing.T) { e.sizes(t) })
	step("has no secret and no source of ours in it", func(t *testing.T) { e.layers(t) })
	t.Run("has the pnpm that a project pins", func(t *testing.T) { e.bakesPnpm(t) })
	t.Run("is built on bases that are pinned by digest", func(t *testing.T) { e.pinsBases(t) })
	t.Run("is built on Debian too", func(t *testing.T) {
		r := e.run(t, "--entrypoint", "sh", debianTag, "-c", "runner version && which bash git ssh pnpm && pnpm --version && id -u")
		if r.code != 0 || !strings.Contains(r.out, "10.") || !strings.HasSuffix(r.out, "\n1000\n") {
			t.Errorf("exit %d\n%s%s", r.code, r.out, r.stderr)
		}
	})

	t.Setenv("PYTHONPATH", filepath.Join(top(t), "image/standin/moto"))
	cloud := awstest.Moto(t)
	store := newStore(t)
	metadata := serveMetadata(t)
	in := func(more ...string) []string {
		args := []string{
			"--env",
			"ARTIFACT_BUCKET=s3://" + bucket,
			"--env",
			"BRANCH=" + branch,
			"--env",
			"GIT_SHA=" + commit,
			"--env",
			"ECS_CONTAINER_METADATA_URI_V4=" + metadata,
		}
		for _, v := range cloud.Environment() {
			args = append(args, "--env", v)
		}
		return append(args, more...)
	}

	t.Run("tests and builds the sample", func(t *testing.T) {
		for _, name := range []string{"test", "build"} {
			r := e.run(t, in("--env", "PIPELINE_STEP="+name, pulled)...)
			if r.code != 0 {
				t.Fatalf("%s: exit %d\n%s%s", name, r.code, tail(r.out), tail(r.stderr))
			}
			for line := range strings.Lines(r.out) {
				var record map[string]any
				if json.Unmarshal([]byte(line), &record) != nil {
					t.Fatalf("%s: no JSON: %s", name, line)
				}
				if _, isMetric := record["_aws"]; !isMetric && record["task"] != "0123456789abcdef0123456789abcdef" {
					t.Fatalf("%s: a line without the task: %s", name, line)
				}
				if _, isMetric := record["_aws"]; isMetric && record["Cluster"] != "ci" {
					t.Errorf("metrics of cluster %v", record["Cluster"])
				}
			}
		}
		test, build := store.finished(t, "test"), store.finished(t, "build")
		if test.Tests.Total == 0 || test.Tests.Failed != 0 || !test.Passed || !build.Passed ||
			test.Usage.MemoryLimit != 512<<20 ||
			test.Usage.CPULimit != 0.5 {
			t.Errorf("%+v %+v", test, build)
		}
		for _, key := range []string{"coverage/" + branch + "/" + commit + "/lcov.info", "coverage/" + branch + "/latest/lcov.info", "builds/" + branch + "/" + commit + "/server.js", "manifests/builds/" + branch + "/" + commit + ".json"} {
			if !store.has(t, key) {
				t.Errorf("there is no %s", key)
			}
		}
	})

	w := newWorkspace(t, `version: 1
steps:
  zero: { command: "true" }
  seven: { command: exit 7 }
  slow: { command: sleep 60, timeout: 2s }
  wait: { command: "echo waiting; sleep 300" }
  hungry: { command: [node, -e, "const all = []; for (;;) all.push(Buffer.alloc(16 << 20, 1))"] }
  orphans: { command: "i=0; while [ $i -lt 500 ]; do (setsid sh -c 'sleep 0.05' &); i=$((i+1)); done; sleep 1; echo made" }
  pid: { command: "echo parent is $PPID; id -u; touch /outside 2>/dev/null || echo read-only" }
  secret:
    command: "echo $DB_PASSWORD; echo $DB_PASSWORD | base64; echo $API_KEY; echo {\"v\":\"$API_KEY\"}; env | grep -c RUNNER_SSH_KEY"
    secrets: { DB_PASSWORD: "secretsmanager:ci/db:password", API_KEY: "ssm:/ci/api-key" }
`)
	for name, want := range map[string]struct {
		code         int
		reason, says string
	}{
		"zero":    {0, "success", ""},
		"seven":   {7, "failure", ""},
		"slow":    {124, "timeout", ""},
		"hungry":  {137, "oom", "memory"},
		"orphans": {0, "success", "made"},
		"pid":     {0, "success", "parent is 1"},
	} {
		t.Run("ends with "+name, func(t *testing.T) {
			r := e.run(
				t,
				in("--env", "PIPELINE_STEP="+name, "--image-volume", "ignore", "--volume", w+":/workspace", pulled)...)
			f := store.finished(t, name)
			if r.code != want.code || f.ExitCode != want.code || f.Reason != want.reason ||
				!strings.Contains(r.out, want.says) {
				t.Errorf("exit %d, %+v, want %+v\n%s%s", r.code, f, want, tail(r.out), tail(r.stderr))
			}
			if name == "pid" && (!strings.Contains(r.out, `"msg":"1000"`) || !strings.Contains(r.out, "read-only")) {
				t.Errorf("not as another user on a root that cannot be written to:\n%s", tail(r.out))
			}
		})
	}

	t.Run("has services and caches beside the command", func(t *testing.T) { e.serves(t, store, in) })

	t.Run("builds images as far as Fargate lets it", func(t *testing.T) { e.buildsImages(t, pulled, in) })

	t.Run("is stopped as ECS stops it", func(t *testing.T) {
		name := containerName(t)
		e.remove(t, name)
		e.podman(
			t,
			append(
				append([]string{"run", "--detach"}, task(name)[1:]...),
				in(
					"--env",
					"PIPELINE_STEP=wait",
					"--image-volume",
					"ignore",
					"--volume",
					w+":/workspace",
					pulled,
				)...)...)
		for deadline := time.Now().Add(time.Minute); !strings.Contains(e.podman(t, "logs", name), "waiting"); time.Sleep(200 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal(e.podman(t, "logs", name))
			}
		}
		e.podman(t, "stop", "--time", "30", name)
		code := e.podman(t, "wait", name)
		if f := store.finished(t, "wait"); code != "143" || f.Reason != "cancelled" || f.ExitCode != 143 ||
			f.Result != "ABORTED" {
			t.Errorf("exit %s, %+v", code, f)
		}
	})

	t.Run("masks secrets", func(t *testing.T) {
		r := e.run(
			t,
			in(
				"--env",
				"PIPELINE_STEP=secret",
				"--env",
				"RUNNER_SSH_KEY="+apiKey,
				"--image-volume",
				"ignore",
				"--volume",
				w+":/workspace",
				pulled,
			)...)
		everything := r.out + r.stderr + store.everything(t)
		for _, secret := range []string{password, apiKey, "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5LXN0YXBsZ"} {
			if strings.Contains(everything, secret) {
				t.Errorf("%s is printed", secret)
			}
		}
		if !strings.Contains(r.out, "[REDACTED:DB_PASSWORD]") || !strings.Contains(r.out, "[REDACTED:API_KEY]") ||
			!strings.Contains(r.out, `"msg":"0"`) {
			t.Errorf("exit %d\n%s", r.code, tail(r.out))
		}
	})

	t.Run("keeps what it knows from the command", func(t *testing.T) { e.protects(t, imageTag, in) })

	t.Run("deploys with carlin, and notices when carlin does not", func(t *testing.T) { e.deploys(t, store, in) })

	t.Run("fetches a commit that is not baked", func(t *testing.T) { e.fetches(t, pulled, in) })
}

func (e *engine) pushAndPull(t *testing.T) (byDigest string) {
	digest := filepath.Join(t.TempDir(), "digest")
	e.podman(
		t,
		"push",
		"--quiet",
		"--tls-verify=false",
		"--digestfile",
		digest,
		imageTag,
		e.registry+"/team/runner:"+commit[:12],
	)
	text, err := os.ReadFile(digest)
	if err != nil {
		t.Fatal(err)
	}
	byDigest = e.registry + "/team/runner@" + strings.TrimSpace(string(text))
	e.podman(t, "pull", "--quiet", "--tls-verify=false", byDigest)
	return byDigest
}

// sizes: what the runner adds is its binary, and that is no more than 24 MiB.
func (e *engine) sizes(t *testing.T) {
	out := e.podman(t, "run", "--rm", "--entrypoint", "sh", baseTag, "-c", "stat -c %s /usr/local/bin/runner")
	var binary int64
	fmt.Sscan(out, &binary)
	t.Logf(
		"the runner has %.1f MB; sizes of the images, uncompressed:\n%s",
		float64(binary)/1e6,
		e.podman(t, "images", "--format", "{{.Repository}}:{{.Tag}} {{.Size}}"),
	)
	if binary == 0 || binary > 24<<20 {
		t.Errorf("the runner adds %d bytes", binary)
	}
	if out := e.podman(t, "run", "--rm", "--entrypoint", "sh", imageTag, "-c", "! ldd /usr/local/bin/runner 2>/dev/null | grep -q '=>'; id -u; echo $CI; which bash git ssh pnpm"); !strings.HasPrefix(
		out,
		"1000\ntrue\n",
	) ||
		strings.Count(out, "\n") != 5 {
		t.Errorf("%s", out)
	}
}

// layers looks for what must not be in any of them.
func (e *engine) layers(t *testing.T) {
	listing := e.podman(
		t,
		"run",
		"--rm",
		"--user",
		"0",
		"--entrypoint",
		"sh",
		imageTag,
		"-c",
		"find / -xdev \\( -name .npmrc -o -name .git -o -name '*_test.go' -o -name go.mod -o -name .env \\) -not -path '*/node_modules/*' -not -path '/proc/*' -not -path '/usr/*' -not -path '/pnpm/*'",
	)
	if listing != "" {
		t.Errorf("in the image: %s", listing)
	}
	history := e.podman(t, "history", "--no-trunc", imageTag)
	if strings.Contains(strings.ToLower(history), "authtoken") {
		t.Error(history)
	}
	labels := e.podman(
		t,
		"inspect",
		"--format",
		"{{json .Config.Labels}} {{json .Config.Entrypoint}} {{.Config.User}}",
		imageTag,
	)
	for _, want := range []string{"org.opencontainers.image.source", "org.opencontainers.image.licenses", `org.opencontainers.image.version":"0`, `["/usr/local/bin/runner"]`, "1000"} {
		if !strings.Contains(labels, want) {
			t.Errorf("no %s in %s", want, labels)
		}
	}
}

// fetches brings commits from servers on the host over the baked workspace, and looks for what that has left behind.
func (e *engine) fetches(t *testing.T, image string, in func(...string) []string) {
	origin := filepath.Join(t.TempDir(), "origin")
	same, changed := sampleRepository(t, origin)
	key, public := sourcetest.NewKey(t, "")
	bySSH := sourcetest.ServeSSH(t, filepath.Dir(origin), public)
	byHTTPS := sourcetest.Serve(t, origin)
	authority := byHTTPS.CAFile(t)

	for name, c := range map[string]struct {
		commit  string
		args    []string
		install bool
	}{
		"by https, the lockfile is the image's": {same, []string{"--env", "REPOSITORY_URL=" + byHTTPS.RepositoryURL(origin), "--env", "GITHUB_TOKEN=" + sourcetest.Token, "--env", "GIT_SSL_CAINFO=/ca.pem", "--volume", authority + ":/ca.pem:ro"}, false},
		"by ssh, the lockfile has changed":      {changed, []string{"--env", "REPOSITORY_URL=ssh://git@" + bySSH.Address + "/origin", "--env", "RUNNER_SSH_KEY=" + key, "--env", "RUNNER_SSH_KNOWN_HOSTS=" + bySSH.KnownHosts}, true},
	} {
		t.Run(name, func(t *testing.T) {
			container := containerName(t)
			e.remove(t, container)
			volume := t.TempDir() // what would be a volume of the task, so that we see all of it afterwards
			e.podman(
				t,
				"run",
				"--rm",
				"--user",
				"0",
				"--entrypoint",
				"sh",
				"--volume",
				volume+":/copy",
				image,
				"-c",
				"cp -a /workspace/. /copy && chown 1000:1000 /copy",
			)
			args := append(
				in(c.args...),
				"--env",
				"GIT_SHA="+c.commit,
				"--env",
				"PIPELINE_STEP=test",
				"--volume",
				volume+":/workspace",
				image,
			)
			out, stderr, code := e.try(t, task(container, args...)...)
			if code != 0 || !strings.Contains(out, `"msg":"checked out"`) ||
				!strings.Contains(out, "fetched from elsewhere") {
				t.Fatalf("exit %d\n%s%s", code, tail(out), tail(stderr))
			}
			if installed := strings.Contains(out, "the dependencies are not those of the image"); installed != c.install {
				t.Errorf("dependencies installed: %v, want %v\n%s", installed, c.install, tail(out))
			}
			secret := []byte(sourcetest.Token)
			if c.install {
				secret = []byte(strings.Split(key, "\n")[2])
			}
			e.searchContainer(t, container, secret)
			searchFolder(t, volume, secret)
			if strings.Contains(out+stderr, string(secret)) {
				t.Error("the log has it")
			}
		})
	}
}

// sampleRepository is the sample with a change of a source, and after that with one more dependency.
func sampleRepository(t *testing.T, dir string) (same, changed string) {
	t.Helper()
	run := func(name string, args ...string) string {
		t.Helper()
		c := exec.Command(name, args...)
		c.Dir = dir
		c.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "CI=true")
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	tracked := exec.Command(
		"sh",
		"-c",
		`git ls-files -z sample | tar --null -T - -cf - | tar -C "$0" --strip-components 1 -xf -`,
		dir,
	)
	if out, err := tracked.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	commitAll := func(message string) string {
		run("git", "add", ".")
		run("git", "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qm", message)
		return run("git", "rev-parse", "HEAD")
	}
	run("git", "init", "-q", "-b", "main")
	run("git", "config", "uploadpack.allowAnySHA1InWant", "true")
	run("git", "config", "http.uploadpack", "true")
	test := filepath.Join(dir, "packages/core/src/fetched.test.ts")
	if err := os.WriteFile(test, []byte("test('fetched from elsewhere', () => { console.log('fetched from elsewhere'); });\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	same = commitAll("a test more")
	run("pnpm", "add", "--workspace-root", "--save-dev", "--lockfile-only", "is-number@7.0.0")
	return same, commitAll("a dependency more")
}

// searchContainer looks through all files of a container that has ended.
func (e *engine) searchContainer(t *testing.T, name string, secret []byte) {
	t.Helper()
	c := exec.Command("podman", "export", name)
	c.Env = e.env
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	n, found, err := search(out, secret)
	if err != nil || found || n < 1<<20 {
		t.Errorf("in %d bytes of the container: found %v, %v", n, found, err)
	}
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}

func searchFolder(t *testing.T, dir string, secret []byte) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		if _, found, err := search(f, secret); err != nil || found {
			t.Errorf("%s: found %v, %v", path, found, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// search reads to the end and reports whether the secret was met.
func search(r io.Reader, secret []byte) (n int64, found bool, err error) {
	buffer := make([]byte, 1<<20)
	kept := 0
	for {
		read, err := io.ReadFull(r, buffer[kept:])
		n += int64(read)
		found = found || bytes.Contains(buffer[:kept+read], secret)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return n, found, nil
		}
		if err != nil {
			return n, found, err
		}
		kept = copy(buffer, buffer[len(buffer)-len(secret):])
	}
}

// newWorkspace is a folder of the host's with steps of its own, for containers that need none of the sample.
func newWorkspace(t *testing.T, yaml string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "runner.yaml"), []byte(yaml), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, 1000, 1000); err != nil {
		t.Fatal(err)
	}
	return dir
}

// serveMetadata is the task metadata endpoint, version 4, as far as it is documented and we ask.
func serveMetadata(t *testing.T) string {
	const path = "/v4/0123456789abcdef0123456789abcdef-1234567890"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		container := `{"DockerId":"0123456789abcdef0123456789abcdef-1234567890","Name":"runner","Image":"runner","Limits":{"CPU":512},"Type":"NORMAL"}`
		switch r.URL.Path {
		case path:
			fmt.Fprint(w, container)
		case path + "/task":
			fmt.Fprintf(
				w,
				`{"Cluster":"arn:aws:ecs:eu-central-1:123456789012:cluster/ci","TaskARN":%q,"Family":"ci-test","Revision":"7","LaunchType":"FARGATE",
				"Limits":{"CPU":0.5,"Memory":512},"PullStartedAt":%q,"AvailabilityZone":"eu-central-1a","Containers":[%s]}`,
				theTask,
				time.Now().Add(-20*time.Second).UTC().Format(time.RFC3339Nano),
				container,
			)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL + path
}

// store is a bucket.
type store struct {
	client *s3.Client
	bucket string
}

// newBucket makes one.
func newBucket(t *testing.T, c aws.Config, name string) store {
	t.Helper()
	s := storeOf(c, name)
	if _, err := s.client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name, CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: awstest.Region}}); err != nil {
		t.Fatal(err)
	}
	return s
}

// storeOf is a bucket that is there.
func storeOf(c aws.Config, name string) store {
	return store{s3.NewFromConfig(c, func(o *s3.Options) { o.UsePathStyle, o.DisableLogOutputChecksumValidationSkipped = true, true }), name}
}

// newStore is the bucket of the containers, and the secrets beside it.
func newStore(t *testing.T) store {
	t.Helper()
	ctx := t.Context()
	c, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		t.Fatal(err)
	}
	s := newBucket(t, c, bucket)
	if _, err := secretsmanager.NewFromConfig(c).CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("ci/db"), SecretString: aws.String(`{"password":"` + password + `","port":5432}`)}); err != nil {
		t.Fatal(err)
	}
	request, _ := http.NewRequestWithContext(
		ctx,
		http.MethodPost,
		os.Getenv("AWS_ENDPOINT_URL"),
		strings.NewReader(`{"Name":"/ci/api-key","Type":"SecureString","Value":"`+apiKey+`"}`),
	)
	request.Header.Set("X-Amz-Target", "AmazonSSM.PutParameter")
	request.Header.Set("Content-Type", "application/x-amz-json-1.1")
	request.Header.Set(
		"Authorization",
		"AWS4-HMAC-SHA256 Credential=x/20260101/"+awstest.Region+"/ssm/aws4_request, SignedHeaders=host, Signature=x",
	)
	answer, err := http.DefaultClient.Do(request)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatal(answer, err)
	}
	answer.Body.Close()
	return s
}

func (s store) keys(t *testing.T) []string {
	t.Helper()
	var keys []string
	pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{Bucket: &s.bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			keys = append(keys, *o.Key)
		}
	}
	return keys
}

func (s store) get(t *testing.T, key string) []byte {
	t.Helper()
	o, err := s.client.GetObject(context.WithoutCancel(t.Context()), &s3.GetObjectInput{Bucket: &s.bucket, Key: &key})
	if err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	defer o.Body.Close()
	text, err := io.ReadAll(o.Body)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (s store) has(t *testing.T, key string) bool {
	for _, k := range s.keys(t) {
		if k == key {
			return true
		}
	}
	return false
}

// everything is all that the runs have stored.
func (s store) everything(t *testing.T) string {
	var all strings.Builder
	for _, key := range s.keys(t) {
		text := s.get(t, key)
		if strings.HasSuffix(key, ".gz") {
			text = unpacked(t, text)
		}
		all.Write(text)
	}
	return all.String()
}

// record is what the tests look at of a finished.json.
type record struct {
	Passed   bool
	Result   string
	Reason   string
	ExitCode int `json:"exit_code"`
	Tests    struct{ Total, Failed int }
	Usage    struct {
		MemoryLimit int64   `json:"memory_limit_bytes"`
		CPULimit    float64 `json:"cpu_limit"`
	}
	Delivery *struct {
		Rollback *struct{ Action, Status string }
		Problem  string `json:"rollback_error"`
	}
}

// finished is the record of the newest run of a step.
func (s store) finished(t *testing.T, step string) record {
	t.Helper()
	return s.of(t, branch, commit, step)
}

// of is the record of the newest run of a step, of any commit.
func (s store) of(t *testing.T, branch, commit, step string) record {
	t.Helper()
	var latest struct{ Key string }
	if err := json.Unmarshal(s.get(t, "runs/"+branch+"/"+commit+"/"+step+"/latest.json"), &latest); err != nil {
		t.Fatal(err)
	}
	var f record
	if err := json.Unmarshal(s.get(t, latest.Key+"/finished.json"), &f); err != nil {
		t.Fatal(err)
	}
	return f
}

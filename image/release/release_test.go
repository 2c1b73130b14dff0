// Package release tests what a release is made of: packages and scripts are made of a stand-in for the binaries, then
// installed and run. The build itself is tested by make test-release.
package release

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

const version = "1.2.3"

// standIn takes the place of every binary: it says how it was called, and ends as it is asked to.
const standIn = `#!/bin/sh
case $1 in
exit) exit "$2" ;;
wait) trap 'echo stopped; exit 143' TERM; echo ready; for i in $(seq 2000); do sleep 0.05; done ;;
*) echo "runner $*" ;;
esac
`

var platforms = []string{"linux-amd64", "linux-arm64", "darwin-amd64", "darwin-arm64"}

// pack makes a release of stand-ins in a folder.
func pack(dir, version string) error {
	pages := filepath.Join(dir, "pages")
	files := map[string]string{"pages/man/runner.1": ".TH RUNNER 1\n"}
	for _, p := range platforms {
		files["out/runner-"+p] = standIn + "# " + p + "\n"
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		files["pages/completions/runner."+shell] = "# " + shell + "\n"
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			return err
		}
	}
	command := exec.Command("./package", filepath.Join(dir, "out"), version, pages, "npm", "texts")
	command.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1700000000", "npm_config_cache="+filepath.Join(dir, "cache"))
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("package: %w\n%s", err, out)
	}
	return nil
}

// release is one that all tests look at.
var release string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "release")
	if err == nil {
		err = pack(dir, version)
	}
	code := 1
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		release = filepath.Join(dir, "out")
		code = m.Run()
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func checksum(t *testing.T, name string) string {
	t.Helper()
	sum := sha256.Sum256([]byte(read(t, name)))
	return hex.EncodeToString(sum[:])
}

// call runs a program in a folder and returns its output and exit code.
func call(t *testing.T, dir string, env []string, name string, args ...string) (string, int) {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, args...)
	command.Dir, command.Env = dir, append(os.Environ(), env...)
	out, err := command.CombinedOutput()
	if command.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), command.ProcessState.ExitCode()
}

func TestTheVersionIsTheSameEverywhere(t *testing.T) {
	first := func(name, pattern string) string {
		found := regexp.MustCompile(pattern).FindStringSubmatch(read(t, name))
		if found == nil {
			t.Fatalf("%s has no %s", name, pattern)
		}
		return found[1]
	}
	want := first("../../cmd/runner/version.go", `(?m)^var number = "(.*)"$`)
	versions := map[string]string{
		"the image's label": first("../Dockerfile", `(?m)^ARG VERSION=(.*)$`),
		"the Debian image":  first("../Dockerfile", `(?s)AS debian\n.*?\nARG VERSION=(\S*)\n`),
		"CHANGELOG.md":      first("../../CHANGELOG.md", `(?m)^## (\d\S*)`),
	}
	for _, name := range []string{"base", "cicd", "environment", "target", "webhook"} {
		versions[name+".yaml"] = first("../../infra/"+name+".yaml", `(?m)^  RunnerVersion: \{ Value: "(.*)" \}`)
	}
	for _, tag := range regexp.MustCompile(`(?:carlin-cicd/runner-base:|\x60:)(\d[\w.]*(?:-[a-z]+\.[\d.]+)?)`).FindAllStringSubmatch(read(t, "../README.md"), -1) {
		versions["image/README.md: "+tag[0]] = tag[1]
	}
	for name, got := range versions {
		if got != want {
			t.Errorf("%s has the version %s, the runner %s: run image/release/version", name, got, want)
		}
	}
}

// go install of a module at a version refuses one whose go.mod replaces or excludes others.
func TestTheModuleCanBeInstalledByGo(t *testing.T) {
	if found := regexp.MustCompile(`(?m)^(replace|exclude)\b.*`).FindString(read(t, "../../go.mod")); found != "" {
		t.Errorf("go.mod has %q", found)
	}
}

// The linker ignores a variable that is not there, and then the runner would not know its webhook.
func TestTheBuildSetsVariablesThatTheRunnerHas(t *testing.T) {
	build := read(t, "build")
	set := regexp.MustCompile(`-X main\.(\w+)=`).FindAllStringSubmatch(build, -1)
	if len(set) < 2 {
		t.Fatalf("%v", set)
	}
	sources, err := filepath.Glob("../../cmd/runner/*.go")
	if err != nil {
		t.Fatal(err)
	}
	all := ""
	for _, name := range sources {
		all += read(t, name)
	}
	for _, v := range set {
		if !regexp.MustCompile(`(?m)^(var|\t)\s*` + v[1] + `\s+(string|=)`).MatchString(all) {
			t.Errorf("cmd/runner has no variable %s", v[1])
		}
	}
	// The same flags as make build, so that its size and its tests speak of what is released.
	flags := regexp.MustCompile(`-tags nethttpomithttp2( -gcflags=\S+=-l)+`)
	variables := strings.NewReplacer("$(SDK)", "github.com/aws/aws-sdk-go-v2/...", "$(YAML)", "github.com/goccy/go-yaml/...")
	made := variables.Replace(read(t, "../../Makefile"))
	if a, b := flags.FindString(build), flags.FindString(made); a == "" || a != b {
		t.Errorf("image/release/build has %q, the Makefile %q", a, b)
	}
}

func TestTheSameInputGivesTheSameBytes(t *testing.T) {
	t.Setenv("TZ", "Asia/Tokyo")
	again := t.TempDir()
	if err := pack(again, version); err != nil {
		t.Fatal(err)
	}
	one, two := release, filepath.Join(again, "out")
	files, err := os.ReadDir(one)
	if err != nil || len(files) != 13 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		if checksum(t, filepath.Join(one, f.Name())) != checksum(t, filepath.Join(two, f.Name())) {
			t.Errorf("%s differs", f.Name())
		}
	}
}

func TestTheNpmPackageRunsTheBinaryOfItsPlatform(t *testing.T) {
	dir := release
	project := t.TempDir()
	write(t, filepath.Join(project, "package.json"), `{"private":true}`)
	cpu := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	env := []string{"npm_config_cache=" + t.TempDir()}
	install := func(files ...string) {
		t.Helper()
		for i, f := range files {
			files[i] = filepath.Join(dir, f)
		}
		// The platform's package is on no registry yet: it is installed beside, and the optional ones are left out.
		args := append([]string{"install", "--silent", "--offline", "--no-audit", "--no-fund", "--omit=optional", "--ignore-scripts"}, files...)
		if out, code := call(t, project, env, "npm", args...); code != 0 {
			t.Fatalf("npm install: exit %d\n%s", code, out)
		}
	}
	runner := filepath.Join(project, "node_modules/.bin/runner")

	install("carlin-cicd-runner-" + version + ".tgz")
	out, code := call(t, project, nil, runner, "version")
	if code != 125 || !strings.Contains(out, "@carlin-cicd/runner-"+runtime.GOOS+"-"+cpu+" is not installed") {
		t.Errorf("without its platform's package: exit %d: %s", code, out)
	}

	install("carlin-cicd-runner-"+version+".tgz", "carlin-cicd-runner-"+runtime.GOOS+"-"+cpu+"-"+version+".tgz")
	if out, code = call(t, project, nil, runner, "a b", "$c"); code != 0 || out != "runner a b $c\n" {
		t.Errorf("exit %d: %s", code, out)
	}
	if out, code = call(t, project, nil, "npx", "--offline", "runner", "exit", "7"); code != 7 {
		t.Errorf("npx: exit %d, want the binary's 7: %s", code, out)
	}
	binary := filepath.Join(project, "node_modules/@carlin-cicd/runner-"+runtime.GOOS+"-"+cpu, "bin/runner")
	if err := os.Chmod(binary, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, code = call(t, project, nil, runner, "again"); code != 0 || out != "runner again\n" {
		t.Errorf("after an unpacker that loses modes: exit %d: %s", code, out)
	}
	stop := exec.CommandContext(t.Context(), "sh", "-c", `"$0" wait >out 2>&1 & pid=$!
		for i in $(seq 2000); do grep -qs ready out && break; sleep 0.05; done
		kill -TERM $pid; wait $pid; code=$?; cat out; exit $code`, runner)
	stop.Dir = project
	said, _ := stop.CombinedOutput()
	if stop.ProcessState.ExitCode() != 143 || string(said) != "ready\nstopped\n" {
		t.Errorf("TERM is not passed on: exit %d: %s", stop.ProcessState.ExitCode(), said)
	}
}

// A main package names every platform's package, at exactly its own version.
func TestTheNpmPackagesNameEachOther(t *testing.T) {
	dir := release
	manifest := func(file string) (m struct {
		Name, Version        string
		OS, CPU              []string
		OptionalDependencies map[string]string
	},
	) {
		text, code := call(t, dir, nil, "tar", "-xzOf", file, "package/package.json")
		if code != 0 {
			t.Fatal(text)
		}
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	main := manifest("carlin-cicd-runner-" + version + ".tgz")
	if main.Name != "@carlin-cicd/runner" || main.Version != version || len(main.OptionalDependencies) != len(platforms) {
		t.Errorf("%+v", main)
	}
	for _, p := range platforms {
		name := strings.Replace(p, "amd64", "x64", 1)
		got := manifest("carlin-cicd-runner-" + name + "-" + version + ".tgz")
		system, cpu, _ := strings.Cut(name, "-")
		if main.OptionalDependencies[got.Name] != version || got.Version != version ||
			!slices.Equal(got.OS, []string{system}) || !slices.Equal(got.CPU, []string{cpu}) {
			t.Errorf("%s: %+v", p, got)
		}
		if list, _ := call(t, dir, nil, "tar", "-tvzf", "carlin-cicd-runner-"+name+"-"+version+".tgz", "package/bin/runner"); !strings.HasPrefix(list, "-rwxr-xr-x") {
			t.Errorf("%s is not executable: %s", p, list)
		}
		if text, _ := call(t, dir, nil, "tar", "-xzOf", "carlin-cicd-runner-"+name+"-"+version+".tgz", "package/bin/runner"); text != read(t, filepath.Join(dir, "runner-"+p)) {
			t.Errorf("%s has another binary", p)
		}
	}
}

func TestTheInstallScriptInstallsWhatMatchesItsChecksum(t *testing.T) {
	dir := release
	binary := "runner-" + runtime.GOOS + "-" + runtime.GOARCH
	other := t.TempDir() // the release v9.9.9
	write(t, filepath.Join(other, binary), "#!/bin/sh\necho nine\n")
	write(t, filepath.Join(other, "SHA256SUMS"), checksum(t, filepath.Join(other, binary))+"  "+binary+"\n")
	tampered := t.TempDir()
	write(t, filepath.Join(tampered, binary), "#!/bin/sh\ntouch \"$STAGE/pwned\"\n")
	mux := http.NewServeMux()
	for path, folder := range map[string]string{"/good/v1.2.3/": dir, "/good/v9.9.9/": other, "/bad/v1.2.3/": tampered} {
		mux.Handle(path, http.StripPrefix(path, http.FileServer(http.Dir(folder))))
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)

	for name, c := range map[string]struct {
		from string
		args []string
		gh   string
		code int
		says string
		ran  string
	}{
		"the right checksum":         {"good", nil, "", 0, "is in", "runner v\n"},
		"another checksum":           {"bad", nil, "", 1, "nothing was installed", ""},
		"no such file":               {"missing", nil, "", 1, "cannot be downloaded", ""},
		"another version":            {"good", []string{"--version", "9.9.9"}, "", 0, "v9.9.9", "nine\n"},
		"a version that is not":      {"good", []string{"--version", "v8"}, "", 1, "v8/SHA256SUMS cannot be downloaded", ""},
		"provenance without gh":      {"good", []string{"--provenance"}, "", 1, "needs GitHub's gh", ""},
		"provenance that is right":   {"good", []string{"--provenance"}, "exit 0", 0, "is in", "runner v\n"},
		"provenance of another":      {"good", []string{"--provenance"}, "exit 1", 1, "cannot be verified", ""},
		"an option without a value":  {"good", []string{"--version"}, "", 1, "has no value", ""},
		"an option that it has not":  {"good", []string{"--force"}, "", 1, "there is no option --force", ""},
		"wget where there's no curl": {"good", nil, "no curl", 0, "is in", "runner v\n"},
	} {
		t.Run(name, func(t *testing.T) {
			stage := t.TempDir()
			bin := filepath.Join(stage, "bin")
			tools := []string{"sh", "uname", "mktemp", "mkdir", "awk", "cut", "sha256sum", "chmod", "mv", "rm", "cat", "curl"}
			if c.gh == "no curl" {
				tools[len(tools)-1] = "wget"
				if _, err := exec.LookPath("wget"); err != nil {
					write(t, filepath.Join(bin, "wget"), "#!/bin/sh\nexec "+look(t, "curl")+" -fsS -o \"$5\" \"$6\"\n")
				}
			} else if c.gh != "" {
				write(t, filepath.Join(bin, "gh"), "#!/bin/sh\necho \"$@\" >\"$STAGE/gh\"\n"+c.gh+"\n")
			}
			link(t, bin, tools...)
			to := filepath.Join(stage, "to")
			args := append([]string{filepath.Join(dir, "install.sh"), "--to", to, "--from", server.URL + "/" + c.from}, c.args...)
			out, code := call(t, stage, []string{"PATH=" + bin, "STAGE=" + stage}, filepath.Join(bin, "sh"), args...)
			if code != c.code || !strings.Contains(out, c.says) {
				t.Fatalf("exit %d: %s", code, out)
			}
			left, _ := os.ReadDir(to)
			if c.ran == "" {
				if len(left) != 0 {
					t.Errorf("left behind: %v", left)
				}
			} else if ran, _ := call(t, stage, nil, filepath.Join(to, "runner"), "v"); ran != c.ran || len(left) != 1 {
				t.Errorf("installed: %v, which prints %s", left, ran)
			}
			if strings.HasPrefix(c.gh, "exit") && !strings.Contains(read(t, filepath.Join(stage, "gh")), "--signer-workflow carlin-cicd/runner/.github/workflows/release.yml") {
				t.Error("gh is not asked for the workflow")
			}
			if _, err := os.Stat(filepath.Join(stage, "pwned")); err == nil {
				t.Error("what did not match was executed")
			}
		})
	}
}

func look(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("%s is not on PATH", program)
	}
	return path
}

// link makes a folder for a PATH that has these programs only.
func link(t *testing.T, bin string, programs ...string) {
	t.Helper()
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, p := range programs {
		if _, err := os.Stat(filepath.Join(bin, p)); err == nil {
			continue
		}
		if err := os.Symlink(look(t, p), filepath.Join(bin, p)); err != nil {
			t.Fatal(err)
		}
	}
}

// Half a script, as a broken download leaves it, does nothing.
func TestHalfAnInstallScriptDoesNothing(t *testing.T) {
	dir := release
	script := read(t, filepath.Join(dir, "install.sh"))
	to := filepath.Join(t.TempDir(), "to")
	for end := 100; end < len(script)-len("main \"$@\"\n"); end += 499 {
		half := filepath.Join(t.TempDir(), "half.sh")
		write(t, half, script[:end])
		call(t, filepath.Dir(half), []string{"HOME=" + to}, "sh", half, "--to", to, "--from", "file://"+dir)
		if _, err := os.Stat(to); err == nil {
			t.Fatalf("the first %d bytes make %s", end, to)
		}
	}
}

func TestTheFormulaHasTheChecksumOfEachFile(t *testing.T) {
	dir := release
	formula := read(t, filepath.Join(dir, "runner.rb"))
	files := []string{"runner-pages.tar.gz"}
	for _, p := range platforms {
		files = append(files, "runner-"+p)
	}
	for _, f := range files {
		pair := regexp.MustCompile(regexp.QuoteMeta(`/download/v`+version+`/`+f+`"`) + `[^\n]*\n\s+sha256 "` + checksum(t, filepath.Join(dir, f)) + `"`)
		if !pair.MatchString(formula) {
			t.Errorf("the formula does not have %s with its checksum:\n%s", f, formula)
		}
	}
}

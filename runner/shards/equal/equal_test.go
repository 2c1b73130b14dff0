package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The merged result of the sample's tests is that of one run, coverage included.
func TestTheSampleIsTheSame(t *testing.T) {
	const sample = "../../../image/sample"
	if !exists(filepath.Join(sample, "node_modules")) && os.Getenv("CI") == "" {
		t.Skip("the sample's dependencies are not installed: make test")
	}
	program := filepath.Join(t.TempDir(), "runner")
	if out, err := exec.Command("make", "-s", "-C", "../../..", "build", "OUT="+program).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var stdout, stderr bytes.Buffer
	err := run(t.Context(), []string{"--runner", program, "--shards", "2", sample}, &stdout, &stderr)
	if err != nil || !strings.Contains(stdout.String(), "| sample | 26 | 0 | 0 | 39 of 39 |") || !strings.HasSuffix(stdout.String(), "| yes |\n") {
		t.Errorf("%v\n%s%s", err, &stdout, &stderr)
	}
}

func TestDifferencesAreNamed(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	read := func(junit, lcov string) result {
		r := result{cases: map[string]int{}, lines: map[string]bool{}}
		if err := r.readCases(write("junit.xml", junit)); err != nil {
			t.Fatal(err)
		}
		if err := r.readLcov(write("lcov.info", lcov), source{dir: "/work"}); err != nil {
			t.Fatal(err)
		}
		return r
	}
	one := read(`<testsuites><testsuite><testcase name="a" classname="c"/><testcase name="b"><failure/></testcase></testsuite></testsuites>`,
		"SF:/work/x.js\nDA:1,2\nDA:2,0\nend_of_record\n")
	if d := one.compare(read(`<testsuite><testcase name="b"><failure/></testcase><testcase name="a" classname="c"/></testsuite>`,
		"SF:x.js\nDA:1,1\nDA:2,0\nend_of_record\n")); len(d) > 0 {
		t.Errorf("the same, in another order: %q", d)
	}
	d := one.compare(read(`<testsuite><testcase name="a" classname="c"><skipped/></testcase><testcase name="b"><failure/></testcase></testsuite>`,
		"SF:x.js\nDA:1,1\nDA:2,4\nend_of_record\n"))
	if len(d) != 3 || !strings.HasPrefix(d[0], "test  › c › a › passed: 1 in one run, 0 merged") || d[2] != "line x.js:2: false in one run, true merged" {
		t.Errorf("%q", d)
	}
}

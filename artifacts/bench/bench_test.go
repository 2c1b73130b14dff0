package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/artifacts/s3test"
)

// The floor's signatures are its own, and only a real server checks them.
func TestFloorUploadsAFolder(t *testing.T) {
	for _, b := range s3test.Buckets(t) {
		t.Run(b.Server, func(t *testing.T) {
			dir := t.TempDir()
			for name, size := range map[string]int{"a": 3, "empty": 0, "b/ä c+d&e=f": 70 << 10, "large": partSize + 1} {
				if err := write(filepath.Join(dir, name), make([]byte, size)); err != nil {
					t.Fatal(err)
				}
			}
			p := s3test.NewProxy(t, b.Endpoint)
			b.At(p).Setenv(t)
			sync := func() {
				t.Helper()
				if err := runFloor(t.Context(), []string{dir, b.Name, "p/"}); err != nil {
					t.Fatal(err)
				}
			}
			sync()
			if keys := b.Keys(t); !slices.Equal(keys, []string{"p/a", "p/b/ä c+d&e=f", "p/empty", "p/large"}) {
				t.Errorf("there is %q", keys)
			}
			if n := p.Count(); n["PutObject"] != 3 || n["UploadPart"] != 2 {
				t.Errorf("it took %v", n)
			}
			if err := firstOf(os.Remove(filepath.Join(dir, "large")), write(filepath.Join(dir, "a"), []byte("new"))); err != nil {
				t.Fatal(err)
			}
			p.ClearSeen()
			sync()
			if keys := b.Keys(t); len(keys) != 3 {
				t.Errorf("later there is %q", keys)
			}
			if n := p.Count(); n["PutObject"] != 1 || n["DeleteObjects"] != 1 || n["ListObjectsV2"] != 1 {
				t.Errorf("later it took %v", n)
			}
		})
	}
}

func TestFloorReportsUploadErrors(t *testing.T) {
	p := s3test.NewProxy(t, (&s3test.Null{}).Start(t), s3test.Rule{
		Operation: "PutObject", Skip: 1, Times: 1, Fault: s3test.Respond(s3test.SlowDown),
	})
	s3test.Bucket{Endpoint: p.URL}.Setenv(t)
	dir := t.TempDir()
	for _, name := range []string{"a", "b", "c"} {
		if err := write(filepath.Join(dir, name), []byte(name)); err != nil {
			t.Fatal(err)
		}
	}
	err := runFloor(t.Context(), []string{dir, "bucket", "p/"})
	if err == nil || !strings.Contains(err.Error(), "SlowDown") {
		t.Errorf("it ends with %v", err)
	}
}

func TestCheckComparesNamesAndSizes(t *testing.T) {
	endpoint := (&s3test.Null{}).Start(t)
	s3test.Bucket{Endpoint: endpoint}.Setenv(t)
	j := job{work: work{folder: "p", remove: true}, dir: t.TempDir(), bucket: "bucket"}
	for _, name := range []string{"a", "b/c"} {
		if err := write(filepath.Join(j.dir, name), []byte("content")); err != nil {
			t.Fatal(err)
		}
	}
	if err := runFloor(t.Context(), []string{j.dir, j.bucket, "p/"}); err != nil {
		t.Fatal(err)
	}
	b := &bench{server: &server{endpoint: endpoint}}
	check := func() error { return b.check(t.Context(), j, client{under: asIs}) }
	if err := check(); err != nil {
		t.Errorf("all is there: %v", err)
	}
	for _, step := range []struct {
		when string
		do   func() error
		want string
	}{
		{"a file is longer", func() error { return write(filepath.Join(j.dir, "a"), []byte("longer content")) }, "did not upload p/a"},
		{"a file is new", func() error { return write(filepath.Join(j.dir, "d"), nil) }, "and 1 more"},
		{"files are gone", func() error {
			return firstOf(os.Remove(filepath.Join(j.dir, "a")), os.Remove(filepath.Join(j.dir, "d")))
		}, "left 1 objects"},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		if err := check(); err == nil || !strings.Contains(err.Error(), step.want) {
			t.Errorf("%s: %v", step.when, err)
		}
	}
}

func TestWorksPrepareTheirFolder(t *testing.T) {
	dir := t.TempDir()
	if err := makeSmall(dir, 0); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, dir)
	if len(before) != smallFiles {
		t.Fatalf("%d files", len(before))
	}
	for name, f := range before {
		if f.size < 1<<10 || f.size > 16<<10 {
			t.Fatalf("%s has %d bytes", name, f.size)
		}
	}
	if err := touch(dir, 0); err != nil {
		t.Fatal(err)
	}
	touched := snapshot(t, dir)
	for name, f := range before {
		if now := touched[name]; now.sum != f.sum || !now.modified.After(f.modified) {
			t.Fatalf("%s was %v and is %v", name, f, now)
		}
	}
	if err := change(dir, 0); err != nil {
		t.Fatal(err)
	}
	after := snapshot(t, dir)
	changed := 0
	for name, f := range after {
		if f.size != touched[name].size {
			t.Fatalf("%s has another size", name)
		}
		if f.sum != touched[name].sum {
			changed++
		}
	}
	if changed != changes || len(after) != smallFiles-changes {
		t.Errorf("%d changed, %d left", changed, len(after))
	}
}

type file struct {
	size     int
	sum      string
	modified time.Time
}

func snapshot(t *testing.T, dir string) map[string]file {
	t.Helper()
	all := map[string]file{}
	for i := range smallFiles {
		name := filepath.Join(dir, smallPath(i))
		content, err := os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = file{len(content), string(content), info.ModTime()}
	}
	return all
}

func TestTargetsUseMedians(t *testing.T) {
	seconds := func(wall ...float64) (all []sample) {
		for _, w := range wall {
			all = append(all, sample{wall: time.Duration(w * float64(time.Second)), requests: 3, memory: 40 << 20})
		}
		return all
	}
	r := result{
		"W1":  {"ours": seconds(1, 9, 2), "floor": seconds(1.5), "aws": seconds(49), "rclone": seconds(12)},
		"W2t": {"ours": seconds(1), "aws": seconds(60)},
		"W4":  {"ours": seconds(2), "aws": seconds(8), "mc": seconds(1.9), "s5cmd": {{err: errors.New("failed")}}},
	}
	var got []string
	for _, v := range judge(r) {
		word := "miss"
		if v.pass {
			word = "pass"
		}
		got = append(got, word+" "+v.target)
	}
	want := []string{
		"pass W1: at most 1.5 x the floor", "miss W1: 25 x faster than aws", "pass W1: 5 x faster than rclone",
		"pass W2t: at most 3 requests", "pass W2t: 60 x faster than aws",
		"pass W4: at most 1.1 x mc, the best", "pass W4: 4 x faster than aws", "pass all: at most 48 MiB",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestGapsAreNamed(t *testing.T) {
	r := result{"W1": {"rclone": {{}, {err: errors.New("exit status 1: no such flag")}}, "mc": {{}}}}
	var text strings.Builder
	reportGaps(&text, []string{"s5cmd", "aws"}, r)
	if got := text.String(); got != "\nMISSING, as not in PATH: s5cmd, aws\n\nFAILED: W1 by rclone: exit status 1: no such flag\n" {
		t.Error(got)
	}
}

func TestUnknownNamesAreRefused(t *testing.T) {
	for _, args := range [][]string{{"--works", "W9"}, {"--clients", "ftp"}, {"--settings", "fast"}, {"--rounds", "0"}} {
		if err := run(context.Background(), args, &bytes.Buffer{}, &bytes.Buffer{}); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
}

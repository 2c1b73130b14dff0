package cause

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/carlin-cicd/runner/runner/record"
)

var update = flag.Bool("update", false, "write what is derived into testdata")

// recording is what a tool really printed, and what is derived from it.
type recording struct {
	archive *txtar.Archive
	code    int
	output  []byte
}

// readRecording reads a file of testdata: the command as its comment, then the files code, output and cause.
func readRecording(t testing.TB, name string) recording {
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	r := recording{archive: archive}
	for _, f := range archive.Files {
		switch f.Name {
		case "code":
			r.code, err = strconv.Atoi(strings.TrimSpace(string(f.Data)))
		case "output":
			r.output = f.Data
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return r
}

func recordings(t testing.TB) []string {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) < 40 {
		t.Fatalf("%d recordings, %v", len(names), err)
	}
	return names
}

// derive returns the cause and the annotations of an output that comes in pieces of a size.
func (r recording) derive(size int) (*record.Cause, []record.Annotation) {
	var w Watch
	for rest := r.output; len(rest) > 0; {
		n := min(size, len(rest))
		_, _ = w.Write(rest[:n])
		rest = rest[n:]
	}
	out := w.End(r.output, 1, 0, true)
	places := Places{Directory: "/workspace", Workspace: "/workspace", Within: "."}
	c := Of(Failure{
		Reason: record.Failure, ExitCode: r.code, Error: "the command exited with " + strconv.Itoa(r.code), Output: &out,
		Places: places,
	})
	for i := range out.Annotations {
		out.Annotations[i].Path = places.Find(out.Annotations[i].Path)
	}
	return c, out.Annotations
}

// What real tools print is derived as it was looked at when it was recorded, however the output is cut.
func TestRecordedOutputs(t *testing.T) {
	for _, name := range recordings(t) {
		r := readRecording(t, name)
		derive := func(size int) string {
			c, notes := r.derive(size)
			text, err := json.MarshalIndent(map[string]any{"cause": c, "annotations": notes}, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			return string(text) + "\n"
		}
		got := derive(1 << 20)
		if bytewise := derive(1); bytewise != got {
			t.Errorf("%s: byte by byte it is\n%s, else\n%s", name, bytewise, got)
		}
		want := ""
		for i, f := range r.archive.Files {
			if f.Name == "derived" {
				want = string(f.Data)
				r.archive.Files[i].Data = []byte(got)
			}
		}
		if *update {
			if err := os.WriteFile(name, txtar.Format(r.archive), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if got != want {
			t.Errorf("%s: got\n%s, want\n%s", name, got, want)
		}
	}
}

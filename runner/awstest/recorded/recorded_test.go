package recorded

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhatWasRecordedReplacesWhatIsDocumented(t *testing.T) {
	folder := t.TempDir()
	r, err := In(folder, "ecr", "no repository")
	if err != nil || r.Code != "RepositoryNotFoundException" {
		t.Fatalf("%+v %v", r, err)
	}
	r.Code, r.Message, r.Status = "RepositoryIsGone", "it is gone", 404
	if err := Record(folder, r); err != nil {
		t.Fatal(err)
	}
	if got, err := In(folder, "ecr", "no repository"); err != nil || got.Code != r.Code || got.Message != r.Message || got.Status != 404 {
		t.Errorf("%+v %v", got, err)
	}
	if got, err := In(folder, "ecr", "no image"); err != nil || got.Code != "ImageNotFoundException" {
		t.Errorf("another refusal: %+v %v", got, err)
	}
	if _, err := In(folder, "ecr", "no budget"); err == nil {
		t.Error("a refusal that nothing knows")
	}
	if err := os.WriteFile(filepath.Join(folder, "ecr-no-image.json"), []byte(`{"code":`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := In(folder, "ecr", "no image"); err == nil || !strings.Contains(err.Error(), "ecr-no-image.json") {
		t.Errorf("a recording that cannot be read: %v", err)
	}
}

// Each file that make test-aws has recorded is one that is read, and has a code that the runner knows.
func TestTheRecordingsAreWhatTheRunnerKnows(t *testing.T) {
	files, err := os.ReadDir(Folder())
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	read := map[string]bool{}
	for _, known := range documented {
		read[known.file()] = true
		if r := Of(known.Service, known.About); !known.Knows(r.Code) {
			t.Errorf("%s is recorded with the code %s, and the runner knows %s %v", known.file(), r.Code, known.Code, known.Also)
		}
	}
	for _, file := range files {
		if strings.HasSuffix(file.Name(), ".json") && !read[file.Name()] {
			t.Errorf("%s is read by nothing", file.Name())
		}
	}
}

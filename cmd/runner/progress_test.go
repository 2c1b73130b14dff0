package main

import (
	"os"
	"testing"
)

func TestProgressNeedsATerminal(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	ctx, done := artifactStore{options: &options{stderr: file}}.showProgress(t.Context(), "fetching")
	done()
	if ctx != t.Context() {
		t.Error("progress is drawn into a file")
	}
}

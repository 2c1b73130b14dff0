package main

import (
	"os"
	"testing"
)

func TestNoProgressWithoutATerminal(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	ctx, done := shelf{console: console{stderr: file}}.progress(t.Context(), "fetching")
	done()
	if ctx != t.Context() {
		t.Error("nobody looks, and yet it is told")
	}
}

// Every flag says its variable, and no two the same.
func TestEveryFlagHasItsVariable(t *testing.T) {
	seen := map[string]bool{}
	for _, o := range options {
		if o.flag == "" || o.variable == "" || o.usage == "" || seen[o.variable] || seen[o.flag] {
			t.Errorf("%+v", o)
		}
		seen[o.variable], seen[o.flag] = true, true
	}
	for flag := range only {
		if !seen[flag] {
			t.Errorf("%s is no flag", flag)
		}
	}
	for _, flag := range artifactsFlags {
		if !seen[flag] {
			t.Errorf("%s is no flag", flag)
		}
	}
}

package main

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/carlin-cicd/runner/runner/config"
)

var update = flag.Bool("update", false, "rewrite the list of variables in runner/README.md")

// runner/README.md lists every variable of a run.
func TestReadmeListsTheVariables(t *testing.T) {
	const name = "../../runner/README.md"
	const begin = "<!-- variables: written by go test ./cmd/runner -run Readme -update -->\n"
	const end = "<!-- end of variables -->\n"
	file, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(file), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s lacks the lines %q and %q", name, begin, end)
	}
	var b strings.Builder
	flags := runFlagNames(newRoot(&options{}))
	for _, group := range config.Variables() {
		fmt.Fprintf(&b, "\n### %s\n\n| variable | flag | meaning |\n|---|---|---|\n", group.Title)
		for _, v := range group.Variables {
			option := ""
			if flags[v.Name] != "" {
				option = "`" + flags[v.Name] + "`"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", v.Name, option, v.About)
		}
	}
	want := before + begin + b.String() + end + after
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(file) != want {
		t.Errorf("the variables in %s are out of date: go test ./cmd/runner -run Readme -update", name)
	}
}

// Every variable that configures a run is listed, and none twice.
func TestEveryVariableIsListed(t *testing.T) {
	listed := map[string]bool{}
	for _, group := range config.Variables() {
		for _, v := range group.Variables {
			if listed[v.Name] || v.About == "" {
				t.Errorf("%s is listed twice, or without its meaning", v.Name)
			}
			listed[v.Name] = true
		}
	}
	for field := range reflect.TypeFor[config.Config]().Fields() {
		if name := field.Tag.Get("env"); !listed[name] {
			t.Errorf("%s (%s) is not in config.Variables", name, field.Name)
		}
	}
	newRoot(&options{}).Flags().VisitAll(func(f *pflag.Flag) {
		if v, ok := f.Value.(*flagValue); ok && !listed[v.variable] {
			t.Errorf("%s (--%s) is not in config.Variables", v.variable, f.Name)
		}
	})
}

// The comparison in steps/pipeline.md is what the program prints, as its transcript has it.
func TestPipelinePageShowsTheComparison(t *testing.T) {
	transcript, err := os.ReadFile("testdata/right-size-pipeline.txtar")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../steps/pipeline.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(transcript), "-- pipeline.txt --\n")
	if !ok || !strings.Contains(string(page), "\n"+table+"```\n") {
		t.Error("steps/pipeline.md shows another table than testdata/right-size-pipeline.txtar")
	}
}

package results_test

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/carlin-cicd/runner/steps/results"
)

// writeReport writes a report into a new folder and returns the folder.
func writeReport() string {
	root, err := os.MkdirTemp("", "results")
	if err != nil {
		log.Fatal(err)
	}
	report := `<testsuite name="basket" tests="3" failures="1">
  <testcase classname="basket" name="adds up" file="src/basket.test.ts" time="0.2">
    <failure message="expected 3, received 2">Error: expected 3, received 2
    at src/basket.test.ts:7:11</failure>
  </testcase>
  <testcase classname="basket" name="is empty at first" time="0.1"/>
  <testcase classname="basket" name="ships"><skipped/></testcase>
</testsuite>`
	if err := os.WriteFile(filepath.Join(root, "junit.xml"), []byte(report), 0o644); err != nil {
		log.Fatal(err)
	}
	return root
}

func ExampleRead() {
	root := writeReport()
	defer os.RemoveAll(root)

	// Reports written before the command began do not count; the zero time accepts all.
	r, err := results.Read(results.Options{Root: root, Globs: []string{"**/junit*.xml"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("red: %v, %d of %d failed, %d skipped\n", r.Red(), r.Failed, r.Total, r.Skipped)
	for _, c := range r.Failures {
		fmt.Printf("%s: %s: %s\n", c.File, c.Name, c.Message)
	}
	// Output:
	// red: true, 1 of 3 failed, 1 skipped
	// src/basket.test.ts: adds up: expected 3, received 2
}

func ExampleRead_eachCase() {
	root := writeReport()
	defer os.RemoveAll(root)

	_, err := results.Read(results.Options{
		Root: root, Globs: []string{"junit.xml"},
		Visit: func(c results.Case) { fmt.Println(c.Status, c.Name) },
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// failed adds up
	// passed is empty at first
	// skipped ships
}

func ExampleCase_MarshalJSON() {
	c := results.Case{Name: "adds up", Status: results.Errored, Duration: 1500 * time.Millisecond, Report: "junit.xml"}
	text, err := json.Marshal(c)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(text))
	// Output:
	// {"name":"adds up","status":"errored","report":"junit.xml","seconds":1.5}
}

func ExampleValidGlob() {
	fmt.Println(results.ValidGlob("../junit.xml"))
	// Output:
	// "../junit.xml" leaves the step's folder: write it relative to that folder, such as reports/*.xml
}

package artifacts_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/folder"
)

// A set is published from a folder and fetched into another one, with every checksum verified.
func Example() {
	ctx := context.Background()
	dir, store := exampleStore()
	defer os.RemoveAll(dir)

	ref := artifacts.Ref{Branch: "main", SHA: "0123456789abcdef0123456789abcdef01234567"}
	published, err := artifacts.Publish(ctx, store, artifacts.Set{
		Kind: "builds", Ref: ref, RunID: "run-1", Dir: filepath.Join(dir, "dist"),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(published.Key, published.Uploaded, "files")

	fetched, err := artifacts.Fetch(ctx, store, "builds", ref, filepath.Join(dir, "fetched"), artifacts.FetchOptions{})
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range fetched.Files {
		fmt.Println(f.Path, f.Size, f.Type)
	}
	// Output:
	// builds/main/0123456789abcdef0123456789abcdef01234567 2 files
	// app.js 10 text/javascript; charset=utf-8
	// index.html 15 text/html; charset=utf-8
}

// Publishing a set again uploads only what has changed, and removes what is gone.
func ExamplePublish() {
	ctx := context.Background()
	dir, store := exampleStore()
	defer os.RemoveAll(dir)

	dist := filepath.Join(dir, "dist")
	set := artifacts.Set{
		Kind: "builds", Ref: artifacts.Ref{Branch: "main", SHA: "0123456789abcdef0123456789abcdef01234567"}, Dir: dist,
	}
	if _, err := artifacts.Publish(ctx, store, set); err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dist, "index.html"), []byte("<h1>Bye</h1>"), 0o644); err != nil {
		log.Fatal(err)
	}
	again, err := artifacts.Publish(ctx, store, set)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(again.Uploaded, "uploaded,", again.Unchanged, "unchanged,", again.Removed, "removed")
	// Output: 1 uploaded, 1 unchanged, 0 removed
}

// Verify names the files of a set that no longer match its manifest.
func ExampleVerify() {
	ctx := context.Background()
	dir, store := exampleStore()
	defer os.RemoveAll(dir)

	ref := artifacts.Ref{Branch: "main", SHA: "0123456789abcdef0123456789abcdef01234567"}
	set := artifacts.Set{Kind: "builds", Ref: ref, Dir: filepath.Join(dir, "dist")}
	if _, err := artifacts.Publish(ctx, store, set); err != nil {
		log.Fatal(err)
	}
	if err := store.Delete(ctx, "builds/main/"+ref.SHA+"/app.js"); err != nil {
		log.Fatal(err)
	}
	problems, err := artifacts.Verify(ctx, store, "builds", ref)
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range problems {
		fmt.Println(p.Path, "is corrupt: got", p.Err.Got)
	}
	// Output: app.js is corrupt: got nothing
}

// exampleStore makes a folder with a small website in dist, and a store beside it.
func exampleStore() (dir string, store *folder.Store) {
	dir, err := os.MkdirTemp("", "artifacts")
	if err != nil {
		log.Fatal(err)
	}
	dist := filepath.Join(dir, "dist")
	if err := os.Mkdir(dist, 0o755); err != nil {
		log.Fatal(err)
	}
	for name, content := range map[string]string{"index.html": "<h1>Hello</h1>\n", "app.js": "let a = 1\n"} {
		if err := os.WriteFile(filepath.Join(dist, name), []byte(content), 0o644); err != nil {
			log.Fatal(err)
		}
	}
	if store, err = folder.New(filepath.Join(dir, "store")); err != nil {
		log.Fatal(err)
	}
	return dir, store
}

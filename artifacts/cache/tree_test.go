package cache

import (
	"bytes"
	"crypto/sha256"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/artifacts/artifactstest"
)

func sampleTree() *tree {
	sum := sha256.Sum256([]byte("x"))
	return &tree{
		roots:  []string{"a/deps", "~/.tool"},
		blocks: []block{{sum, 100, 200, 1700000000, false}, {sum, 1, 2, 3, true}},
		nodes: []node{
			{root: 0, path: "", mode: 0o755, mtime: 12345},
			{root: 0, path: "b", mode: 0o4755, mtime: -1},
			{root: 0, path: "b/c.txt", kind: fileNode, mode: 0o644, mtime: 1, size: 12, pieces: []piece{{sum, 0, 100, 10}, {sum, 1, 0, 2}}},
			{root: 0, path: "b/d.txt", kind: hardNode, same: 2},
			{root: 0, path: "c", kind: linkNode, mode: 0o777, target: "/etc/passwd"},
			{root: 0, path: "empty", kind: fileNode, mode: 0o600},
			{root: 1, path: "", kind: fileNode},
		},
	}
}

func TestParseTreeIsTheInverseOfEncode(t *testing.T) {
	text := sampleTree().encode()
	parsed, err := parseTree(text)
	if err != nil {
		t.Fatal(err)
	}
	if again := parsed.encode(); !bytes.Equal(text, again) {
		t.Errorf("%q, then %q", text, again)
	}
	for i := range text {
		if _, err := parseTree(text[:i]); err == nil {
			t.Errorf("the first %d of %d bytes are a tree", i, len(text))
		}
	}
}

func TestHostileTreesAreRefused(t *testing.T) {
	set := func(i int, change func(n *node)) func(*tree) {
		return func(t *tree) { change(&t.nodes[i]) }
	}
	for name, change := range map[string]func(*tree){
		"a way up":                       set(2, func(n *node) { n.path = "../x" }),
		"a way up in the middle":         set(2, func(n *node) { n.path = "b/../../x" }),
		"an absolute path":               set(2, func(n *node) { n.path = "/etc/passwd" }),
		"a dot":                          set(2, func(n *node) { n.path = "b/." }),
		"an empty component":             set(2, func(n *node) { n.path = "b//c" }),
		"a zero byte":                    set(2, func(n *node) { n.path = "b/c\x00d" }),
		"a file in a link":               set(5, func(n *node) { n.path = "c/empty" }),
		"a file in a file":               set(5, func(n *node) { n.path = "b/c.txt/empty" }),
		"a file in no folder":            set(2, func(n *node) { n.path = "q/c.txt" }),
		"a link in place of a folder":    set(1, func(n *node) { n.kind, n.target = linkNode, "/etc" }),
		"one path twice":                 set(5, func(n *node) { n.path = "c" }),
		"a link to itself":               set(3, func(n *node) { n.same = 3 }),
		"a link to a later file":         set(3, func(n *node) { n.same = 5 }),
		"a hard link to a folder":        set(3, func(n *node) { n.same = 1 }),
		"a hard link to another root":    func(t *tree) { t.nodes[6].kind, t.nodes[6].same = hardNode, 2 },
		"an empty target":                set(4, func(n *node) { n.target = "" }),
		"a target with a zero byte":      set(4, func(n *node) { n.target = "a\x00b" }),
		"an unknown kind":                set(4, func(n *node) { n.kind = 9 }),
		"a mode of another type":         set(2, func(n *node) { n.mode = 0o100644 }),
		"an unknown root":                set(6, func(n *node) { n.root = 2 }),
		"a negative size":                set(2, func(n *node) { n.size = -1 }),
		"pieces for another size":        set(2, func(n *node) { n.size = 13 }),
		"an unknown block":               set(2, func(n *node) { n.pieces[0].block = 2 }),
		"a piece beyond its block":       set(2, func(n *node) { n.pieces[0].offset = 191 }),
		"a piece of nothing":             set(2, func(n *node) { n.pieces[0].length, n.size = 0, 2 }),
		"a block that is too large":      func(t *tree) { t.blocks[0].raw = maxBlock + 1 },
		"a block of a negative size":     func(t *tree) { t.blocks[0].stored = -1 },
		"a stored block beyond all size": func(t *tree) { t.blocks[0].stored = 1 << 40 },
	} {
		tree := sampleTree()
		change(tree)
		if _, err := parseTree(tree.encode()); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// FuzzParseTree: whatever is accepted is whole, and is restored below its root.
func FuzzParseTree(f *testing.F) {
	f.Add(sampleTree().encode())
	f.Add([]byte(treeMagic))
	f.Add((&tree{roots: []string{"x"}, nodes: []node{{}}}).encode())
	f.Fuzz(func(t *testing.T, text []byte) {
		parsed, err := parseTree(text)
		if err != nil {
			return
		}
		again, err := parseTree(parsed.encode())
		if err != nil || !bytes.Equal(parsed.encode(), again.encode()) {
			t.Fatalf("%q: %v", text, err)
		}
		if len(parsed.roots) != 1 || len(parsed.nodes) > 50 || slices.ContainsFunc(parsed.nodes, func(n node) bool { return len(n.pieces) > 0 }) {
			return
		}
		top := t.TempDir()
		dir := filepath.Join(top, "work")
		artifactstest.Must(t, os.Mkdir(dir, 0o755))
		w, err := newWriter(parsed, []Path{{dir, "path"}})
		if err == nil {
			_ = w.finish()
		}
		_ = w.close()
		entries, err := os.ReadDir(top)
		artifactstest.Must(t, err)
		if len(entries) != 1 {
			t.Errorf("%q was restored outside: %v", text, entries)
		}
		entries, err = os.ReadDir(dir)
		artifactstest.Must(t, err)
		for _, e := range entries {
			if e.Name() != "path" {
				t.Errorf("%q left %s", text, e.Name())
			}
		}
		_ = filepath.WalkDir(dir, func(at string, d os.DirEntry, _ error) error { // so that it can be removed
			if d != nil && d.IsDir() {
				_ = os.Chmod(at, 0o755)
			}
			return nil
		})
	})
}

func FuzzParseEntry(f *testing.F) {
	text, err := Entry{Version: entryVersion, Name: "deps", Paths: []string{"a"}}.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(entryMagic))
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := parseEntry(text)
		if err == nil && (e.Version != entryVersion || e.Tree.Raw > maxTree || e.Tree.Raw < 0) {
			t.Errorf("%q is accepted", text)
		}
	})
}

func TestCutsDependOnTheContentAround(t *testing.T) {
	data := random(7, 20<<20)
	cuts := func(data []byte) map[string]bool {
		all := map[string]bool{}
		for len(data) > 0 {
			n := cut(data[:min(len(data), maxPiece)])
			if n > maxPiece || n < minPiece && n < len(data) {
				t.Fatalf("a piece of %d bytes", n)
			}
			all[string(data[:n])] = true
			data = data[n:]
		}
		return all
	}
	before := cuts(data)
	if mean := len(data) / len(before); mean < usualPiece/2 || mean > usualPiece*2 {
		t.Errorf("a piece has %d bytes on average", mean)
	}
	fresh := 0
	for piece := range cuts(slices.Insert(slices.Clone(data), len(data)/2, []byte("an insertion")...)) {
		if !before[piece] {
			fresh++
		}
	}
	if fresh > 3 {
		t.Errorf("an insertion changed %d of %d pieces", fresh, len(before))
	}
}

func TestLinksInTheWayLeadNowhere(t *testing.T) {
	c, p := newCache(t), newProject(t)
	write(t, p.path("a"), []byte("fine"))
	p.save(c, "k", nil)

	outside := t.TempDir()
	q := newProject(t)
	artifactstest.Must(t, os.Symlink(outside, filepath.Join(q.dir, "a")))
	r := q.restore(c, "k")
	if r.Hit || len(r.Problems) != 1 {
		t.Errorf("restored through a link that leaves the workspace: %+v", r)
	}
	if _, err := c.Save(t.Context(), nil, q.options("k2")); err == nil {
		t.Error("saved through a link that leaves the workspace")
	}
	// A link at the path itself is replaced, not followed.
	o := newProject(t)
	artifactstest.Must(t, os.Mkdir(filepath.Join(o.dir, "a"), 0o755))
	artifactstest.Must(t, os.Symlink(outside, o.path()))
	if _, err := c.Save(t.Context(), nil, o.options("k3")); err == nil || !strings.Contains(err.Error(), "neither a folder nor a file") {
		t.Errorf("saved what a link leads to: %v", err)
	}
	if r := o.restore(c, "k"); !r.Exact {
		t.Errorf("restored %+v", r)
	}
	if entries, _ := os.ReadDir(outside); len(entries) > 0 {
		t.Errorf("something was written outside: %v", entries)
	}
}

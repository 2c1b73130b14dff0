package coverage

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// folderText is folders as text: path covered/total, and the change where there is one.
func folderText(folders []Folder) string {
	var all []string
	for _, f := range folders {
		text := fmt.Sprintf("%s %d/%d", f.Path, f.Lines.Covered, f.Lines.Total)
		if f.Change != nil {
			text += fmt.Sprintf(" %+.1f", *f.Change)
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

func TestFoldersOfRealToolsAddUpToTheirTotals(t *testing.T) {
	for folder, want := range map[string]string{
		"summary": "js 12/15", "lcov": ". 12/15", "clover": "js 12/15", "cobertura": "js 12/15", "node": ". 11/13",
		"go":          "example.com/ledger/ledger 2/5, example.com/ledger/report 4/5",
		"go-coverpkg": "example.com/ledger/ledger 4/5, example.com/ledger/report 4/5",
	} {
		summary, err := Read(filepath.Join("testdata/reports", folder), "/workspace", time.Time{})
		folders := summary.Folders
		if got := folderText(folders); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", folder, got, err, want)
		}
		var all Summary
		for _, f := range folders {
			all.Lines, all.Branches = all.Lines.plus(f.Lines), all.Branches.plus(f.Branches)
		}
		if all.Lines != summary.Lines || all.Branches != summary.Branches {
			t.Errorf(
				"%s: the folders have %v and %v, the whole %v and %v",
				folder,
				all.Lines,
				all.Branches,
				summary.Lines,
				summary.Branches,
			)
		}
	}
}

func TestNamesOfFolders(t *testing.T) {
	lcovOf := func(names ...string) string {
		text := ""
		for _, name := range names {
			text += "SF:" + name + "\nDA:1,1\nDA:2,0\nend_of_record\n"
		}
		return text
	}
	class := func(name string) string {
		return `<class filename="` + name + `"><lines><line number="1" hits="1"/></lines></class>`
	}
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"relative to the root":                        {map[string]string{"lcov.info": lcovOf("/src/app/a/x.ts", "/src/app/a/y.ts", "/src/app/z.ts")}, ". 1/2, a 2/4"},
		"as they are outside of it":                   {map[string]string{"lcov.info": lcovOf("/elsewhere/a/x.ts", "/src/application/x.ts")}, "/elsewhere/a 1/2, /src/application 1/2"},
		"a file in several tests, once":               {map[string]string{"lcov.info": lcovOf("a/x.ts", "a/x.ts", "./a/y.ts")}, "a 2/4"},
		"below their packages, which have their own":  {map[string]string{"packages/a/coverage/lcov.info": lcovOf("src/x.ts"), "packages/b/coverage/lcov.info": lcovOf("src/x.ts", "/src/app/packages/b/lib/y.ts")}, "packages/a/src 1/2, packages/b/lib 1/2, packages/b/src 1/2"},
		"of cobertura relative to its only source":    {map[string]string{"c.xml": `<coverage line-rate="1"><sources><source>/src/app/pkg/</source></sources><packages><package><classes>` + class("mod.py") + class("sub/x.py") + `</classes></package></packages></coverage>`}, "pkg 1/1, pkg/sub 1/1"},
		"of cobertura as they are with several":       {map[string]string{"c.xml": `<coverage line-rate="1"><sources><source>/src/app</source><source>/lib</source></sources><packages><package><classes>` + class("pkg/mod.py") + `</classes></package></packages></coverage>`}, "pkg 1/1"},
		"not those in which there is nothing to test": {map[string]string{"lcov.info": lcovOf("a/x.ts") + "SF:types/t.d.ts\nend_of_record\n"}, "a 1/2"},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := Read(folder(t, c.files), "/src/app", time.Time{}); err != nil ||
				folderText(got.Folders) != c.want {
				t.Errorf("%s, %v, want %s", folderText(got.Folders), err, c.want)
			}
		})
	}
}

func TestManyFoldersAreAddedUp(t *testing.T) {
	var deep, wide strings.Builder
	for i := range 3_000 {
		fmt.Fprintf(&deep, "SF:src/m%d/part%d/x.ts\nDA:1,1\nDA:2,0\nend_of_record\n", i%50, i)
		fmt.Fprintf(&wide, "SF:d%d/x.ts\nDA:1,1\nend_of_record\n", i)
	}
	got, err := Read(folder(t, map[string]string{"lcov.info": deep.String()}), "/", time.Time{})
	folders := got.Folders
	if err != nil || len(folders) != 50 || folders[0].Path != "src/m0" || folders[0].Lines != (Figure{60, 120}) {
		t.Errorf("%d folders, the first %+v, %v", len(folders), folders[0], err)
	}
	if got, err = Read(
		folder(t, map[string]string{"lcov.info": wide.String()}),
		"/",
		time.Time{},
	); err != nil ||
		folderText(got.Folders) != ". 3000/3000" {
		t.Errorf("%s, %v", folderText(got.Folders), err)
	}
}

func TestChangesOfFolders(t *testing.T) {
	now := []Folder{
		{Path: "a", Lines: Figure{1, 4}},
		{Path: "b", Lines: Figure{1, 2}},
		{Path: "new", Lines: Figure{1, 2}},
	}
	SetChanges(
		now,
		[]Folder{
			{Path: "a", Lines: Figure{1, 2}},
			{Path: "b", Lines: Figure{2, 4}},
			{Path: "gone", Lines: Figure{1, 2}},
		},
	)
	if got, want := folderText(now), "a 1/4 -25.0, b 1/2 +0.0, new 1/2"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

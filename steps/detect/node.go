package detect

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// node is JavaScript and TypeScript with a package.json: scripts of npm, pnpm, yarn and bun.
type node struct{}

func (node) name() string { return "node" }

func (node) marks() []string { return []string{"package.json"} }

func (node) propose(p project) (proposal, error) {
	name := path.Join(p.dir, "package.json")
	text, err := p.must("package.json")
	if err != nil {
		return proposal{}, err
	}
	m, err := parseManifest(text)
	if err != nil {
		return proposal{}, &ReadError{name, err}
	}
	root := nodePackage{p, m}
	packages, strangers, broken := members(root)
	f := &follower{manager: managerOf(root), root: &root, members: packages}
	out := proposal{what: []string{f.manager.name}}
	if p.first("bun.lock", "bun.lockb") != "" && f.manager.name == "bun" {
		out.setup = "bun install --frozen-lockfile"
	}
	for _, tool := range []string{"turbo", "nx", "lerna"} {
		if m.depends(tool) || p.has(tool+".json") {
			out.what = append(out.what, tool)
		}
	}
	if s, ok := f.build(&root); ok {
		out.steps = append(out.steps, s)
	}
	if s, what, ok := f.test(&root); ok {
		out.what = append(out.what, strings.Split(what, ", ")...)
		out.steps = append(out.steps, s)
	}
	if m.script("lint") != "" {
		out.steps = append(out.steps, Step{Name: "lint", Command: f.manager.script("lint", "")})
	}
	if p.has("scripts/migrate.js") {
		out.steps = append(out.steps, Step{Name: "migrate", Command: "node scripts/migrate.js"})
	}
	out.leftOut = append(out.leftOut, grouped(strangers)...)
	for _, file := range broken {
		out.leftOut = append(out.leftOut, file+" (cannot be read)")
	}
	return out, nil
}

// grouped names folders that are no packages of the workspace: many of one folder together.
func grouped(folders []string) (all []string) {
	count := map[string]int{}
	for _, dir := range folders {
		count[path.Dir(dir)]++
	}
	for _, dir := range folders {
		line := dir + " (package.json, no package of the workspace)"
		if parent := path.Dir(dir); parent != "." && count[parent] > 2 {
			line = fmt.Sprintf("%s/* (package.json in %d folders, no packages of the workspace)", parent, count[parent])
		}
		if !slices.Contains(all, line) {
			all = append(all, line)
		}
	}
	return all
}

// buildScripts are names of the script that builds, the usual one first.
var buildScripts = []string{"build", "compile", "bundle"}

// maxArtifacts is how many packages of a workspace get artifacts of their own.
const maxArtifacts = 20

// build is the step that runs the script build, in the workspace's own package or in each.
func (f *follower) build(root *nodePackage) (Step, bool) {
	s := Step{Name: "build"}
	var l *line
	for _, name := range buildScripts {
		if l = f.follow(root, name); l != nil {
			s.Command = f.manager.script(name, "")
			break
		}
	}
	if l == nil {
		s.Command = f.manager.inEach(f.manager.each, "build", "")
		each, ok := f.lineOf(s.Command)
		if !ok {
			return Step{}, false
		}
		l = each
	}
	all := l.builds()
	for _, b := range all {
		found := outputsOf(b.pkg, b.parts)
		for _, o := range found {
			if o == fallback && len(all) > 1 {
				continue
			}
			o.path = path.Join(relative(root.dir, b.pkg.dir), o.path)
			s.store(o, b.pkg.dir != root.dir)
		}
	}
	if len(s.Artifacts) == 0 {
		s.Notes = append(s.Notes, "nothing is stored: where its packages are built to was not recognised")
	}
	if len(s.Artifacts) > maxArtifacts {
		s.Notes = append(s.Notes, fmt.Sprintf("%d more packages are built, but not stored", len(s.Artifacts)-maxArtifacts))
		s.Artifacts = s.Artifacts[:maxArtifacts]
	}
	return s, true
}

// store adds a folder to the artifacts of a build: "builds", and for packages "builds-core".
func (s *Step) store(o output, ofPackage bool) {
	a := Artifact{Name: "builds", Path: o.path, When: "success", Optional: o.guessed, Note: o.note}
	taken := func(name string) bool {
		return slices.ContainsFunc(s.Artifacts, func(b Artifact) bool { return b.Name == name })
	}
	if slices.ContainsFunc(s.Artifacts, func(b Artifact) bool { return b.Path == a.Path }) {
		return
	}
	if ofPackage {
		a.Name = "builds-" + slug(path.Base(path.Dir(o.path)))
	}
	if taken(a.Name) {
		a.Name = "builds-" + slug(o.path)
	}
	for i := 2; taken(a.Name); i++ {
		a.Name = fmt.Sprintf("builds-%d", i)
	}
	s.Artifacts = append(s.Artifacts, a)
}

// relative is a folder below another, as a path from it.
func relative(base, dir string) string {
	if base == "." {
		return dir
	}
	if base == dir {
		return "."
	}
	return strings.TrimPrefix(dir, base+"/")
}

// built is a package with the commands of its build.
type built struct {
	pkg    *nodePackage
	parts  []part
	opaque bool // whether it has a script that is not followed
}

// builds are the packages that a script builds.
func (l *line) builds() (all []built) {
	var collect func(l *line)
	collect = func(l *line) {
		if l == nil {
			return
		}
		i := slices.IndexFunc(all, func(b built) bool { return b.pkg.dir == l.pkg.dir })
		if i < 0 {
			all, i = append(all, built{pkg: l.pkg}), len(all)
		}
		all[i].opaque = all[i].opaque || !l.followed
		collect(l.before)
		for _, p := range l.parts {
			if len(p.hop.names) == 0 && !p.all {
				all[i].parts = append(all[i].parts, p)
			}
			for _, called := range p.calls {
				collect(called)
			}
		}
		collect(l.after)
	}
	collect(l)
	several := len(all) > 1
	return slices.DeleteFunc(all, func(b built) bool { return several && len(b.parts) == 0 && !b.opaque })
}

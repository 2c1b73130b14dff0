package detect

import (
	"bytes"
	"encoding/json"
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/goccy/go-yaml"
)

// manifest is what package.json has of interest here. A key of another type than usual counts as missing.
type manifest struct {
	label, manager string // manager as in "pnpm@10.1.0"
	scripts        []script
	dependencies   map[string]string // of every kind, with their ranges
	entries        []string          // files that the package is used by: main, module, types, bin, exports
	files          []string
	workspaces     []string
	source         string // the whole, for the configuration of tools
}

// script is one of package.json's, in its order.
type script struct{ name, line string }

func (m manifest) script(name string) string {
	for _, s := range m.scripts {
		if s.name == name {
			return s.line
		}
	}
	return ""
}

func (m manifest) depends(on ...string) bool {
	return slices.ContainsFunc(on, func(name string) bool { return m.dependencies[name] != "" })
}

// parseManifest reads a package.json.
func parseManifest(text string) (manifest, error) {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &keys); err != nil {
		return manifest{}, err
	}
	if keys == nil {
		return manifest{}, errors.New("it is not an object")
	}
	m := manifest{source: text, dependencies: map[string]string{}}
	m.label, m.manager = asText(keys["name"]), asText(keys["packageManager"])
	m.scripts = asScripts(keys["scripts"])
	for _, key := range []string{"optionalDependencies", "peerDependencies", "dependencies", "devDependencies"} {
		for _, s := range asScripts(keys[key]) {
			m.dependencies[s.name] = s.line
		}
	}
	for _, key := range []string{"main", "module", "types", "typings", "bin", "exports"} {
		m.entries = append(m.entries, leaves(keys[key], 0)...)
	}
	m.files = leaves(keys["files"], 0)
	m.workspaces = leaves(keys["workspaces"], 0)
	return m, nil
}

func asText(raw json.RawMessage) (text string) {
	_ = json.Unmarshal(raw, &text)
	return text
}

// asScripts are the texts of an object in their order.
func asScripts(raw json.RawMessage) (all []script) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return all
		}
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return all
		}
		if line := asText(value); line != "" {
			all = append(all, script{name.(string), line})
		}
	}
	return all
}

// leaves are the texts in a value: itself, those of a list, those of an object.
func leaves(raw json.RawMessage, level int) (all []string) {
	if len(raw) == 0 || level > 8 {
		return nil
	}
	if text := asText(raw); text != "" {
		return []string{text}
	}
	var items []json.RawMessage
	if json.Unmarshal(raw, &items) == nil {
		for _, item := range items {
			all = append(all, leaves(item, level+1)...)
		}
		return all
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil
	}
	for d.More() {
		if _, err := d.Token(); err != nil {
			return all
		}
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return all
		}
		all = append(all, leaves(value, level+1)...)
	}
	return all
}

// nodePackage is a folder with a package.json.
type nodePackage struct {
	project
	manifest
}

// members are the packages of a workspace of npm, pnpm, yarn, bun or lerna, and the folders with a package.json that
// are none.
func members(root nodePackage) (packages []nodePackage, strangers, broken []string) {
	globs := root.workspaces
	var pnpm struct {
		Packages []string `yaml:"packages"`
	}
	if yaml.Unmarshal([]byte(root.project.text("pnpm-workspace.yaml")), &pnpm) == nil && len(pnpm.Packages) > 0 {
		globs = pnpm.Packages
	}
	if len(globs) == 0 {
		var lerna map[string]json.RawMessage
		_ = json.Unmarshal([]byte(root.project.text("lerna.json")), &lerna)
		globs = leaves(lerna["packages"], 0)
	}
	for _, dir := range root.nested {
		local := strings.TrimPrefix(dir, strings.TrimPrefix(root.dir+"/", "./"))
		if !matchesAny(globs, local) {
			strangers = append(strangers, dir)
			continue
		}
		inner := project{tree: root.tree, dir: dir}
		text, err := inner.must("package.json")
		if err == nil {
			var m manifest
			if m, err = parseManifest(text); err == nil {
				packages = append(packages, nodePackage{inner, m})
				continue
			}
		}
		broken = append(broken, path.Join(dir, "package.json"))
	}
	return packages, strangers, broken
}

// matchesAny reports whether a folder is one of those that globs of a workspace name; "!" takes some out.
func matchesAny(globs []string, dir string) (matched bool) {
	for _, glob := range globs {
		glob, negated := strings.CutPrefix(glob, "!")
		glob = strings.TrimSuffix(strings.TrimPrefix(glob, "./"), "/")
		if ok, err := doublestar.Match(glob, dir); err == nil && ok {
			matched = !negated
		}
	}
	return matched
}

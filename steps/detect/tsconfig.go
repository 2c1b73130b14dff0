package detect

import (
	"encoding/json"
	"path"
	"slices"
	"strings"

	"github.com/tidwall/jsonc"
)

// tsconfig is what a tsconfig.json has of interest here.
type tsconfig struct {
	Extends    json.RawMessage `json:"extends"` // a text, or a list of them
	References []struct {
		Path string `json:"path"`
	} `json:"references"`
	CompilerOptions struct {
		OutDir         *string `json:"outDir"`
		DeclarationDir *string `json:"declarationDir"`
		NoEmit         *bool   `json:"noEmit"`
	} `json:"compilerOptions"`
}

// typescript finds the folders that a compiler of TypeScript writes: by its options, else by its configuration.
func (p nodePackage) typescript(u use) (all []output) {
	switch u.program {
	case "tsc", "vue-tsc", "tsgo", "ttsc", "tspc":
	default:
		return nil
	}
	if slices.Contains(u.args, "--noEmit") {
		return nil
	}
	folders := []string{
		optionValue(u.args, []string{"--outDir", "-outDir"}), optionValue(u.args, []string{"--declarationDir"}),
	}
	if folders[0] == "" {
		configs := []string{optionValue(u.args, []string{"-p", "--project"})}
		if slices.ContainsFunc(u.args, func(a string) bool { return a == "-b" || a == "--build" }) {
			configs = slices.DeleteFunc(slices.Clone(u.args), func(a string) bool { return strings.HasPrefix(a, "-") })
		}
		if len(configs) == 0 || configs[0] == "" {
			configs = []string{"tsconfig.json"}
		}
		for _, config := range configs {
			folders = append(folders, p.emitted(path.Join(p.dir, config), 0)...)
		}
	}
	for _, folder := range folders {
		if folder != "" && path.Clean(folder) != "." {
			all = append(all, output{path: folder})
		}
	}
	return all
}

// maxConfigs is how many configurations may extend or refer to each other.
const maxConfigs = 10

// emitted are the folders, relative to the package, that a configuration has the compiler write. Names are relative to
// the workspace.
func (p nodePackage) emitted(name string, level int) (folders []string) {
	if level > maxConfigs {
		return nil
	}
	if !strings.HasSuffix(name, ".json") {
		name = path.Join(name, "tsconfig.json")
	}
	c, ok := p.tsconfig(name)
	if !ok {
		return nil
	}
	out := c.inherited(p, name, level)
	if !out.noEmit {
		for _, folder := range []string{out.outDir, out.declarationDir} {
			if folder != "" && (p.dir == "." || within(p.dir, folder)) {
				folders = append(folders, relative(p.dir, folder))
			}
		}
	}
	for _, r := range c.References[:min(len(c.References), 2*maxConfigs)] {
		folders = append(folders, p.emitted(path.Join(path.Dir(name), r.Path), level+1)...)
	}
	return folders
}

func (p nodePackage) tsconfig(name string) (c tsconfig, ok bool) {
	if name == ".." || strings.HasPrefix(name, "../") || strings.HasPrefix(name, "/") {
		return c, false
	}
	text, _ := p.read(name)
	if text == "" {
		return c, false
	}
	return c, json.Unmarshal(jsonc.ToJSON([]byte(text)), &c) == nil
}

// emission is what a configuration says after those that it extends. Folders are relative to the workspace.
type emission struct {
	outDir, declarationDir string
	noEmit                 bool
}

// inherited reads a configuration and those that it extends; the last one wins.
func (c tsconfig) inherited(p nodePackage, name string, level int) (e emission) {
	for _, base := range leaves(c.Extends, 0) {
		if level >= maxConfigs {
			return e
		}
		for _, file := range extended(p, name, base) {
			if parent, ok := p.tsconfig(file); ok {
				e = parent.inherited(p, file, level+1)
				break
			}
		}
	}
	folder := func(value *string, to *string) {
		if value != nil {
			// ${configDir} is the folder of the configuration that is used, not of the one that has it.
			text, own := strings.CutPrefix(*value, "${configDir}")
			*to = path.Join(path.Dir(name), text)
			if own {
				*to = path.Join(p.dir, text)
			}
		}
	}
	folder(c.CompilerOptions.OutDir, &e.outDir)
	folder(c.CompilerOptions.DeclarationDir, &e.declarationDir)
	if c.CompilerOptions.NoEmit != nil {
		e.noEmit = *c.CompilerOptions.NoEmit
	}
	return e
}

// extended are the files that a configuration may mean by a base: a file beside it, or one of a package.
func extended(p nodePackage, name, base string) (files []string) {
	if strings.HasPrefix(base, ".") {
		file := path.Join(path.Dir(name), base)
		return []string{file, file + ".json"}
	}
	for dir := p.dir; ; dir = path.Dir(dir) {
		file := path.Join(dir, "node_modules", base)
		files = append(files, file, file+".json", path.Join(file, "tsconfig.json"))
		if dir == "." {
			return files
		}
	}
}

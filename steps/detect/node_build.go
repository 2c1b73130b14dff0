package detect

import (
	"path"
	"slices"
	"strings"

	"github.com/carlin-cicd/runner/steps/pattern"
)

// output is a folder that a build writes.
type output struct {
	path    string // relative to its package
	guessed bool
	read    bool   // whether it is from a configuration
	note    string // where it was read
}

// buildTool is a program that builds JavaScript. To know another, add it to buildTools.
type buildTool struct {
	programs []string
	flags    []string // options that name the folder
	fileFlag []string // options that name a file in it
	configs  []string // files of its configuration, in which folder finds it
	folder   string   // where it writes by default
}

var buildTools = []buildTool{
	{
		programs: []string{"vite build"}, flags: []string{"--outDir"},
		configs: configFiles("vite.config"), folder: "dist",
	},
	{
		programs: []string{"rollup"}, flags: []string{"-d", "--dir"}, fileFlag: []string{"-o", "--file"},
		configs: configFiles("rollup.config"),
	},
	{
		programs: []string{"tsup", "tsup-node"}, flags: []string{"-d", "--out-dir", "--outDir"},
		configs: configFiles("tsup.config"), folder: "dist",
	},
	{
		programs: []string{"tsdown"}, flags: []string{"-d", "--out-dir"},
		configs: configFiles("tsdown.config"), folder: "dist",
	},
	{programs: []string{"unbuild", "obuild"}, configs: configFiles("build.config", "obuild.config"), folder: "dist"},
	{programs: []string{"esbuild"}, flags: []string{"--outdir"}, fileFlag: []string{"--outfile"}},
	{
		programs: []string{"webpack", "webpack-cli", "rspack build", "rsbuild build"}, flags: []string{"-o", "--output-path"},
		configs: configFiles("webpack.config", "rspack.config", "rsbuild.config"), folder: "dist",
	},
	{programs: []string{"babel", "swc"}, flags: []string{"-d", "--out-dir"}, fileFlag: []string{"-o", "--out-file"}},
	{programs: []string{"bun build"}, flags: []string{"--outdir"}, fileFlag: []string{"--outfile"}},
	{programs: []string{"parcel build"}, flags: []string{"--dist-dir"}, folder: "dist"},
	{programs: []string{"microbundle", "microbundle-crl", "bunchee", "tshy", "preconstruct build"}, folder: "dist"},
	{programs: []string{"ncc build"}, flags: []string{"-o", "--out"}, folder: "dist"},
	{programs: []string{"next build"}, configs: configFiles("next.config"), folder: ".next"},
	{programs: []string{"nuxt build", "nuxi build", "nitropack build"}, folder: ".output"},
	{programs: []string{"react-scripts build", "craco build", "react-router build", "remix vite:build"}, folder: "build"},
	{programs: []string{"docusaurus build"}, flags: []string{"--out-dir"}, folder: "build"},
	{programs: []string{"gatsby build"}, folder: "public"},
	{
		programs: []string{"vue-cli-service build"}, flags: []string{"--dest"},
		configs: configFiles("vue.config"), folder: "dist",
	},
	{
		programs: []string{"astro build", "ng build", "svelte-package", "ng-packagr"},
		flags:    []string{"--outDir", "--output-path", "-o"}, folder: "dist",
	},
	{programs: []string{"eleventy"}, flags: []string{"--output"}, folder: "_site"},
	{programs: []string{"vitepress build"}, folder: ".vitepress/dist"},
	{
		programs: []string{"storybook build", "build-storybook"}, flags: []string{"-o", "--output-dir"},
		folder: "storybook-static",
	},
}

// folderKeys finds the folder that a configuration in JavaScript names: outDir: 'lib', dir: "dist/esm", file: `a/x.js`.
var folderKeys = pattern.New(
	`\b(?:outDir|outdir|distDir|outputDir|dir|file|dest)\s*:\s*["'\x60](?:\./)?([\w][\w.-]*(?:/[\w][\w.-]*)*)`)

// usualOutputs are folders that builds are known to write.
var usualOutputs = []string{
	"dist", "build", "lib", "out", "es", "esm", "cjs", "umd", "types", "dist-cjs", "dist-esm", "dist-types",
	".next", ".output", "public/build",
}

// outputsOf finds where the commands of a build write. What TypeScript's configuration or an option says counts; then
// the folder that the package is used from, if git ignores it or it is not there yet; then what a configuration in
// JavaScript says or a tool does by default, which are guesses.
func outputsOf(pkg *nodePackage, parts []part) []output {
	var sure, guesses []output
	for _, p := range parts {
		for _, o := range append(pkg.typescript(p.use), pkg.bundled(p.use)...) {
			o.path = path.Clean(o.path)
			if !localFolder(o.path) || pkg.tree.isSource(path.Join(pkg.dir, o.path)) && !pkg.ignored(o.path) {
				continue
			}
			if o.guessed {
				guesses = append(guesses, o)
			} else {
				sure = append(sure, o)
			}
		}
	}
	if sure = merge(pkg, sure); len(sure) > 0 {
		return sure
	}
	return pkg.likely(guesses)
}

// likely is where a build writes of which no option says it.
func (p nodePackage) likely(guesses []output) (all []output) {
	published := p.published()
	if len(published) > 0 && !p.ignored(published[0]) { // a package may be published from the folder of its build
		if len(guesses) > 0 && guesses[0].read && !slices.Contains(published, guesses[0].path) {
			published = nil
		} else if i := slices.IndexFunc(usualOutputs, p.ignored); i >= 0 && len(guesses) == 0 {
			return []output{{path: usualOutputs[i], guessed: true, note: "git ignores it; " + guessNote}}
		}
	}
	for i, folder := range published {
		o := output{path: folder}
		if i > 0 {
			o.guessed, o.note = true, "the package is used from it, too; take optional out if the build writes it"
		}
		all = append(all, o)
	}
	switch {
	case len(all) > 0:
		return all
	case len(guesses) == 0:
		return []output{fallback}
	case guesses[0].read && p.ignored(guesses[0].path): // two sources agree
		guesses[0].guessed, guesses[0].note = false, ""
	}
	return guesses[:1]
}

// fallback is where a build writes of which nothing is known.
var fallback = output{path: "dist", guessed: true, note: guessNote}

const guessNote = "a guess: take optional out if it is right"

// merge drops folders within others, and takes the folder around several if git ignores it or it is not there.
func merge(pkg *nodePackage, all []output) (merged []output) {
	for _, o := range all {
		covered := slices.ContainsFunc(all, func(b output) bool { return within(b.path, o.path) })
		if !covered && !slices.ContainsFunc(merged, func(b output) bool { return b.path == o.path }) {
			merged = append(merged, o)
		}
	}
	if len(merged) < 2 {
		return merged
	}
	parent := path.Dir(merged[0].path)
	for _, o := range merged {
		if parent == "." || path.Dir(o.path) != parent || !pkg.ignored(parent) && pkg.has(parent) {
			return merged
		}
	}
	return []output{{path: parent}}
}

// bundled finds the folder of a bundler.
func (p nodePackage) bundled(u use) []output {
	for _, tool := range buildTools {
		if !slices.ContainsFunc(tool.programs, func(program string) bool {
			first, second, two := strings.Cut(program, " ")
			return first == u.program && (!two || slices.Contains(u.args, second))
		}) {
			continue
		}
		if folder := optionValue(u.args, tool.flags); folder != "" {
			return []output{{path: folder}}
		}
		if file := optionValue(u.args, tool.fileFlag); strings.Contains(file, "/") {
			return []output{{path: path.Dir(file)}}
		}
		for _, config := range tool.configs {
			var top []string
			for _, m := range folderKeys.FindAllStringSubmatch(p.project.text(config), -1) {
				folder, _, _ := strings.Cut(m[1], "/")
				if folder != "src" && !strings.Contains(folder, ".") && !slices.Contains(top, folder) {
					top = append(top, folder)
				}
			}
			if len(top) == 1 {
				return []output{{path: top[0], guessed: true, read: true, note: "as in " + config + "; " + guessNote}}
			}
		}
		if tool.folder == "" {
			return nil
		}
		note := "where " + u.program + " writes by default; " + guessNote
		return []output{{path: tool.folder, guessed: true, note: note}}
	}
	return nil
}

// optionValue is the value of the first option that is given: "--outDir lib" or "--outDir=lib".
func optionValue(args, names []string) string {
	for i, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		switch {
		case !slices.Contains(names, name):
		case ok:
			return value
		case i+1 < len(args) && !strings.HasPrefix(args[i+1], "-"):
			return args[i+1]
		}
	}
	return ""
}

// published are the folders that the package is used from, if a build writes them: git ignores them, or they are not
// there. Those of files: count if no entry of the package is in one.
func (p nodePackage) published() []string {
	for _, names := range [][]string{p.entries, p.files} {
		var ignored, absent []string
		for _, name := range names {
			name = strings.TrimPrefix(path.Clean("/"+strings.TrimLeft(name, "./!")), "/")
			folder, rest, _ := strings.Cut(name, "/")
			switch {
			case !localFolder(folder) || rest == "" && strings.Contains(folder, "."):
			case slices.Contains(ignored, folder) || slices.Contains(absent, folder):
			case p.ignored(folder):
				ignored = append(ignored, folder)
			case slices.Contains(usualOutputs, folder) && !p.has(folder):
				absent = append(absent, folder)
			}
		}
		switch {
		case len(ignored) > 0:
			return ignored
		case len(absent) > 0:
			return absent
		}
	}
	return nil
}

func (p nodePackage) ignored(folder string) bool { return p.tree.ignores(path.Join(p.dir, folder)) }

// isSource reports whether a folder is there and holds sources of TypeScript.
func (t *tree) isSource(dir string) bool { return t.sources(dir, "*.ts") && !t.sources(dir, "*.d.ts") }

// localFolder reports whether a path from a file of the workspace stays below its folder, and can be stored.
func localFolder(name string) bool {
	name = path.Clean(name)
	return name != "." && name != ".." && !strings.HasPrefix(name, "/") && !strings.HasPrefix(name, "../") &&
		!strings.ContainsAny(name, "\\:$*?[]{}'\"`") && plainName(name)
}

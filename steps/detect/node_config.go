package detect

import (
	"path"
	"slices"
	"strings"

	"github.com/carlin-cicd/runner/steps/pattern"
)

// configFiles are names that tools look for, in the order of their extensions.
func configFiles(names ...string) (all []string) {
	for _, name := range names {
		for _, extension := range []string{"ts", "js", "mjs", "cjs", "mts", "cts", "json"} {
			all = append(all, name+"."+extension)
		}
	}
	return all
}

// configured reports whether the configuration of jest or vitest asks for coverage.
func (p nodePackage) configured(tool *testTool) bool {
	return slices.ContainsFunc(tool.configs, func(file string) bool {
		return configures.MatchString(p.project.text(file))
	})
}

// reportsFolder finds the folder of coverage that options or a configuration name.
var reportsFolder = pattern.New(
	`(?:reportsDirectory|coverageDirectory|reports?-dir)["']?\s*[=:]?\s*["'\x60]?(?:<rootDir>/)?\.?/?(\w[\w./-]*)`,
)

// coverageFolder is where a package's coverage goes: "coverage", unless an option or a configuration says otherwise.
func (p nodePackage) coverageFolder(text string) string {
	all := []string{text}
	configs := configFiles("jest.config", "vitest.config", "vite.config", ".c8rc", ".nycrc")
	for _, file := range append(configs, ".nycrc", "package.json") {
		all = append(all, p.project.text(file))
	}
	for _, text := range all {
		if m := reportsFolder.FindStringSubmatch(text); m != nil && localFolder(m[1]) {
			return strings.TrimSuffix(m[1], "/")
		}
	}
	return "coverage"
}

var (
	simpleReporters = pattern.New(`(?s)\breporters["']?\s*:\s*(?:\[([^\[\]{}()]*)\]|(["'][\w-]+["']))`)
	quotedName      = pattern.New(`["']([@\w/-]+)["']`)
)

// reporters are the reporters of a configuration as options, which replace them; the default one if there are none, or
// they are not plain names.
func (p nodePackage) reporters(tool *testTool) string {
	for _, file := range tool.configs {
		m := simpleReporters.FindStringSubmatch(p.project.text(file))
		if m == nil {
			continue
		}
		var all []string
		for _, name := range quotedName.FindAllStringSubmatch(m[1]+m[2], -1) {
			if !strings.HasSuffix(name[1], "junit") {
				all = append(all, tool.option+"="+name[1])
			}
		}
		if len(all) > 0 {
			return strings.Join(all, " ")
		}
	}
	return tool.option + "=default"
}

var (
	outputFile = pattern.New(`\boutputFile\s*:\s*(?:\{\s*["']?junit["']?\s*:\s*)?["']([^"']+)["']`) // vitest
	outputName = pattern.New(`["']?outputName["']?\s*:\s*["']([^"']+)["']`)                         // jest-junit
	outputDir  = pattern.New(`["']?outputDirectory["']?\s*:\s*["']([^"']+)["']`)
)

// configuredReport is the report that a tool's configuration asks for, with the file that does; "" if none does.
func (p nodePackage) configuredReport(tool *testTool) (report, file string) {
	if tool.asked == nil {
		return "", ""
	}
	for _, file := range tool.configs {
		text := p.project.text(file)
		if !tool.asked.MatchString(text) {
			continue
		}
		name, dir := "junit.xml", "."
		for _, found := range []struct {
			pattern *pattern.Pattern
			to      *string
		}{{outputFile, &name}, {outputName, &name}, {outputDir, &dir}} {
			if m := found.pattern.FindStringSubmatch(text); m != nil {
				*found.to = strings.TrimPrefix(m[1], "<rootDir>/")
			}
		}
		if report := path.Join(dir, name); localFolder(report) && (tool.name != "vitest" || outputFile.MatchString(text)) {
			return report, file
		}
	}
	return "", ""
}

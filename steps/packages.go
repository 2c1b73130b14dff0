package steps

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/carlin-cicd/runner/steps/pattern"
	"github.com/carlin-cicd/runner/steps/results"
)

// manifests mark the folder of a package.
var manifests = []string{"package.json", "go.mod", "pyproject.toml", "Cargo.toml", "composer.json", "Gemfile"}

// packageFolder is the folder of the package that a report is in, relative to dir: "." for dir itself. Its tests must
// run there: its tools are configured there, and write the report there.
func packageFolder(dir, report string) string {
	for folder := path.Dir(path.Clean(report)); filepath.IsLocal(folder) && folder != "."; folder = path.Dir(folder) {
		for _, manifest := range manifests {
			if _, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(folder), manifest)); err == nil {
				return folder
			}
		}
	}
	return "."
}

// choosesPackages matches commands that go through packages themselves, or that begin with a program of the workspace.
var choosesPackages = pattern.New(
	`(^|\s)(-r|--recursive|--workspaces?|--filter|-w|-C|--prefix|--dir|--cwd|-F)([\s=]|$)|` +
		`(^|[\s;&|(])(turbo|nx|lerna|cd|pushd|make|just)\s|^\s*[^\s/=]*[^\s/=$~]/`,
)

// byPackage groups tests by the package that their report is in, if the command can run in a package.
func (r Rerun) byPackage(dir string, failed []results.Case) (folders []string, groups map[string][]results.Case) {
	groups = map[string][]results.Case{}
	whole := strings.Join(append(slices.Clone(r.Command.Args), r.Command.Line), " ")
	for _, c := range failed {
		folder := "."
		if !choosesPackages.MatchString(whole) && r.Command.posix() {
			folder = packageFolder(dir, c.Report)
		}
		if folder != "." {
			c.Report = strings.TrimPrefix(path.Clean(c.Report), folder+"/")
			c.File = strings.TrimPrefix(c.File, folder+"/")
		}
		if groups[folder] == nil {
			folders = append(folders, folder)
		}
		groups[folder] = append(groups[folder], c)
	}
	slices.Sort(folders)
	return folders, groups
}

// posix reports whether the shell of a command knows the syntax of sh.
func (c Command) posix() bool {
	return len(c.Shell) == 0 || slices.Contains([]string{"sh", "bash", "dash", "zsh", "ksh"}, path.Base(c.Shell[0]))
}

// inPackages makes one command of those of several packages. Each runs in its folder, whether the others failed or not.
func inPackages(folders []string, commands []Command) Command {
	if len(folders) == 1 && folders[0] == "." {
		return commands[0]
	}
	var line strings.Builder
	line.WriteString("set +e\nstatus=0\n")
	for i, c := range commands {
		text := c.Line
		if text == "" {
			var words []string
			for _, arg := range c.Args {
				words = append(words, ShellQuote(arg))
			}
			text = strings.Join(words, " ")
		}
		// A subshell that is a part of || would ignore -e.
		line.WriteString("(\nset -e\ncd " + ShellQuote("./"+folders[i]) + "\n" + text + "\n)\n")
		line.WriteString("code=$?\nif test $code -ne 0; then status=$code; fi\n")
	}
	line.WriteString("exit $status")
	return Command{Line: line.String(), Shell: commands[0].Shell}
}

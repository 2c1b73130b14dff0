package detect

import (
	"path"
	"strings"
)

// dotnet is C#, F# and others with the SDK of .NET.
type dotnet struct{}

func (dotnet) name() string { return "dotnet" }

func (dotnet) marks() []string {
	return []string{"*.sln", "*.slnx", "*.csproj", "*.fsproj", "*.vbproj"}
}

func (dotnet) propose(p project) (proposal, error) {
	var projects strings.Builder
	for _, dir := range append([]string{p.dir}, p.nested...) {
		for _, name := range p.files[dir] {
			if strings.HasSuffix(name, "proj") || strings.HasPrefix(name, "Directory.") {
				projects.WriteString(p.text(relative(p.dir, dir) + "/" + name))
			}
		}
	}
	has := func(name string) bool { return strings.Contains(projects.String(), name) }
	target := ""
	if names := p.named(dotnet{}.marks()); len(names) > 1 { // of which the SDK would not choose one
		target = " " + shellWord(names[0])
	}
	s := Step{Name: "test", Command: "dotnet test" + target, Reports: []string{}}
	if has("JunitXml.TestLogger") {
		s.Command += ` --logger "console;verbosity=normal" --logger "junit;LogFilePath=junit.xml"`
		s.Reports = []string{"**/junit.xml"}
	} else {
		s.Notes = append(s.Notes, `with the package JunitXml.TestLogger in the test projects, failed tests are named: `+
			`dotnet test --logger "junit;LogFilePath=junit.xml"`)
	}
	if has("coverlet.collector") {
		s.Command += ` --collect "XPlat Code Coverage" --results-directory coverage`
		s.Artifacts = []Artifact{coverageArtifact("coverage")}
	}
	return proposal{what: []string{"dotnet"}, steps: []Step{
		{
			Name: "build", Command: "dotnet build --configuration Release" + target,
			Notes: []string{"nothing is stored: dotnet publish --output dist makes a folder of what is shipped"},
		},
		s,
	}}, nil
}

// named are the files of the project's folder with names such as "*.csproj", in the order of the marks.
func (p project) named(marks []string) (names []string) {
	for _, mark := range marks {
		for _, name := range p.files[p.dir] {
			if ok, err := path.Match(mark, name); ok && err == nil {
				names = append(names, name)
			}
		}
	}
	return names
}

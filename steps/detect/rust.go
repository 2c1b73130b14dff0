package detect

import (
	"path"
	"strings"

	"github.com/BurntSushi/toml"
)

// rust is Rust with cargo, or with nextest where the project has its configuration.
type rust struct{}

func (rust) name() string { return "rust" }

func (rust) marks() []string { return []string{"Cargo.toml"} }

func (rust) propose(p project) (proposal, error) {
	out := proposal{what: []string{"cargo"}}
	text, err := p.must("Cargo.toml")
	if err != nil {
		return out, err
	}
	var cargo struct {
		Workspace map[string]any `toml:"workspace"`
	}
	if _, err := toml.Decode(text, &cargo); err != nil {
		return out, &ReadError{path.Join(p.dir, "Cargo.toml"), err}
	}
	options := ""
	if cargo.Workspace != nil {
		options += " --workspace"
	}
	if p.has("Cargo.lock") && !p.ignores(path.Join(p.dir, "Cargo.lock")) { // else a checkout has none
		options += " --locked"
	}
	test := Step{
		Name: "test", Command: "cargo test" + options, Reports: []string{},
		Notes: []string{"cargo test writes no JUnit report: cargo nextest does"},
	}
	if profile, report, ok := p.nextest(); ok {
		test.Command = "cargo nextest run" + options
		if profile != "default" {
			test.Command += " --profile " + shellWord(profile)
		}
		test.Command += " && cargo test --doc" + options
		test.Notes = []string{"nextest runs no tests of the documentation: cargo test does"}
		if report == "" {
			test.Notes = append(test.Notes,
				`[profile.ci.junit] path = "junit.xml" in .config/nextest.toml gives it a JUnit report`)
		} else {
			test.Reports = []string{path.Join("target/nextest", profile, report)}
		}
		out.what = append(out.what, "nextest")
	}
	out.steps = []Step{{
		Name: "build", Command: "cargo build --release" + options,
		Notes: []string{"nothing is stored: target/release has much more than the binaries"},
	}, test}
	return out, nil
}

// nextest is the profile of .config/nextest.toml that writes a report, and the report; the default profile if none
// does, false if the project does not use nextest.
func (p project) nextest() (profile, report string, ok bool) {
	var config struct {
		Profile map[string]struct {
			JUnit struct {
				Path string `toml:"path"`
			} `toml:"junit"`
		} `toml:"profile"`
	}
	text := p.text(".config/nextest.toml")
	if text == "" {
		return "", "", false
	}
	if _, err := toml.Decode(text, &config); err != nil {
		return "default", "", true
	}
	for _, name := range []string{"ci", "default"} {
		if file := config.Profile[name].JUnit.Path; file != "" && localFolder(file) && !strings.Contains(file, " ") {
			return name, file, true
		}
	}
	return "default", "", true
}

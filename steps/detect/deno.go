package detect

import (
	"encoding/json"
	"path"

	"github.com/tidwall/jsonc"
)

// deno is JavaScript and TypeScript with deno.
type deno struct{}

func (deno) name() string { return "deno" }

func (deno) marks() []string { return []string{"deno.json", "deno.jsonc"} }

func (deno) propose(p project) (proposal, error) {
	file := p.first("deno.json", "deno.jsonc")
	text, err := p.must(file)
	if err != nil {
		return proposal{}, err
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(jsonc.ToJSON([]byte(text)), &keys); err != nil {
		return proposal{}, &ReadError{path.Join(p.dir, file), err}
	}
	pkg := &nodePackage{p, manifest{scripts: denoTasks(keys["tasks"])}}
	out := proposal{what: []string{"deno"}, fallback: p.has("package.json")}
	if pkg.script("build") != "" {
		out.steps = append(out.steps, Step{
			Name: "build", Command: "deno task build", Artifacts: []Artifact{{
				Name: "builds", Path: "dist", When: "success", Optional: true, Note: guessNote,
			}},
		})
	}
	s := Step{Name: "test", Command: "deno test --junit-path=junit.xml", Reports: []string{"junit.xml"}}
	switch line := pkg.script("test"); {
	case line == "":
		s.Notes = []string{"tests that read files, variables or the network need --allow-read, --allow-env, --allow-net"}
	default:
		s.Command, s.Reports = "deno task test", []string{}
		f := &follower{manager: manager{name: "deno"}, root: pkg}
		l := f.follow(pkg, "test")
		if all := l.runs(); len(all) == 1 && all[0].part.use.tool.name == "deno test" && len(l.parts) == 1 {
			if text, ok := (&writer{}).tool(pkg, all[0].part); ok {
				s.Command, s.Reports = text, []string{"junit.xml"}
				s.Notes = []string{"the task test of " + file + ", with a report"}
			}
		} else {
			s.Notes = []string{"the task runs more than deno test, so that --junit-path=junit.xml does not reach it"}
		}
	}
	out.steps = append(out.steps, s, Step{Name: "lint", Command: "deno lint"})
	return out, nil
}

// denoTasks are the tasks of a deno.json: lines, or objects with a command.
func denoTasks(raw json.RawMessage) (all []script) {
	all = asScripts(raw)
	var tasks map[string]struct {
		Command string `json:"command"`
	}
	var mixed map[string]json.RawMessage
	if json.Unmarshal(raw, &mixed) != nil {
		return all
	}
	for _, name := range []string{"build", "test"} {
		if json.Unmarshal(mixed[name], &struct{}{}) == nil {
			tasks = nil
			if json.Unmarshal([]byte(`{"x":`+string(mixed[name])+`}`), &tasks) == nil && tasks["x"].Command != "" {
				all = append(all, script{name, tasks["x"].Command})
			}
		}
	}
	return all
}

package problem

import "github.com/carlin-cicd/runner/steps/pattern"

// ofJVM reads a line of Maven's compiler, or of Kotlin's.
func ofJVM(n int, line string) (p Problem, ok bool) {
	if c := line[0]; c != '[' && c != 'e' && c != 'w' {
		return p, false
	}
	p = Problem{At: n, To: n, Text: line, Tool: "maven"}
	f := maven.FindStringSubmatch(line)
	if f == nil {
		p.Tool, f = "kotlin", kotlin.FindStringSubmatch(line)
	}
	if f == nil {
		return p, false
	}
	p.Warning = f[1] == "WARNING" || f[1] == "w"
	p.Path, p.Line, p.Column, p.Message = f[2], number(f[3]), number(f[4]), clip(f[5])
	return p, true
}

var (
	maven  = pattern.New(`^\[(ERROR|WARNING)\] (/\S+\.\w+):\[(\d+),(\d+)\] (.+)$`)
	kotlin = pattern.New(`^([ew]): (?:file://)?(/?\S+\.kts?):(\d+):(\d+):? (.+)$`)
)

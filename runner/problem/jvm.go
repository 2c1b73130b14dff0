package problem

import "github.com/carlin-cicd/runner/steps/pattern"

// ofJVM reads a line of Maven's compiler, or of Kotlin's.
func (p *Problem) ofJVM(line string) bool {
	f := maven.FindStringSubmatch(line)
	p.Tool = "maven"
	if f == nil {
		f = kotlin.FindStringSubmatch(line)
		p.Tool = "kotlin"
	}
	if f == nil {
		p.Tool = ""
		return false
	}
	p.Warning = f[1] == "WARNING" || f[1] == "w"
	p.Path, p.Line, p.Column, p.Message = f[2], number(f[3]), number(f[4]), clip(f[5])
	return true
}

var (
	maven  = pattern.New(`^\[(ERROR|WARNING)\] (/\S+\.\w+):\[(\d+),(\d+)\] (.+)$`)
	kotlin = pattern.New(`^([ew]): (?:file://)?(/?\S+\.kts?):(\d+):(\d+):? (.+)$`)
)

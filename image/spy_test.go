//go:build container

package image

import (
	"strings"
	"testing"
)

// spy is a command that tries to read what the runner was started with, and to write to its log past the redactor.
const spy = `version: 1
steps:
  spy:
    command: |
      id -u
      grep CapEff /proc/self/status
      (tr '\0' '\n' </proc/$PPID/environ | grep -E 'GITHUB|SLACK|SSH_KEY') 2>/dev/null || echo "nothing in environ"
      (echo "past the redactor" >/proc/$PPID/fd/1) 2>/dev/null || echo "fd is refused"
      (head -c 1 /proc/$PPID/mem && readlink /proc/$PPID/exe) >/dev/null 2>&1 || echo "mem is refused"
      echo done
`

// protects tests what the command can find out about the runner, as each user that a task may have.
func (e *engine) protects(t *testing.T, image string, in func(...string) []string) {
	const slack = "https://hooks.slack.com/services/T00000000/B00000000/0123456789abcdefghijklmn"
	for name, c := range map[string]struct {
		args   []string
		traces bool // has CAP_SYS_PTRACE
	}{
		"the same user":            {[]string{"--user", "1000"}, false},
		"root":                     {[]string{"--user", "0"}, false},
		"root with CAP_SYS_PTRACE": {[]string{"--user", "0", "--cap-add", "SYS_PTRACE"}, true},
		"root without privileges":  {[]string{"--user", "0", "--cap-drop", "ALL", "--cap-add", "DAC_OVERRIDE"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := e.run(t, append(append(in(c.args...),
				"--env", "PIPELINE_STEP=spy", "--env", "GITHUB_TOKEN=ghp_"+strings.Repeat("0123456789", 4)[:36],
				"--env", "SLACK_WEBHOOK_URL="+slack, "--env", "RUNNER_SSH_KEY=private-"+apiKey,
				"--image-volume", "ignore", "--volume", newWorkspace(t, spy)+":/workspace"), image)...)
			said := func(line string) bool { return strings.Contains(r.out, `"msg":"`+line+`"`) }
			if r.code != 0 || !said("nothing in environ") || !said("done") {
				t.Errorf("exit %d\n%s%s", r.code, tail(r.out), tail(r.stderr))
			}
			refused := said("fd is refused") && said("mem is refused")
			if refused == c.traces || strings.Contains(r.out, "\npast the redactor") != c.traces {
				t.Errorf("refused: %v\n%s", refused, tail(r.out))
			}
		})
	}
}

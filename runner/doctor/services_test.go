package doctor

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestServicesAreExamined(t *testing.T) {
	const root = "warning service db: PostgreSQL does not run as root, and this user is"
	const image = "db: { image: 'postgres:17', ready: { port: 5432 } }"
	programs := map[string]string{"initdb": "", "postgres": "", "git": "#!/bin/sh\necho git version 3.0.0\n"}
	engine := func(script string) map[string]string {
		return map[string]string{"podman": "#!/bin/sh\n" + script + "\n"}
	}
	for name, c := range map[string]struct {
		services string
		files    map[string]string
		sidecars string
		want     []string // each begins a line; with "!", none
		sound    bool
	}{
		"a program that is missing": {
			services: "db: { setup: no-such-setup -D x, command: exec no-such-database, ready: { command: no-such-check } }",
			want: []string{
				"failure tool no-such-check: is not on PATH; needed by service db of lint",
				"failure tool no-such-database: is not on PATH; needed by service db of lint",
				"failure tool no-such-setup: is not on PATH; needed by service db of lint",
			},
		},
		"one that the step does without": {
			services: "db: { command: no-such-database, optional: true }",
			want:     []string{"warning tool no-such-database: is not on PATH; needed by service db of lint"}, sound: true,
		},
		"PostgreSQL as root": {
			services: "db: { command: exec postgres -D $SERVICE_DATA }", want: []string{root}, sound: true,
		},
		"its setup as root": {
			services: "db: { setup: initdb -D $SERVICE_DATA, command: sh -c 'exec postgres' }", want: []string{root}, sound: true,
		},
		"a container without anything that runs it": {
			services: image,
			want:     []string{"failure service db: service db needs a container of postgres:17, and there is neither podman nor docker on PATH"},
		},
		"a container whose engine does not work": {
			services: image, files: engine("echo cannot connect >&2; exit 125"),
			want: []string{"failure service db: service db needs a container of postgres:17, and /", "!ok service db"},
		},
		"a container of an engine": {services: image, files: engine("exit 0"), want: []string{"ok service db: "}, sound: true},
		"a container of the task": {
			services: image, sidecars: "cache=redis:7:6379,pg=mirror/postgres:17:5432",
			want: []string{"ok service db: the container pg of the task, at port 5432"}, sound: true,
		},
		"a container that the task does not have": {
			services: image, sidecars: "cache=redis:7:6379", want: []string{"failure service db: service db needs a container of postgres:17"},
		},
		"a sidecar without an image": {
			services: image, sidecars: "db=:5432",
			want: []string{`failure service db: service db is not known: RUNNER_SERVICES has "db=:5432", which is not NAME=IMAGE:PORT`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if os.Getuid() != 0 && slices.Contains(c.want, root) {
				c.want = []string{"!" + root}
			}
			sh, err := exec.LookPath("sh")
			if err != nil {
				t.Fatal(err)
			}
			bin := t.TempDir()
			for _, programs := range []map[string]string{programs, c.files, {"sh": "#!" + sh + "\nexec " + sh + " \"$@\"\n"}} {
				for name, text := range programs {
					if err := os.WriteFile(filepath.Join(bin, name), []byte(text), 0o755); err != nil {
						t.Fatal(err)
					}
				}
			}
			files := map[string]string{
				"runner.yaml": "version: 1\nsteps:\n  lint:\n    command: [/bin/true]\n    services:\n      " + c.services + "\n",
			}
			variables := map[string]string{"PATH": bin, "PIPELINE_STEP": "lint", "RUNNER_SERVICES": c.sidecars}
			lines, sound := examineIn(t, files, Doctor{Variables: variables})
			for _, want := range c.want {
				want, none := strings.CutPrefix(want, "!")
				if there := slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, want) }); there == none {
					t.Errorf("%q: %v, want %v, among\n%s", want, there, !none, strings.Join(lines, "\n"))
				}
			}
			if sound != c.sound {
				t.Errorf("sound: %v, want %v\n%s", sound, c.sound, strings.Join(lines, "\n"))
			}
		})
	}
}

package detect

import (
	"fmt"
	"testing"
)

func TestCallsOfScriptsAreRead(t *testing.T) {
	known := func(name string) bool { return name == "x" || name == "test" }
	for line, want := range map[string]string{
		"npm run x":                             "[x]",
		"npm run x -- --a b":                    "[x] passes rest=[-- --a b]",
		"npm run x --a":                         "[x]",
		"npm t":                                 "[test]",
		"npm test -w a --workspace=b":           "[test] each filter=[a b]",
		"npm -w a test":                         "[test] each filter=[a]",
		"npm --prefix a run x":                  "[x] elsewhere",
		"npm run --workspaces x":                "[x] each",
		"npm run x a --workspaces -- --b":       "[x] each passes rest=[a -- --b]",
		"npm install":                           "none",
		"pnpm x --a":                            "[x] passes rest=[--a]",
		"pnpm vitest":                           "none",
		"pnpm -r --no-bail test":                "[test] each passes",
		"pnpm --filter @a/* run build":          "[build] each passes filter=[@a/*]",
		"pnpm -F=a,b build":                     "[build] each passes filter=[a b]",
		"pnpm run /^test:/":                     "[/^test:/] passes",
		"pnpm -C a run x":                       "[x] passes elsewhere",
		"yarn x":                                "[x] passes",
		"yarn workspace a build":                "[build] each passes filter=[a]",
		"yarn workspaces foreach -A run build":  "[build] each passes",
		"bun run x":                             "[x] passes",
		"bun test":                              "none",
		"bun run --filter * build":              "[build] each passes filter=[*]",
		"node --run x -- a":                     "[x] passes rest=[-- a]",
		"node x.js":                             "none",
		"run-s x test:* -l":                     "[x test:*]",
		"turbo run build test --filter=a":       "[build test] each filter=[a]",
		"turbo build --concurrency 2 -- --a":    "[build] each passes rest=[-- --a]",
		"nx run-many -t build,test -p a b":      "[build test b] each filter=[a]",
		"nx run a:test":                         "[test] each filter=[a]",
		"lerna run test --scope a":              "[test] each filter=[a]",
		"nx affected --target=test --base main": "[test main] each",
	} {
		all, ok := commands(line)
		if !ok {
			t.Fatal(line)
		}
		got := "none"
		if h, ok := hopOf(all[0].words, known); ok {
			got = fmt.Sprint(h.names)
			for _, flag := range []struct {
				name string
				set  bool
			}{{"each", h.each}, {"passes", h.passes}, {"elsewhere", h.elsewhere}} {
				if flag.set {
					got += " " + flag.name
				}
			}
			if len(h.filter) > 0 {
				got += fmt.Sprintf(" filter=%v", h.filter)
			}
			if len(h.rest) > 0 {
				got += fmt.Sprintf(" rest=%v", h.rest)
			}
		}
		if got != want {
			t.Errorf("%s: %s, not %s", line, got, want)
		}
	}
}

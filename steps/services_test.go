package steps

import (
	"slices"
	"strings"
	"testing"
)

func TestServicesAreReadAsTheyAreWritten(t *testing.T) {
	f, err := Parse("runner.yaml", []byte(`version: 1
steps:
  test:
    shell: bash
    services:
      web: { command: pnpm start, ready: { http: "http://127.0.0.1:3000/health", timeout: 30s }, after: [db] }
      db: { command: "postgres -D $SERVICE_DATA -k $SERVICE_DATA", setup: "initdb -D $SERVICE_DATA", ready: { command: "pg_isready -h $SERVICE_DATA" }, environment: { PGPORT: $SERVICE_PORT } }
      cache: { image: "redis:7", ready: { port: 6379 }, optional: true }
`))
	if err != nil {
		t.Fatal(err)
	}
	step, err := Collect(t.TempDir(), f).Find("test")
	if err != nil {
		t.Fatal(err)
	}
	ordered, circle := OrderServices(step.Services)
	var names []string
	for _, s := range ordered {
		names = append(names, s.Name)
	}
	if got := strings.Join(names, " "); got != "db web cache" || circle != nil {
		t.Errorf("order %s, circle %v", got, circle)
	}
	db, web, cache := ordered[0], ordered[1], ordered[2]
	if db.Setup.Line != "initdb -D $SERVICE_DATA" || db.Setup.Argv()[0] != "bash" || db.Ready.Command.Argv()[0] != "bash" ||
		db.Ready.Timeout != DefaultReadyTimeout || db.Environment["PGPORT"] != "$SERVICE_PORT" {
		t.Errorf("%+v", db)
	}
	if web.Ready.HTTP != "http://127.0.0.1:3000/health" || web.Ready.Timeout.String() != "30s" || web.Optional {
		t.Errorf("%+v", web)
	}
	if !cache.IsContainer() || cache.Ready.Port != "6379" || !cache.Optional || cache.Variable("PORT") != "SERVICE_CACHE_PORT" {
		t.Errorf("%+v", cache)
	}
}

func TestAServiceIsRefusedWithItsPlace(t *testing.T) {
	for name, c := range map[string]struct{ services, message, hint string }{
		"neither command nor image": {
			"db: { ready: { port: 1 } }", `runner.yaml:5:11: a service has neither a command nor an image`,
			"write { command: …, ready: { port: 5432 } } or { image: postgres:17 }",
		},
		"both command and image": {
			"db: { command: x, image: y }", `runner.yaml:5:11: a service has both a command and an image`, "make them two services",
		},
		"a container with a setup": {
			"db: { image: x, setup: y }", `runner.yaml:5:11: a container has no setup`,
			"use before: of the step, which runs when the services are ready",
		},
		"two conditions": {
			"db: { command: x, ready: { port: 1, log: y } }",
			`runner.yaml:5:32: ready has more than one of port, http, command and log`, "keep the one that says most",
		},
		"a port that is none": {
			"db: { command: x, ready: { port: 70000 } }", `runner.yaml:5:40: invalid port "70000"`, "write a whole number from 1 to 65535",
		},
		"a port in words": {
			"db: { command: x, ready: { port: any } }", `runner.yaml:5:40: invalid port "any"`,
			"write a number from 1 to 65535, or $SERVICE_PORT",
		},
		"a URL that is none": {
			"db: { command: x, ready: { http: /health } }", `runner.yaml:5:40: invalid http "/health"`,
			"write a URL such as http://127.0.0.1:$SERVICE_PORT/health",
		},
		"an expression that is none": {
			`db: { command: x, ready: { log: "(" } }`, `runner.yaml:5:39: invalid log "("`,
			`write a regular expression of Go (RE2) such as "listening on"`,
		},
		"a name that is none": {
			"Db_1: { command: x }", `runner.yaml:5:7: invalid name of a service "Db_1"`,
			"begin with a lower-case letter; use lower-case letters, digits and dashes, 31 at most",
		},
		"after an unknown one": {
			"db: { command: x, after: [cash] }\n      cache: { command: y }",
			`runner.yaml:5:33: service "db" is after "cash", which is not a service of the step`,
			"did you mean cache? the services are db, cache",
		},
		"after itself": {
			"db: { command: x, after: [db] }", `runner.yaml:5:33: service "db" is after itself`, "remove it",
		},
		"a circle": {
			"a: { command: x, after: [c] }\n      b: { command: x, after: [a] }\n      c: { command: x, after: [b] }",
			`runner.yaml:5:31: services are after each other: a, c, b, a`, "break the circle",
		},
		"two of one port": {
			"a: { command: x, ready: { port: 3000 } }\n      b: { command: y, ready: { http: \"http://localhost:3000/\" } }",
			`runner.yaml:6:10: services "a" and "b" have the same port, 3000`, "have one of them listen on another port, or on $SERVICE_PORT",
		},
		"a key of compose": {
			"db: { command: x, depends_on: [y] }", `runner.yaml:5:25: unknown key "depends_on" in service db`, "did you mean after?",
		},
		"a list": {"[db]", `runner.yaml:5:7: services must be a mapping of names to values, not a list`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			source := "version: 1\nsteps:\n  test:\n    services:\n      " + c.services + "\n"
			_, err := Parse("runner.yaml", []byte(source))
			if err == nil || !strings.HasPrefix(err.Error(), c.message) {
				t.Fatalf("got  %v\nwant %s", err, c.message)
			}
			if refused, ok := err.(*FileError); !ok || c.hint != "" && refused.Advice != c.hint {
				t.Errorf("hint %q, want %q", refused.Advice, c.hint)
			}
			known := []string{"a circle", "after itself", "after an unknown one", "an expression that is none", "two of one port"}
			if accepted, ok := validator(t)(source); !ok || accepted != slices.Contains(known, name) {
				t.Errorf("the schema accepts it: %t", accepted)
			}
		})
	}
}

func TestAReadyNamesAPort(t *testing.T) {
	for url, want := range map[string]int{
		"": 0, "http://127.0.0.1:3000/health": 3000, "https://localhost:8443": 8443, "http://[::1]:3000?x": 3000,
		"http://localhost/health": 80, "https://127.0.0.1": 443,
		"http://127.0.0.1:$SERVICE_PORT/": 0, "http://localhost:${PORT}": 0, "http://db:3000/": 0,
		"http://localhost.example:3000/": 0, "http://127.0.0.1:99999/": 0, "http://127.0.0.1:30$X/": 0,
	} {
		if got := (Ready{HTTP: url}).NamedPort(); got != want {
			t.Errorf("%s names port %d, want %d", url, got, want)
		}
	}
	if (Ready{Port: "5432"}).NamedPort() != 5432 || (Ready{Port: ServicePort}).NamedPort() != 0 {
		t.Error("port is not read")
	}
}

func TestTheSchemaAcceptsServices(t *testing.T) {
	for _, services := range []string{
		"db: { image: postgres:17 }",
		"db: { command: [postgres, -D, x], ready: { port: $SERVICE_PORT } }",
		"db: { command: x, ready: {} }",
		"db: { command: x, ready: { timeout: 10s } }",
		"a: &a { command: x }\n      b: { <<: *a, after: [a] }",
	} {
		source := "version: 1\nsteps:\n  test:\n    services:\n      " + services + "\n"
		_, err := Parse("runner.yaml", []byte(source))
		if accepted, ok := validator(t)(source); err != nil || !ok || !accepted {
			t.Errorf("%s: schema %t %t, parser %v", services, accepted, ok, err)
		}
	}
}

func TestTheSchemaRefusesACacheOfNoToolLikeTheParser(t *testing.T) {
	for source, want := range map[string]bool{
		"{ turbo: false }": false, "{ turbo: true }": true, "{ turbo: false, nx: true }": true, "{ go: false }": false,
	} {
		source = "version: 1\nsteps:\n  test:\n    cache: " + source + "\n"
		_, err := Parse("runner.yaml", []byte(source))
		if accepted, _ := validator(t)(source); accepted != want || (err == nil) != want {
			t.Errorf("%s: schema %t, parser %v", source, accepted, err)
		}
	}
}

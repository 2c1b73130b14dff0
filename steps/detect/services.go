package detect

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// Proposed services are comments below the tests: what a file of another tool says is no proof that the tests need it.

// composeFiles are where Docker Compose looks, the first one wins.
var composeFiles = []string{"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"}

// backends are images that tests commonly need, with the port that they listen on.
var backends = map[string]int{
	"postgres": 5432, "postgis": 5432, "timescaledb": 5432, "mysql": 3306, "mariadb": 3306, "mongo": 27017, "redis": 6379,
	"valkey": 6379, "rabbitmq": 5672, "memcached": 11211, "elasticsearch": 9200, "opensearch": 9200, "localstack": 4566,
	"minio": 9000, "dynamodb-local": 8000, "nats": 4222,
}

// backend is a service that a file may name.
type backend struct{ name, id, image string }

var (
	postgres = backend{"PostgreSQL", "db", "postgres:17"}
	mysql    = backend{"MySQL", "db", "mysql:8.4"}

	// named are the backends by the words of other tools.
	named = map[string]backend{
		"postgresql": postgres, "postgres": postgres, "postgis": postgres, "mysql": mysql, "mysql2": mysql, "trilogy": mysql,
		"mariadb": {"MariaDB", "db", "mariadb:11"}, "mongodb": {"MongoDB", "mongo", "mongo:8"}, "mongo": {"MongoDB", "mongo", "mongo:8"},
		"redis": {"Redis", "redis", "redis:7"}, "rabbitmq": {"RabbitMQ", "rabbitmq", "rabbitmq:4"},
	}

	// namings are the files that name backends, and how; the first file that names one wins.
	namings = []struct {
		file, what string
		pattern    string
	}{
		{"prisma/schema.prisma", "prisma/schema.prisma", `(?m)^\s*provider\s*=\s*"(\w+)"`},
		{"config/database.yml", "config/database.yml", `(?m)^\s*adapter:\s*["']?(\w+)`},
		{"package.json", "testcontainers in package.json", `"@testcontainers/(\w+)"`},
		{"go.mod", "testcontainers in go.mod", `testcontainers-go/modules/(\w+)`},
		{"pom.xml", "testcontainers in pom.xml", `<groupId>org\.testcontainers</groupId>\s*<artifactId>(\w+)<`},
		{"build.gradle", "testcontainers in build.gradle", `org\.testcontainers:(\w+)`},
		{"build.gradle.kts", "testcontainers in build.gradle.kts", `org\.testcontainers:(\w+)`},
		{"pyproject.toml", "testcontainers in pyproject.toml", `testcontainers\[(\w+)\]`},
	}
)

// services returns lines that propose services for the tests of a workspace.
func services(t *tree) []string {
	if lines := composed(t); len(lines) > 0 {
		return lines
	}
	for _, n := range namings {
		text, ok := content(t, n.file)
		if !ok {
			continue
		}
		var lines, names []string
		known := map[string]bool{}
		for _, match := range regexp.MustCompile(n.pattern).FindAllStringSubmatch(text, -1) {
			p, ok := named[match[1]]
			if !ok || known[p.id] {
				continue
			}
			known[p.id] = true
			names = append(names, p.name)
			lines = append(lines, serviceLine(p.id, p.image, backends[imageName(p.image)]))
		}
		if len(lines) > 0 {
			title := "services: # " + n.what + " names " + strings.Join(names, ", ") + "; see steps/services.md of the runner"
			return append([]string{title}, lines...)
		}
	}
	return nil
}

// passwordless lets images start that insist on a password otherwise.
var passwordless = map[string]string{
	"postgres": "POSTGRES_HOST_AUTH_METHOD: trust", "postgis": "POSTGRES_HOST_AUTH_METHOD: trust",
	"timescaledb": "POSTGRES_HOST_AUTH_METHOD: trust", "mysql": `MYSQL_ALLOW_EMPTY_PASSWORD: "yes"`,
	"mariadb": `MARIADB_ALLOW_EMPTY_ROOT_PASSWORD: "yes"`,
}

// serviceLine is one service of runner.yaml.
func serviceLine(id, image string, port int) string {
	environment := ""
	if set, ok := passwordless[imageName(image)]; ok {
		environment = ", environment: { " + set + " }"
	}
	return fmt.Sprintf("  %s: { image: %q, ready: { port: %d }%s } # at $SERVICE_%s_PORT of 127.0.0.1",
		id, image, port, environment, strings.ToUpper(strings.ReplaceAll(id, "-", "_")))
}

// imageName is the last part of an image's name, without its tag.
func imageName(image string) string {
	name, _, _ := strings.Cut(path.Base(image), ":")
	return name
}

// content returns a file that is there and can be read.
func content(t *tree, name string) (string, bool) {
	if !t.exists(name) {
		return "", false
	}
	text, err := t.read(name)
	return text, err == nil
}

// composed proposes the known services of Docker Compose.
func composed(t *tree) []string {
	for _, name := range composeFiles {
		text, ok := content(t, name)
		if !ok {
			continue
		}
		var file struct {
			Services map[string]struct{ Image string } `yaml:"services"`
		}
		if yaml.Unmarshal([]byte(text), &file) != nil {
			return nil
		}
		var lines []string
		for service, s := range file.Services {
			port := backends[imageName(s.Image)]
			id := slug(service)
			if port == 0 || id == "" || id[0] < 'a' || id[0] > 'z' || len(id) > 31 || strings.ContainsAny(s.Image, "${}\"\\") {
				continue
			}
			lines = append(lines, serviceLine(id, s.Image, port))
		}
		slices.Sort(lines)
		if len(lines) > 0 {
			return append([]string{"services: # of " + name + "; see steps/services.md of the runner"}, lines...)
		}
	}
	return nil
}

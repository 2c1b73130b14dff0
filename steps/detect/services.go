package detect

import (
	"fmt"
	"path"
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

// services returns lines that propose services for the tests of a workspace.
func services(t *tree) []string {
	if lines := composed(t); len(lines) > 0 {
		return lines
	}
	for _, hint := range []struct {
		file     string
		contains []string // any of them; empty: it is there
		what     string
	}{
		{"prisma/schema.prisma", []string{`provider = "postgresql"`, `provider="postgresql"`}, "prisma/schema.prisma"},
		{"config/database.yml", []string{"postgresql"}, "config/database.yml"},
		{"package.json", []string{`"@testcontainers/postgresql"`}, "testcontainers in package.json"},
		{"go.mod", []string{"testcontainers-go/modules/postgres"}, "testcontainers in go.mod"},
	} {
		text, ok := content(t, hint.file)
		if ok && slices.ContainsFunc(hint.contains, func(s string) bool { return strings.Contains(text, s) }) {
			return []string{
				"services: # " + hint.what + " names PostgreSQL; see steps/services.md of the runner",
				`  db: { image: "postgres:17", ready: { port: 5432 } } # at $SERVICE_DB_PORT of 127.0.0.1`,
			}
		}
	}
	return nil
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
			image := path.Base(s.Image)
			base, _, _ := strings.Cut(image, ":")
			port := backends[base]
			id := slug(service)
			if port == 0 || id == "" || id[0] < 'a' || id[0] > 'z' || len(id) > 31 || strings.ContainsAny(s.Image, "${}\"\\") {
				continue
			}
			lines = append(lines, fmt.Sprintf("  %s: { image: %q, ready: { port: %d } } # at $SERVICE_%s_PORT of 127.0.0.1",
				id, s.Image, port, strings.ToUpper(strings.ReplaceAll(id, "-", "_"))))
		}
		slices.Sort(lines)
		if len(lines) > 0 {
			return append([]string{"services: # of " + name + "; see steps/services.md of the runner"}, lines...)
		}
	}
	return nil
}

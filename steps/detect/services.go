package detect

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/carlin-cicd/runner/steps/pattern"
)

// Proposed services are comments below the tests: what a file of another tool says is no proof that the tests need it.

// backend is a kind of service that tests commonly need.
type backend struct {
	name, id string
	image    string
	port     int
	scheme   string // of its URL; "" for none
	variable string // that commonly has its URL
	user     string // that may do everything
	open     string // lets an image start without a password that insists on one otherwise
	users    string // the ending of variables that name its user; "" if they need a password
	database string // the ending of variables that name its database
}

var (
	postgres = backend{
		"PostgreSQL", "db", "postgres:17", 5432, "postgres", "DATABASE_URL", "postgres",
		"POSTGRES_HOST_AUTH_METHOD: trust",
		"POSTGRES_USER POSTGRESQL_USERNAME", "POSTGRES_DB POSTGRESQL_DATABASE",
	}
	mysql = backend{
		"MySQL", "db", "mysql:8.4", 3306, "mysql", "DATABASE_URL", "root", `MYSQL_ALLOW_EMPTY_PASSWORD: "yes"`, "",
		"MYSQL_DATABASE",
	}
	mariadb = backend{
		"MariaDB", "db", "mariadb:11", 3306, "mysql", "DATABASE_URL", "root",
		`MARIADB_ALLOW_EMPTY_ROOT_PASSWORD: "yes"`, "",
		"MARIADB_DATABASE MYSQL_DATABASE",
	}
	mongo = backend{
		"MongoDB", "mongo", "mongo:8", 27017, "mongodb", "MONGODB_URI", "", "", "", "MONGO_INITDB_DATABASE MONGODB_DATABASE",
	}
	redis    = backend{"Redis", "redis", "redis:7", 6379, "redis", "REDIS_URL", "", "", "", ""}
	valkey   = backend{"Valkey", "valkey", "valkey/valkey:8", 6379, "redis", "REDIS_URL", "", "", "", ""}
	rabbitmq = backend{
		"RabbitMQ", "rabbitmq", "rabbitmq:4", 5672, "amqp", "AMQP_URL", "guest:guest", "", "", "RABBITMQ_DEFAULT_VHOST",
	}
)

// backends are all kinds, each with the last parts of images' names, and the words of other tools, that mean it.
var backends = [...]struct {
	words string
	*backend
}{
	{"postgres postgresql postgis timescaledb pgvector", &postgres},
	{"mysql mysql2 trilogy mysql-server", &mysql},
	{"mariadb", &mariadb},
	{"mongo mongodb", &mongo},
	{"redis redis-stack-server", &redis},
	{"valkey", &valkey},
	{"rabbitmq", &rabbitmq},
	{"memcached", &backend{name: "Memcached", id: "memcached", image: "memcached:1.6", port: 11211}},
	{"elasticsearch", &backend{name: "Elasticsearch", id: "elasticsearch", port: 9200}},
	{"opensearch", &backend{name: "OpenSearch", id: "opensearch", port: 9200}},
	{"localstack", &backend{name: "LocalStack", id: "localstack", image: "localstack/localstack:4", port: 4566}},
	{"minio", &backend{name: "MinIO", id: "minio", port: 9000}},
	{"dynamodb-local", &backend{name: "DynamoDB", id: "dynamodb", port: 8000}},
	{"nats", &backend{name: "NATS", id: "nats", image: "nats:2", port: 4222, scheme: "nats", variable: "NATS_URL"}},
}

// findBackend returns the kind that a word means; nil for none.
func findBackend(word string) *backend {
	for _, b := range backends {
		if slices.Contains(strings.Fields(b.words), word) {
			return b.backend
		}
	}
	return nil
}

// naming is how a file names backends: by words in groups of a pattern, several in one separated by commas.
type naming struct{ file, what, pattern string }

const (
	gradleModule = `org\.testcontainers:(?:testcontainers-)?(\w+)` +
		`|org\.testcontainers["']\s*,\s*name\s*[:=]\s*["'](?:testcontainers-)?(\w+)` // version 2 has the prefix
	pythonExtra = `testcontainers\[([\w, -]+)\]|testcontainers\s*=\s*\{[^}\n]*extras\s*=\s*\[([^\]\n]+)\]`
)

// namings are the files of a folder that name backends; the first that names one wins.
var namings = []naming{
	{"prisma/schema.prisma", "", `(?m)^\s*provider\s*=\s*"(\w+)"`},
	{"schema.prisma", "", `(?m)^\s*provider\s*=\s*"(\w+)"`},
	{"config/database.yml", "", `(?m)^\s*adapter:\s*["']?(\w+)`},
	{"package.json", "testcontainers in ", `"@testcontainers/(\w+)"`},
	{"go.mod", "testcontainers in ", `testcontainers-go/modules/(\w+)`},
	{"pom.xml", "testcontainers in ", `<groupId>org\.testcontainers</groupId>\s*<artifactId>(?:testcontainers-)?(\w+)<`},
	{"build.gradle", "testcontainers in ", gradleModule},
	{"build.gradle.kts", "testcontainers in ", gradleModule},
	{"gradle/libs.versions.toml", "testcontainers in ", gradleModule},
	{"pyproject.toml", "testcontainers in ", pythonExtra},
	{"requirements.txt", "testcontainers in ", pythonExtra},
	{"requirements-dev.txt", "testcontainers in ", pythonExtra},
	{"dev-requirements.txt", "testcontainers in ", pythonExtra},
}

// services returns lines that propose services for the tests of a workspace.
func services(t *tree) []string {
	if lines := composed(t); len(lines) > 0 {
		return lines
	}
	for _, n := range namings {
		for _, folder := range t.folders {
			file := path.Join(folder, n.file)
			text, ok := content(t, file)
			if !ok || folder != "." && aside(folder) {
				continue
			}
			if all := n.proposals(text); len(all) > 0 {
				var names []string
				for _, p := range all {
					names = append(names, p.name)
				}
				return proposed(all, n.what+file+" names "+strings.Join(names, ", "))
			}
		}
	}
	return nil
}

var (
	prismaVariable = pattern.New(`(?m)^\s*url\s*=\s*env\("([A-Z][A-Z0-9_]{0,60})"\)`)
	railsDatabase  = pattern.New(`(?s)\ntest:.*?\n\s+database:\s*["']?([A-Za-z0-9_.-]{1,63})["']?\s*\n`)
)

// proposals are those of a file.
func (n naming) proposals(text string) []*proposedService {
	var all []*proposedService
	for _, match := range regexp.MustCompile(n.pattern).FindAllStringSubmatch(text, -1) {
		for word := range strings.SplitSeq(strings.Join(match[1:], ""), ",") {
			word = strings.Trim(word, " \"'")
			b := findBackend(word)
			if b == nil || b.image == "" || slices.ContainsFunc(all, func(o *proposedService) bool { return o.id == b.id }) {
				continue
			}
			p := &proposedService{backend: *b}
			switch m := prismaVariable.FindStringSubmatch(text); {
			case strings.HasSuffix(n.file, ".prisma") && m != nil:
				p.variable = m[1]
			case n.file == "config/database.yml":
				if p.scheme == "mysql" {
					p.scheme = word // Rails finds the adapter by it
				}
				if m := railsDatabase.FindStringSubmatch("\n" + text + "\n"); m != nil {
					p.set(databaseVariable(&p.backend), m[1])
				}
			}
			all = append(all, p)
		}
	}
	return all
}

// databaseVariable returns the variable that sets the database of an image.
func databaseVariable(b *backend) string {
	first, _, _ := strings.Cut(b.database, " ")
	return first
}

// proposedService is a service of a workspace.
type proposedService struct {
	backend
	settings []string // NAME: value
	named    string   // its database
	asked    string   // the path by which its health is asked for, by HTTP
	timeout  string
	after    []string
	foreign  bool // its image has other accounts than the usual one
}

// set gives the image a variable that names the database or the user.
func (p *proposedService) set(variable, value string) {
	if variable == "" || !isPlain(value) {
		return
	}
	if slices.Contains(strings.Fields(p.users), variable) {
		p.user = value
	} else {
		p.named = value
	}
	p.settings = append(p.settings, variable+": "+value)
}

// isPlain reports whether a name needs no quotes in YAML, in a URL and in a shell.
func isPlain(name string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
	return name != "" && len(name) < 64 && strings.Contains(letters, name[:1]) &&
		strings.Trim(name, letters+"0123456789.-") == ""
}

// proposed are the lines of services, of whom one says why.
func proposed(all []*proposedService, why string) []string {
	lines := []string{"services: # " + why + "; see steps/services.md of the runner"}
	taken := map[string]bool{}
	for _, p := range all {
		if taken[p.variable] {
			p.variable = strings.ToUpper(strings.ReplaceAll(p.id, "-", "_")) + "_URL"
		}
		taken[p.variable] = p.variable != ""
		lines = append(lines, p.line())
	}
	return lines
}

// line is the service in runner.yaml, and how the command finds it.
func (p *proposedService) line() string {
	ready := fmt.Sprintf("port: %d", p.port)
	if p.asked != "" {
		ready = fmt.Sprintf("http: %q", fmt.Sprintf("http://127.0.0.1:%d%s", p.port, p.asked))
	}
	if p.timeout != "" {
		ready += ", timeout: " + p.timeout
	}
	text := fmt.Sprintf("  %s: { image: %q, ready: { %s }", p.id, p.image, ready)
	var settings []string
	if p.open != "" {
		settings = append(settings, p.open)
	}
	if settings = append(settings, p.settings...); len(settings) > 0 {
		text += ", environment: { " + strings.Join(settings, ", ") + " }"
	}
	if len(p.after) > 0 {
		text += ", after: [" + strings.Join(p.after, ", ") + "]"
	}
	port := "$SERVICE_" + strings.ToUpper(strings.ReplaceAll(p.id, "-", "_")) + "_PORT"
	if p.scheme == "" || p.foreign {
		return text + " } # at " + port + " of 127.0.0.1"
	}
	return text + " } # export " + p.variable + "=" + p.url(port) + " in the command"
}

// url is where the command finds the service.
func (p *proposedService) url(port string) string {
	url := p.scheme + "://"
	if p.user != "" {
		url += p.user + "@"
	}
	url += "127.0.0.1:" + port
	if database := p.named; database != "" {
		url += "/" + database
	} else if p.scheme == "postgres" {
		url += "/" + p.user
	}
	return url
}

// imageName is the last part of an image's name, without its tag and digest.
func imageName(image string) string {
	image, _, _ = strings.Cut(image, "@")
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

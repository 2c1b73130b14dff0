package detect

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/carlin-cicd/runner/steps/pattern"
)

// composeFiles are where Docker Compose looks, the first one wins.
var composeFiles = []string{"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"}

// composeService is what is read of a service of Docker Compose. Fields of any have several forms.
type composeService struct {
	Image       string `yaml:"image"`
	Environment any    `yaml:"environment"`
	EnvFile     any    `yaml:"env_file"`
	DependsOn   any    `yaml:"depends_on"`
	Profiles    any    `yaml:"profiles"`
	Healthcheck struct {
		Test        any    `yaml:"test"`
		Disable     bool   `yaml:"disable"`
		StartPeriod string `yaml:"start_period"`
		Interval    string `yaml:"interval"`
		Retries     int    `yaml:"retries"`
	} `yaml:"healthcheck"`
}

// compose is a file of Docker Compose with the variables that its values may name.
type compose struct {
	*tree
	variables map[string]string
}

// composed proposes the known services of Docker Compose that are started without a profile.
func composed(t *tree) []string {
	for _, name := range composeFiles {
		text, ok := content(t, name)
		if !ok {
			continue
		}
		var file struct {
			Services map[string]*composeService `yaml:"services"`
		}
		if yaml.Unmarshal([]byte(text), &file) != nil {
			return nil
		}
		c := compose{t, map[string]string{}}
		c.readVariables(".env", c.variables)
		var services []string
		for service, s := range file.Services {
			if s != nil {
				services = append(services, service)
			}
		}
		slices.Sort(services)
		ids := map[string]string{}
		var all []*proposedService
		for _, service := range services {
			if p := c.proposal(slug(service), file.Services[service]); p != nil {
				ids[service] = p.id
				p.after = names(file.Services[service].DependsOn)
				all = append(all, p)
			}
		}
		for _, p := range all {
			var after []string
			for _, service := range p.after {
				if id := ids[service]; id != "" {
					after = append(after, id)
				}
			}
			p.after = after
		}
		if len(all) > 0 {
			return proposed(all, "of "+name)
		}
	}
	return nil
}

var (
	imageText = pattern.New(`^[A-Za-z0-9][A-Za-z0-9._/:@-]*[A-Za-z0-9]$`)
	healthURL = pattern.New(`http://(?:localhost|127\.0\.0\.1|0\.0\.0\.0)(?::([0-9]+))?(/[A-Za-z0-9_./-]*)?`)
)

// proposal returns what a service becomes; nil if it is not known what, or if a person starts it by a profile.
func (c compose) proposal(id string, s *composeService) *proposedService {
	image, ok := c.expand(s.Image)
	b := findBackend(imageName(image))
	if !ok || b == nil || len(id) > 31 || id[0] < 'a' || !imageText.MatchString(image) || len(names(s.Profiles)) > 0 {
		return nil
	}
	p := &proposedService{backend: *b}
	p.id, p.image = id, image
	if strings.Contains(image, "bitnami") {
		p.open, p.foreign = `ALLOW_EMPTY_PASSWORD: "yes"`, p.scheme == "amqp"
		if p.foreign {
			p.open = ""
		}
	}
	set := map[string]string{}
	for _, file := range names(s.EnvFile) {
		c.readVariables(path.Clean(file), set)
	}
	for name, value := range pairs(s.Environment) {
		if value, ok := c.expand(value); ok {
			set[name] = value
		} else {
			delete(set, name)
		}
	}
	for _, name := range strings.Fields(b.users + " " + b.database) {
		p.set(name, set[name])
	}
	c.health(p, s)
	return p
}

// health takes over what can be checked from outside of the container: a URL, and how long it may take.
func (c compose) health(p *proposedService, s *composeService) {
	test, _ := c.expand(strings.Join(names(s.Healthcheck.Test), " "))
	if s.Healthcheck.Disable || test == "" {
		return
	}
	if m := healthURL.FindStringSubmatch(test); m != nil && m[1] == fmt.Sprint(p.port) {
		p.asked = m[2]
	}
	begin, _ := time.ParseDuration(s.Healthcheck.StartPeriod)
	interval, _ := time.ParseDuration(s.Healthcheck.Interval)
	all := begin + interval*time.Duration(min(max(s.Healthcheck.Retries, 0), 1000))
	if all > time.Minute && all <= time.Hour {
		p.timeout = fmt.Sprintf("%ds", int(all.Seconds()))
	}
}

// interpolation is a variable in a value: $NAME, ${NAME}, with :- and - a default, with :+ and + another value.
var interpolation = pattern.New(`\$(?:\$|` +
	`\{([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-+?])([^{}]*(?:\{[^{}]*\}[^{}]*)*))?\}|([A-Za-z_][A-Za-z0-9_]*))`)

// expand puts in the variables of a value; false if one has none. They come from .env, not from the environment of the
// one who runs this.
func (c compose) expand(text string) (expanded string, ok bool) {
	ok = true
	expanded = interpolation.ReplaceAllStringFunc(text, func(found string) string {
		m := interpolation.FindStringSubmatch(found)
		if found == "$$" {
			return "$"
		}
		value, set := c.variables[m[1]+m[4]]
		if strings.HasPrefix(m[2], ":") {
			set = set && value != ""
		}
		switch operator := strings.TrimPrefix(m[2], ":"); {
		case operator == "+" && !set:
			return ""
		case operator == "+", operator == "-" && !set:
			value, set = c.expand(m[3])
		}
		ok = ok && set
		return value
	})
	return expanded, ok
}

// readVariables reads lines of NAME=value.
func (c compose) readVariables(file string, to map[string]string) {
	text, _ := content(c.tree, file)
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		if !ok || strings.HasPrefix(name, "#") {
			continue
		}
		value, _, _ = strings.Cut(strings.TrimSpace(value), " #")
		if value, ok = c.expand(strings.Trim(strings.TrimSpace(value), `"'`)); ok {
			to[strings.TrimSpace(name)] = value
		}
	}
}

// names are the words of a value that is one, a list of them, or a mapping: of names, or of one of path.
func names(value any) (all []string) {
	switch value := value.(type) {
	case string:
		all = append(all, value)
	case []any:
		for _, item := range value {
			if m, ok := item.(map[string]any); ok {
				item = m["path"]
			}
			if text, ok := item.(string); ok {
				all = append(all, text)
			}
		}
	case map[string]any:
		for name := range value {
			all = append(all, name)
		}
		slices.Sort(all)
	}
	return all
}

// pairs are variables of a mapping, or of a list of NAME=value.
func pairs(value any) map[string]string {
	all := map[string]string{}
	if m, ok := value.(map[string]any); ok {
		for name, value := range m {
			all[name] = fmt.Sprint(value)
		}
		return all
	}
	for _, item := range names(value) {
		if name, value, ok := strings.Cut(item, "="); ok {
			all[name] = value
		}
	}
	return all
}

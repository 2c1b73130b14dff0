package steps

import (
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/carlin-cicd/runner/steps/pattern"
)

// Service is a process or a container that runs beside the command.
type Service struct {
	Name        string
	Command     Command // empty for a container
	Image       string  // of a container; "" for a command
	Setup       Command // run to its end before Command; empty for nothing
	Ready       Ready
	Environment map[string]string // in addition to the step's; of a container, all it has
	After       []string          // services that are ready before this one is started
	Optional    bool              // whether the step goes on without it
}

// IsContainer reports whether the service is a container.
func (s Service) IsContainer() bool { return s.Image != "" }

// Variable returns the name of one of the variables by which other services and the command find this one, such as
// SERVICE_DB_PORT.
func (s Service) Variable(suffix string) string {
	return "SERVICE_" + strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_")) + "_" + suffix
}

// Ready is how a service shows that it can be used. Without any of its conditions, a container has to accept
// connections, and a command only has to be started.
type Ready struct {
	Port    string         // accepts connections: a number, or ServicePort
	HTTP    string         // a URL that answers with 2xx or 3xx; it may have variables of the service
	Command Command        // exits with 0
	Log     *regexp.Regexp // matches a line of its output
	Timeout time.Duration
}

// NamedPort returns the port that ready names, as port or in a URL of this machine; 0 if it names none. A command
// listens there; of a container it is the port inside.
func (r Ready) NamedPort() int {
	text := r.Port
	if m := localURL.FindStringSubmatch(r.HTTP); m != nil {
		switch text = m[2]; {
		case text == "" && m[1] == "s":
			text = "443"
		case text == "":
			text = "80"
		}
	}
	port, err := strconv.Atoi(text)
	if err != nil || port >= 1<<16 {
		return 0
	}
	return port
}

// ServicePort stands for the free port that a service was given.
const ServicePort = "$SERVICE_PORT"

// DefaultReadyTimeout is how long a service is waited for.
const DefaultReadyTimeout = time.Minute

var (
	serviceName  = pattern.New(`^[a-z][a-z0-9-]{0,30}$`)
	serviceImage = pattern.New(`^[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}$`)
	readyURL     = pattern.New(`^https?://[^/ ]+`)
	localURL     = pattern.New(`^http(s?)://(?:127\.0\.0\.1|localhost|0\.0\.0\.0|\[::1?\])(?::([0-9]{1,5}))?(?:[/?#]|$)`)
)

// servicesKind are services by their names.
func servicesKind() kind[[]Service] {
	o := serviceObject()
	item := o.kind()
	s := schema{
		Type:                 "object",
		PropertyNames:        &schema{AnyOf: []schema{{Pattern: serviceName.String()}, {Const: "<<"}}},
		AdditionalProperties: item.schema,
		Properties:           properties{{"<<", schema{Description: mergeKey}}},
	}
	return kind[[]Service]{schema: s, read: func(d *decoder, n ast.Node, what string, to *[]Service) error {
		*to = nil
		places := map[string]ast.Node{}
		err := d.entries(n, what, func(name string, keyNode, node ast.Node) error {
			if !serviceName.MatchString(name) {
				return d.invalid(keyNode, "name of a service", name,
					"begin with a lower-case letter; use lower-case letters, digits and dashes, 31 at most")
			}
			service := o.start
			note := func(key string, value ast.Node) {
				if key == "after" {
					places[name] = value
				}
			}
			if err := o.read(d, node, "service "+name, &service, note); err != nil {
				return err
			}
			service.Name = name
			port := service.Ready.NamedPort()
			if other := sharedPort(*to, service); other != "" {
				return d.errorf(node, "have one of them listen on another port, or on "+ServicePort,
					"services %q and %q have the same port, %d", other, name, port)
			}
			*to = append(slices.DeleteFunc(*to, func(s Service) bool { return s.Name == name }), service) // else of a merge key
			return nil
		})
		if err != nil {
			return err
		}
		return checkServiceOrder(d, n, *to, places)
	}}
}

// sharedPort returns the name of the service that has the port of another one, which is a command, too.
func sharedPort(all []Service, s Service) string {
	port := s.Ready.NamedPort()
	i := slices.IndexFunc(all, func(other Service) bool {
		return port != 0 && other.Ready.NamedPort() == port && other.Name != s.Name && !other.IsContainer() && !s.IsContainer()
	})
	if i < 0 {
		return ""
	}
	return all[i].Name
}

func serviceObject() object[Service] {
	line := command().ref("command")
	line.read = command().read
	return object[Service]{
		start: Service{Ready: Ready{Timeout: DefaultReadyTimeout}},
		anyOf: []schema{{Required: []string{"command"}}, {Required: []string{"image"}}},
		not:   []schema{{Required: []string{"command", "image"}}, {Required: []string{"image", "setup"}}},
		check: checkService,
		keys: []key[Service]{
			newKey("command", "What is run beside the step's command, in the step's directory. Its port is $SERVICE_PORT, its "+
				"folder $SERVICE_DATA.", line, func(s *Service) *Command { return &s.Command }).alias("run", "cmd", "start"),
			newKey("image", "A container instead of a command: run by podman or docker, on the cluster a sidecar of the task.",
				matching(serviceImage, "write the name of an image such as postgres:17"),
				func(s *Service) *string { return &s.Image }),
			newKey("setup", "Run to its end before the command of the service.", line,
				func(s *Service) *Command { return &s.Setup }).alias("before", "init"),
			newKey("ready", "When it can be used: by one of port, http, command and log. Without it, a container has to accept "+
				"connections; a command has to be started.", readyObject().kind(),
				func(s *Service) *Ready { return &s.Ready }).alias("healthcheck", "wait", "health"),
			newKey("environment", "Variables of the service, in addition to the step's. A container gets these only.",
				variables(scalar()), func(s *Service) *map[string]string { return &s.Environment }).
				alias("env", "envs", "variables", "vars"),
			newKey("after", "Services that have to be ready before it is started.",
				namesOf(matching(serviceName, "write the name of another service")),
				func(s *Service) *[]string { return &s.After }).alias("depends_on", "depends-on", "needs"),
			newKey("optional", "Whether the step goes on if it ends, or is not ready in time.", boolean(),
				func(s *Service) *bool { return &s.Optional }).otherwise(false),
		},
	}
}

func checkService(d *decoder, n ast.Node, s *Service) error {
	const example = "write { command: …, ready: { port: 5432 } } or { image: postgres:17 }"
	switch {
	case s.Command.IsZero() && s.Image == "":
		return d.errorf(n, example, "a service has neither a command nor an image")
	case !s.Command.IsZero() && s.Image != "":
		return d.errorf(n, "make them two services", "a service has both a command and an image")
	case s.Image != "" && !s.Setup.IsZero():
		return d.errorf(n, "use before: of the step, which runs when the services are ready", "a container has no setup")
	}
	return nil
}

func readyObject() object[Ready] {
	line := command().ref("command")
	line.read = command().read
	expression := kind[*regexp.Regexp]{
		schema: schema{Type: "string", MinLength: 1},
		read: func(d *decoder, n ast.Node, what string, to **regexp.Regexp) error {
			var value string
			if err := d.text(n, what, &value); err != nil {
				return err
			}
			compiled, err := regexp.Compile(value)
			if err != nil || value == "" {
				return d.errorf(n, `write a regular expression of Go (RE2) such as "listening on"`, "invalid %s %q", what, value)
			}
			*to = compiled
			return nil
		},
	}
	var pairs []schema
	conditions := []string{"port", "http", "command", "log"}
	for i, one := range conditions {
		for _, other := range conditions[i+1:] {
			pairs = append(pairs, schema{Required: []string{one, other}})
		}
	}
	return object[Ready]{
		what:  "ready",
		start: Ready{Timeout: DefaultReadyTimeout},
		not:   pairs,
		check: checkReady,
		keys: []key[Ready]{
			newKey("port", "A TCP port that accepts connections: a number, of a container the one inside, or $SERVICE_PORT.",
				portKind(), func(r *Ready) *string { return &r.Port }),
			newKey("http", "A URL that answers with 2xx or 3xx. It may have $SERVICE_PORT.", urlKind(),
				func(r *Ready) *string { return &r.HTTP }).alias("url"),
			newKey("command", "A command that exits with 0.", line, func(r *Ready) *Command { return &r.Command }).
				alias("run", "cmd", "test"),
			newKey("log", "A regular expression that matches a line of its output.", expression,
				func(r *Ready) **regexp.Regexp { return &r.Log }),
			newKey("timeout", "How long it is waited for.", duration(), func(r *Ready) *time.Duration { return &r.Timeout }).
				otherwise("1m"),
		},
	}
}

func checkReady(d *decoder, n ast.Node, r *Ready) error {
	set := 0
	for _, is := range []bool{r.Port != "", r.HTTP != "", !r.Command.IsZero(), r.Log != nil} {
		if is {
			set++
		}
	}
	if set > 1 {
		return d.errorf(n, "keep the one that says most", "ready has more than one of port, http, command and log")
	}
	return nil
}

// portKind is a port, or the word for the one that the service was given.
func portKind() kind[string] {
	number := integer(1, 1<<16-1)
	return kind[string]{
		schema: schema{OneOf: []schema{number.schema, {Const: ServicePort}}},
		read: func(d *decoder, n ast.Node, what string, to *string) error {
			if node, isText := d.resolve(n).(*ast.StringNode); isText {
				if *to = node.Value; *to == ServicePort {
					return nil
				}
				return d.invalid(n, what, node.Value, "write a number from 1 to 65535, or "+ServicePort)
			}
			var port int
			err := number.read(d, n, what, &port)
			*to = strconv.Itoa(port)
			return err
		},
	}
}

// urlKind is a URL of HTTP, in which variables may stand.
func urlKind() kind[string] {
	return kind[string]{
		schema: schema{Type: "string", Pattern: readyURL.String()},
		read: func(d *decoder, n ast.Node, what string, to *string) error {
			const advice = "write a URL such as http://127.0.0.1:$SERVICE_PORT/health"
			if err := d.text(n, what, to); err != nil {
				return err
			}
			if !readyURL.MatchString(*to) {
				return d.invalid(n, what, *to, advice)
			}
			return nil
		},
	}
}

// ExpandURL returns the URL with the variables in it.
func (r Ready) ExpandURL(variable func(name string) string) (string, error) {
	u, err := url.Parse(os.Expand(r.HTTP, variable))
	if err != nil {
		return "", err
	}
	return u.String(), nil
}

// checkServiceOrder refuses services that could never be started.
func checkServiceOrder(d *decoder, n ast.Node, all []Service, places map[string]ast.Node) error {
	var names []string
	for _, s := range all {
		names = append(names, s.Name)
	}
	for _, s := range all {
		for i, other := range s.After {
			place := d.item(places[s.Name], i)
			switch {
			case other == s.Name:
				return d.errorf(place, "remove it", "service %q is after itself", other)
			case !slices.Contains(names, other):
				return d.errorf(place, suggestion(other, "the services are", names),
					"service %q is after %q, which is not a service of the step", s.Name, other)
			}
		}
	}
	if _, circle := OrderServices(all); len(circle) > 0 {
		place := places[circle[0]]
		if place == nil {
			place = n
		}
		return d.errorf(place, "break the circle", "services are after each other: %s", strings.Join(circle, ", "))
	}
	return nil
}

// OrderServices returns services in the order in which they are started: that of the file, but for after. The circle
// has the names of those that are after each other.
func OrderServices(all []Service) (ordered []Service, circle []string) {
	started := map[string]bool{}
	for len(ordered) < len(all) {
		i := slices.IndexFunc(all, func(s Service) bool {
			return !started[s.Name] && !slices.ContainsFunc(s.After, func(name string) bool { return !started[name] })
		})
		if i < 0 {
			return ordered, circleOf(all, started)
		}
		started[all[i].Name] = true
		ordered = append(ordered, all[i])
	}
	return ordered, nil
}

// circleOf follows after from one that cannot be started until a service comes up again.
func circleOf(all []Service, started map[string]bool) []string {
	var path []string
	at := slices.IndexFunc(all, func(s Service) bool { return !started[s.Name] })
	for {
		name := all[at].Name
		if i := slices.Index(path, name); i >= 0 {
			return append(path[i:], name)
		}
		path = append(path, name)
		next := slices.IndexFunc(all[at].After, func(name string) bool { return !started[name] })
		at = slices.IndexFunc(all, func(s Service) bool { return s.Name == all[at].After[next] })
	}
}

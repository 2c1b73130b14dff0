package service

import (
	"net"
	"regexp"
	"slices"
)

// freePort returns a port that nothing listens on, and that no other service of the set has. Another program may take
// it before the service does; the system gives out the same port again only after thousands of others.
func (s *Set) freePort() (int, error) {
	for {
		l, err := net.Listen("tcp4", net.JoinHostPort(Host, "0"))
		if err != nil {
			return 0, err
		}
		port := l.Addr().(*net.TCPAddr).Port
		if err := l.Close(); err != nil {
			return 0, err
		}
		if !slices.Contains(s.ports, port) {
			s.ports = append(s.ports, port)
			return port, nil
		}
	}
}

var (
	refusesRoot = regexp.MustCompile(`(?i)run(ning)?( \w+)* as root|"?root"? execution of .* not permitted`)
	portInUse   = regexp.MustCompile(`(?i)address already in use|EADDRINUSE`)
	portNumber  = regexp.MustCompile(`(?i)(?:port |:)([0-9]{2,5})\b`)
)

// RootAdvice is for programs that do not run as root, such as those of PostgreSQL.
const RootAdvice = `it refuses to run as root: run the task as another user (the runner's image does, as user 1000), or let ` +
	`setup: chown $SERVICE_DATA to one, and run setup and command by "runuser -u postgres --"`

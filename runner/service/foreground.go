package service

import "strings"

// foregrounds are programs that go into the background, by a word of their command, and how they do not.
var foregrounds = []struct{ word, instead string }{
	{"redis-server", "redis-server --daemonize no"},
	{"valkey-server", "valkey-server --daemonize no"},
	{"pg_ctl", "postgres -D $SERVICE_DATA instead of pg_ctl start"}, // and pg_ctlcluster
	{"nginx", `nginx -g "daemon off;"`},
	{"apache", "apachectl -D FOREGROUND"},
	{"httpd", "httpd -D FOREGROUND"},
	{"mysqld", "mysqld without --daemonize"},
	{"mariadb", "mariadbd instead of a script that starts it"},
	{"mongod", "mongod without --fork"},
	{"rabbitmq-server", "rabbitmq-server without -detached"},
	{"memcached", "memcached without -d"},
	{"pm2 ", "pm2-runtime instead of pm2"},
	{"systemctl", "the server itself instead of systemctl"},
	{"service ", "the server itself instead of service"},
	{"compose", "docker compose up without -d"},
	{"docker run", "docker run without -d, or image: of the service"},
	{"podman run", "podman run without -d, or image: of the service"},
}

// foregroundAdvice is for a command that exited with 0, and has left a process or "".
func foregroundAdvice(command, left string) string {
	for _, f := range foregrounds {
		if strings.Contains(command, f.word) {
			return "keep it in the foreground, where its end is noticed: " + f.instead
		}
	}
	if left != "" {
		return "keep it in the foreground, where its end is noticed: " +
			"begin its last command with exec, without & behind it"
	}
	return "a service runs until it is stopped; " +
		"what ends by itself belongs into setup: of the service, or before: of the step"
}

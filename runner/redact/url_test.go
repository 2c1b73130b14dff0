package redact

import (
	"slices"
	"strings"
	"testing"
)

func TestURLPasswords(t *testing.T) {
	for text, want := range map[string][]string{
		"postgres://u:pw-of-db@h/db":                            {"pw-of-db"},
		"postgres://u:pw-of-db@h1,h2:5432/db?sslmode=require":   {"pw-of-db"},
		"redis://:pw-of-redis@cache:6379/0":                     {"pw-of-redis"},
		"postgres://u:p%40ss%2Fword@h/db":                       {"p%40ss%2Fword", "p@ss/word"},
		"postgres://u:p@ssword@h/db":                            {"p@ssword"},
		"postgres://u:pass/word?#1@h/db":                        {"pass/word?#1"},
		"amqp://a:first-pw@h;amqp://b:second-pw@h":              {"first-pw", "second-pw"},
		"url = \"mysql://u:quoted-pw@h/db\"":                    {"quoted-pw"},
		"jdbc:postgresql://u:jdbc-pw@h/db":                      {"jdbc-pw"},
		"git+https://x-access-token:tok-123@github.com/o/r.git": {"tok-123"},
		"https://user@host/path":                                nil,
		"https://host:8080/npm/pkg@1.0":                         nil,
		"https://host/a:b@c":                                    nil,
		"http://[::1]:8080/x@y":                                 nil,
		"postgres://postgres:postgres@localhost/test":           nil,
		"postgres://u:password@localhost/test":                  nil,
		"postgres://u:short@localhost/test":                     nil,
		"amqp://guest:guest@localhost":                          nil,
		"://u:password-1@h":                                     nil,
		"a: b@c":                                                nil,
		"":                                                      nil,
	} {
		if got := URLPasswords(text); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func FuzzURLPasswords(f *testing.F) {
	f.Add("postgres://u:pw@h/db amqp://a:b@c", "x")
	f.Fuzz(func(t *testing.T, text, password string) {
		for _, p := range urlPasswords(text) {
			if p == "" {
				t.Errorf("an empty password in %q", text)
			}
		}
		if password != "" && !strings.ContainsAny(password, "/?# \t\r\n\"'<>`@%") &&
			!strings.EqualFold(password, "user") &&
			!strings.EqualFold(password, "db") {
			if got := urlPasswords("db://user:" + password + "@host/x"); len(got) == 0 || got[0] != password {
				t.Errorf("%q: %q", password, got)
			}
		}
	})
}

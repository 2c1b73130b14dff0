package source

import (
	"strings"
	"testing"
)

func TestOrigin(t *testing.T) {
	for name, c := range map[string]struct {
		address, token string
		url            string // "": it is refused
		credentials    string // a part of the settings and variables
	}{
		"https with a token": {
			"https://github.com/a/b", "tok\n", "https://github.com/a/b",
			"credential.https://github.com.helper= RUNNER_GIT_USER=x-access-token RUNNER_GIT_TOKEN=tok",
		},
		"https without":            {"https://github.com/a/b", "", "https://github.com/a/b", ""},
		"the user name is removed": {"https://ghp_secret@github.com/a/b", "", "https://github.com/a/b", ""},
		"and used with the token": {
			"https://x-token-auth@bitbucket.org/a/b", "tok", "https://bitbucket.org/a/b",
			"credential.https://bitbucket.org.helper= RUNNER_GIT_USER=x-token-auth RUNNER_GIT_TOKEN=tok",
		},
		"a port": {
			"https://git.example.com:8443/a", "tok", "https://git.example.com:8443/a",
			"credential.https://git.example.com:8443.helper= RUNNER_GIT_USER=x-access-token RUNNER_GIT_TOKEN=tok",
		},
		"a token is not for http": {"http://example.com/a", "tok", "http://example.com/a", ""},
		"nor for ssh":             {"ssh://git@example.com/a", "tok", "ssh://git@example.com/a", ""},
		"scp's form":              {"git@github.com:a/b.git", "tok", "git@github.com:a/b.git", ""},
		"a folder":                {"/srv/a", "", "/srv/a", ""},
		"file":                    {"file:///srv/a", "tok", "file:///srv/a", ""},
		"CodeCommit": {
			"codecommit::eu-west-1://profile@a", "", "codecommit::eu-west-1://profile@a", "",
		},
		"a password":                   {"https://me:hunter2@example.com/a", "", "", ""},
		"a password for ssh":           {"ssh://me:hunter2@example.com/a", "", "", ""},
		"a password in scp's form":     {"me:hunter2@example.com:a", "", "", ""},
		"a password in an invalid URL": {"https://me:hunter2%zz@example.com/a", "", "", ""},
		"a query":                      {"https://example.com/a?private_token=hunter2", "", "", ""},
		"an invalid host":              {"https://a=b/x", "tok", "", ""},
		"an option":                    {"--upload-pack=hunter2", "", "", ""},
		"a line break":                 {"https://example.com/a\nhunter2", "", "", ""},
		"a token of two lines":         {"https://example.com/a", "hunter2\nhost=evil", "", ""},
		"nothing":                      {"", "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			o, err := parseOrigin(c.address, c.token)
			if c.url == "" {
				if !is[*Error](err) || strings.Contains(err.Error(), "hunter2") || err.(*Error).Advice == "" {
					t.Errorf("%+v, %v", o, err)
				}
				return
			}
			passed := strings.Join(append(o.settings, o.variables...), " ")
			passed = strings.Replace(strings.Replace(passed, helper, "", 1), "-c credential.helper= -c ", "", 1)
			if public, err := PublicURL(c.address); err != nil || public != c.url {
				t.Errorf("the public URL is %s, %v", public, err)
			}
			if err != nil || o.url != c.url || passed != c.credentials {
				t.Errorf("url %s, git gets %q, %v", o.url, passed, err)
			}
		})
	}
}

// No URL makes its password visible, and none becomes an option of git.
func FuzzOrigin(f *testing.F) {
	f.Add("https://me:hunter2@example.com/a?b#c", "tok")
	f.Add("git@example.com:a", "")
	f.Add("ext::sh -c x", "tok")
	f.Fuzz(func(t *testing.T, address, token string) {
		o, err := parseOrigin(address, token)
		if err != nil {
			if is[*Error](err) && err.Error() != "" {
				return
			}
			t.Fatalf("error is %T %v", err, err)
		}
		if strings.HasPrefix(o.url, "-") || strings.ContainsFunc(o.url, isControl) {
			t.Errorf("url is %q", o.url)
		}
		if scheme, rest, ok := strings.Cut(o.url, "://"); ok && strings.HasPrefix(scheme, "http") {
			authority, _, _ := strings.Cut(rest, "/")
			if strings.Contains(authority, "@") {
				t.Errorf("url is %q", o.url)
			}
		}
		for _, v := range append(o.settings, o.variables...) {
			if strings.ContainsFunc(v, isControl) {
				t.Errorf("git gets %q", v)
			}
		}
	})
}

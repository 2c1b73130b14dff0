package source

import (
	"cmp"
	"net/url"
	"regexp"
	"strings"
)

// origin is the repository that the commit comes from.
type origin struct {
	url       string   // without credentials
	host      string   // for https with a token: that of the credentials, with the port
	user      string   // that belongs to the token
	token     string   // "" without one
	settings  []string // arguments by which git finds the token
	variables []string // the token, for git's environment
}

// passwordAdvice is for URLs with a password.
const passwordAdvice = "remove it, and set the token as GITHUB_TOKEN: a URL ends up in logs, arguments and .git"

// parseOrigin refuses URLs with a password, and removes the user name from one for https: it often is a token as well.
func parseOrigin(address, token string) (origin, error) {
	token = strings.TrimSpace(token) // read from a file, it ends with a newline
	switch {
	case address == "":
		return origin{}, &Error{
			Message: "REPOSITORY_URL is empty", Advice: "set it, as in https://github.com/owner/name",
		}
	case strings.HasPrefix(address, "-") || strings.ContainsFunc(address+token, isControl):
		return origin{}, &Error{
			Message: "REPOSITORY_URL or its token has characters that " +
				"are not allowed", Advice: "look for a leading dash or a line break",
		}
	case !strings.Contains(address, "://"): // git@host:path, or a folder
		if user, _, ok := strings.Cut(address, "@"); ok && strings.Contains(user, ":") {
			return origin{}, &Error{Message: "REPOSITORY_URL has a password in it", Advice: passwordAdvice}
		}
		return origin{url: address}, nil
	}
	u, err := url.Parse(address)
	if err != nil { // the error would quote the URL, with the password that it may have
		return origin{}, &Error{
			Message: "REPOSITORY_URL is not a valid URL",
			Advice:  "look for blanks, and for % signs that are not encoded",
		}
	}
	if _, has := u.User.Password(); has {
		return origin{}, &Error{Message: "REPOSITORY_URL has a password in it", Advice: passwordAdvice}
	}
	if u.Scheme != "https" && u.Scheme != "http" {
		return origin{url: address}, nil
	}
	if u.RawQuery != "" || u.Fragment != "" || !hostPattern.MatchString(u.Host) {
		return origin{}, &Error{
			Message: "REPOSITORY_URL is not the URL of " +
				"a repository", Advice: "it has to be https://host/path, without a query",
		}
	}
	user := cmp.Or(u.User.Username(), "x-access-token")
	u.User = nil
	o := origin{url: u.String()}
	if token == "" || u.Scheme != "https" || strings.ContainsFunc(user, isControl) {
		return o, nil
	}
	o.host, o.user, o.token = u.Host, user, token
	// A helper, and not http.extraHeader: git sends such a header to the host of a redirect as well. The empty one
	// before it keeps the token from the helpers of the machine, which may store it.
	o.settings = []string{"-c", "credential.helper=", "-c", "credential.https://" + u.Host + ".helper=" + helper}
	o.variables = []string{"RUNNER_GIT_USER=" + user, "RUNNER_GIT_TOKEN=" + token}
	return o, nil
}

// PublicURL returns an address without the user name, which often is a token. The error is an *Error: an address with a
// password is refused, as by Checkout.
func PublicURL(address string) (string, error) {
	o, err := parseOrigin(address, "")
	return o.url, err
}

// helper is what git runs for the credentials of the host.
const helper = `!f() { test "$1" = get && printf 'username=%s\npassword=%s\n' "$RUNNER_GIT_USER" "$RUNNER_GIT_TOKEN"; }; f`

// protocols returns the transports that git may use. The URLs of submodules come from the commit, so they may name a
// folder of this machine only where the origin does.
func (o origin) protocols() string {
	protocols := "git:http:https:ssh:codecommit"
	if strings.HasPrefix(o.url, "file:") || !strings.Contains(o.url, ":") || strings.HasPrefix(o.url, "/") {
		protocols += ":file"
	}
	return protocols
}

// rewrites returns options that replace ssh by https for submodules on the token's host.
func (o origin) rewrites() []string {
	if o.token == "" {
		return nil
	}
	to := "url.https://" + o.host + "/.insteadOf="
	name, _, _ := strings.Cut(o.host, ":")
	return []string{"-c", to + "git@" + name + ":", "-c", to + "ssh://git@" + name + "/"}
}

var hostPattern = regexp.MustCompile(`^[A-Za-z0-9._-]+(:[0-9]+)?$|^\[[0-9A-Fa-f:.]+\](:[0-9]+)?$`)

func isControl(r rune) bool { return r < 0x20 || r == 0x7f }

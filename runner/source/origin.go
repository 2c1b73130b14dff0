package source

import (
	"net/url"
	"regexp"
	"strings"
)

// origin is where the commit comes from.
type origin struct {
	url       string   // without credentials
	settings  []string // arguments that let git find the token
	variables []string // the token, for git's environment
}

// passwordAdvice is for URLs that have one.
const passwordAdvice = "take it out, and give the token as GITHUB_TOKEN: a URL ends up in logs, arguments and .git"

// parseOrigin refuses URLs with a password, and takes the user name off one for https: it often is a token as well.
func parseOrigin(address, token string) (origin, error) {
	token = strings.TrimSpace(token) // read from a file, it ends with a newline
	switch {
	case address == "":
		return origin{}, &Error{Message: "REPOSITORY_URL is empty", Advice: "set it, as in https://github.com/owner/name"}
	case strings.HasPrefix(address, "-") || strings.ContainsFunc(address+token, isControl):
		return origin{}, &Error{Message: "REPOSITORY_URL or its token has characters that cannot be in one", Advice: "see for a leading dash or a line break"}
	case !strings.Contains(address, "://"): // git@host:path, or a folder
		if user, _, ok := strings.Cut(address, "@"); ok && strings.Contains(user, ":") {
			return origin{}, &Error{Message: "REPOSITORY_URL has a password in it", Advice: passwordAdvice}
		}
		return origin{url: address}, nil
	}
	u, err := url.Parse(address)
	if err != nil { // whose text would show the URL, with whatever is in it
		return origin{}, &Error{Message: "REPOSITORY_URL is not a valid URL", Advice: "see for blanks, and for % signs that are not encoded"}
	}
	if _, has := u.User.Password(); has {
		return origin{}, &Error{Message: "REPOSITORY_URL has a password in it", Advice: passwordAdvice}
	}
	if u.Scheme != "https" && u.Scheme != "http" {
		return origin{url: address}, nil
	}
	if u.RawQuery != "" || u.Fragment != "" || !host.MatchString(u.Host) {
		return origin{}, &Error{Message: "REPOSITORY_URL is not that of a repository", Advice: "it has to be https://host/path, with nothing behind it"}
	}
	user := first(u.User.Username(), "x-access-token")
	u.User = nil
	o := origin{url: u.String()}
	if token == "" || u.Scheme != "https" || strings.ContainsFunc(user, isControl) {
		return o, nil
	}
	// A helper, and not http.extraHeader: git sends such a header to the host that a redirect leads to as well. The
	// empty one before it keeps the token from the helpers of the machine, which may store it.
	o.settings = []string{"-c", "credential.helper=", "-c", "credential.https://" + u.Host + ".helper=" + helper}
	o.variables = []string{"RUNNER_GIT_USER=" + user, "RUNNER_GIT_TOKEN=" + token}
	return o, nil
}

// PublicURL is an address as it may be told: without the user name, which often is a token. The error is an *Error: with a password
// it is refused, here as by a checkout.
func PublicURL(address string) (string, error) {
	o, err := parseOrigin(address, "")
	return o.url, err
}

// helper is what git runs when a server asks who we are.
const helper = `!f() { test "$1" = get && printf 'username=%s\npassword=%s\n' "$RUNNER_GIT_USER" "$RUNNER_GIT_TOKEN"; }; f`

var host = regexp.MustCompile(`^[A-Za-z0-9._-]+(:[0-9]+)?$|^\[[0-9A-Fa-f:.]+\](:[0-9]+)?$`)

func isControl(r rune) bool { return r < 0x20 || r == 0x7f }

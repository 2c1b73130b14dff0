package source

import (
	"bufio"
	"cmp"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/runner/scratch"
)

// Access lets the command's own git use the credentials of the repository, for its host only, until Close. They are in
// no file and no variable: git asks for them by a socket.
type Access struct {
	origin   origin
	dir      string
	listener net.Listener // nil without a token
	agent    *keyAgent    // nil without a key
	ssh      string
}

// OpenAccess serves the token and the key of the options. The error is an *Error.
func OpenAccess(o Options) (*Access, error) {
	from, err := parseOrigin(o.URL, o.Token)
	if err != nil {
		return nil, err
	}
	a := &Access{origin: from, ssh: cmp.Or(o.SSHCommand, "ssh")}
	if from.token != "" {
		if a.dir, err = scratch.Dir("runner-git-"); err == nil {
			a.listener, err = net.Listen("unix", a.socket())
		}
		if err != nil {
			a.Close()
			return nil, &Error{
				Message: "the socket for git's credentials cannot be created: " + err.Error(), Advice: socketAdvice,
			}
		}
		go acceptEach(a.listener, a.serve)
	}
	if o.SSHKey != "" {
		if a.agent, err = openAgent(o.SSHKey, o.KnownHosts); err != nil {
			a.Close()
			return nil, err
		}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if a.listener == nil && a.agent == nil {
		o.Log.Warn("there are no credentials for the command's git", "setting", "checkout.credentials",
			"hint", "set GITHUB_TOKEN for a repository by https, or RUNNER_SSH_KEY for one by ssh")
	}
	return a, nil
}

// Configure adds to a command's environment what its git needs.
func (a *Access) Configure(variables map[string]string) {
	if a.listener != nil {
		name := "credential.https://" + a.origin.host
		addConfig(variables, name+".helper", "") // not the helpers of the machine, which may store the token
		addConfig(variables, name+".helper", "cache --socket "+quote(a.socket()))
	}
	if a.agent != nil {
		variables["GIT_SSH_COMMAND"] = a.ssh + sshOptions + a.agent.options()
	}
}

// Close ends the access.
func (a *Access) Close() {
	if a == nil {
		return
	}
	if a.listener != nil {
		a.listener.Close()
	}
	if a.dir != "" {
		os.RemoveAll(a.dir)
	}
	a.agent.close()
}

func (a *Access) socket() string { return filepath.Join(a.dir, "credentials") }

// serve answers one request of git-credential-cache: lines of KEY=VALUE, of which action and the host matter. Nothing
// is stored or erased.
func (a *Access) serve(conn net.Conn) {
	const maxRequest = 64 << 10
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	request := map[string]string{}
	scanner := bufio.NewScanner(conn)
	for size := 0; scanner.Scan() && size < maxRequest; size += len(scanner.Bytes()) {
		if key, value, ok := strings.Cut(scanner.Text(), "="); ok {
			request[key] = value
		}
	}
	if request["action"] == "get" && request["protocol"] == "https" && strings.EqualFold(
		request["host"], a.origin.host,
	) {
		fmt.Fprintf(conn, "username=%s\npassword=%s\n", a.origin.user, a.origin.token)
	}
}

// TrustWorkspace adds to a command's environment that its git may use the workspace although it belongs to another
// user, as in a container that runs as root with a mounted workspace.
func TrustWorkspace(dir string, variables map[string]string) {
	dir = realPath(dir)
	if isForeign(dir) || isForeign(filepath.Join(dir, ".git")) {
		addConfig(variables, "safe.directory", dir)
	}
}

// addConfig adds a setting of git to an environment, after those that it has.
func addConfig(variables map[string]string, key, value string) {
	n, err := strconv.Atoi(cmp.Or(variables["GIT_CONFIG_COUNT"], "0"))
	if err != nil || n < 0 {
		return // git itself refuses such an environment
	}
	variables["GIT_CONFIG_KEY_"+strconv.Itoa(n)], variables["GIT_CONFIG_VALUE_"+strconv.Itoa(n)] = key, value
	variables["GIT_CONFIG_COUNT"] = strconv.Itoa(n + 1)
}

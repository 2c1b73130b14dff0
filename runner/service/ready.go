package service

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/units"
	"github.com/carlin-cicd/runner/steps"
)

const (
	// checkInterval is the time between two checks. Most services need a fraction of a second.
	checkInterval = 50 * time.Millisecond
	// checkTimeout is the longest time that one check takes.
	checkTimeout = 5 * time.Second
	// refusalDelay is how long the proxy of an engine for containers takes to close a connection that nothing in the
	// container accepts.
	refusalDelay = 200 * time.Millisecond
)

// check returns nil if a service is ready, else why it is not.
type check func(ctx context.Context) error

// awaitReady waits until a service is ready. The error is an *Error, or that of the context.
func (s *Set) awaitReady(ctx context.Context, one *service) error {
	isReady := s.check(one)
	if isReady == nil {
		return nil
	}
	limit := time.NewTimer(one.Ready.Timeout)
	defer limit.Stop()
	var ended <-chan struct{}
	if one.supervisor != nil {
		ended = one.supervisor.ended
	}
	for {
		checkCtx, cancel := context.WithTimeout(ctx, min(checkTimeout, one.Ready.Timeout))
		err := isReady(checkCtx)
		cancel()
		select {
		case <-ended: // what answered was another program
			return one.endError()
		default:
		}
		if err == nil {
			return nil
		}
		select {
		case <-ended:
			return one.endError()
		case <-ctx.Done():
			return ctx.Err()
		case <-limit.C:
			return &Error{
				Service: one.Name, Lines: one.lines.last(),
				Message: fmt.Sprintf("was not ready within %s: %s", units.Duration(one.Ready.Timeout), err),
				Advice:  one.unreadyAdvice(),
			}
		case <-time.After(checkInterval):
		}
	}
}

func (one *service) unreadyAdvice() string {
	if one.kind == record.ServiceSidecar {
		return "see the log of the container " + one.Name + " of the task, or raise ready.timeout"
	}
	return "see its lines in the log, or raise ready.timeout"
}

// check returns the check of a service; nil if there is none.
func (s *Set) check(one *service) check {
	r := one.Ready
	switch {
	case r.HTTP != "":
		return one.checkHTTP(r)
	case !r.Command.IsZero():
		return s.checkCommand(one)
	case r.Log != nil && one.kind != record.ServiceSidecar:
		return func(ctx context.Context) error {
			select {
			case <-one.lines.found:
				return nil
			case <-ctx.Done():
			case <-time.After(checkInterval):
			}
			return fmt.Errorf("no line of its output matches %q", r.Log)
		}
	case r.Port != "" || one.IsContainer() && one.port != 0:
		return func(ctx context.Context) error { return checkPort(ctx, one.port, one.kind == record.ServiceContainer) }
	}
	return nil
}

// chosenPort returns the port on which the step says that a command listens; 0 for none.
func (one *service) chosenPort() int {
	if one.IsContainer() {
		return 0
	}
	return one.Ready.NamedPort()
}

// checkPort connects to a port. A proxy accepts connections before the service does, and closes them.
func checkPort(ctx context.Context, port int, proxied bool) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", net.JoinHostPort(Host, strconv.Itoa(port)))
	if err != nil {
		return fmt.Errorf("port %d does not accept connections", port)
	}
	defer c.Close()
	if !proxied {
		return nil
	}
	_ = c.SetReadDeadline(time.Now().Add(refusalDelay))
	if n, err := c.Read(make([]byte, 1)); n == 0 && !isTimeout(err) {
		return fmt.Errorf("port %d closes connections at once", port)
	}
	return nil
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// checkHTTP asks for a URL. Certificates are not verified: those of a service beside a test are of its own making.
func (one *service) checkHTTP(r steps.Ready) check {
	client := &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	address, err := r.ExpandURL(func(name string) string { return one.scope[name] })
	if u, urlErr := url.Parse(address); one.kind == record.ServiceContainer && r.NamedPort() != 0 && urlErr == nil {
		u.Host = net.JoinHostPort(Host, strconv.Itoa(one.port)) // where the port inside is published
		address = u.String()
	}
	return func(ctx context.Context) error {
		if err != nil {
			return err
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return fmt.Errorf("%s does not answer", address)
		}
		_ = response.Body.Close()
		if response.StatusCode < 200 || response.StatusCode > 399 {
			return fmt.Errorf("%s answers with %s", address, response.Status)
		}
		return nil
	}
}

// checkCommand runs a command. Nothing of its output is logged: it is run until it passes.
func (s *Set) checkCommand(one *service) check {
	env := entries(one.scope)
	c := process.Command{Args: one.Ready.Command.Argv(), Dir: s.setting.Directory, Env: env}
	return func(ctx context.Context) error {
		path, err := process.LookPath(c)
		if err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, path)
		cmd.Args, cmd.Dir, cmd.Env = c.Args, c.Dir, c.Env
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
		cmd.WaitDelay = time.Second
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w", one.Ready.Command, err)
		}
		return nil
	}
}

// refuseTakenPort refuses a port that the step has chosen and that another program has.
func (one *service) refuseTakenPort() error {
	port := one.chosenPort()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if port == 0 || checkPort(ctx, port, false) != nil {
		return nil
	}
	return &Error{
		Service: one.Name, Message: fmt.Sprintf("has no port: %s", taken(port)),
		Advice: "end that process, or have the service listen on $SERVICE_PORT",
	}
}

// taken says which process has a port.
func taken(port int) string {
	if p, ok := process.Listener(port); ok {
		return fmt.Sprintf("port %d is taken by process %d (%s)", port, p.PID, p.Command)
	}
	return fmt.Sprintf("port %d is taken by a process that cannot be seen from here, of another user or container", port)
}

// endError says how a service ended that should not have.
func (one *service) endError() *Error {
	end := one.supervisor.end
	e := &Error{Service: one.Name, Lines: one.lines.last(), Advice: end.Hint}
	switch {
	case end.InSetup:
		e.Message = "could not be set up: its setup " + end.Error
	case end.Error == "":
		e.Message = "ended: it exited with 0"
	default:
		e.Message = "ended: it " + end.Error
	}
	if end.Error == "" {
		if end.Left != "" {
			e.Message += " and left " + end.Left
		}
		e.Advice = foregroundAdvice(one.Command.String(), end.Left)
	}
	text := strings.Join(e.Lines, "\n")
	switch {
	case refusesRoot.MatchString(text):
		e.Advice = RootAdvice
	case portInUse.MatchString(text):
		if port, ok := portIn(text); ok {
			e.Message += "; " + taken(port)
		}
		e.Advice = "end the process that has the port, or have the service listen on $SERVICE_PORT"
	}
	return e
}

// portIn returns a port of the text that some process listens on.
func portIn(text string) (int, bool) {
	var candidates []int
	for _, m := range portNumber.FindAllStringSubmatch(text, -1) {
		if port, err := strconv.Atoi(m[1]); err == nil && port > 0 && port < 1<<16 {
			candidates = append(candidates, port)
		}
	}
	i := slices.IndexFunc(candidates, func(port int) bool { _, ok := process.Listener(port); return ok })
	if i < 0 {
		return 0, false
	}
	return candidates[i], true
}

// entries returns variables as execve takes them.
func entries(variables map[string]string) []string {
	all := make([]string, 0, len(variables))
	for name, value := range variables {
		all = append(all, name+"="+value)
	}
	slices.Sort(all)
	return all
}

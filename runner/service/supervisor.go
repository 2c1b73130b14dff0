package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/carlin-cicd/runner/runner/process"
)

// Command is the word by which the program starts a supervisor. It is not for people.
const Command = "supervise-service"

// request is what a supervisor is started with. It is sent by a pipe, so that no other process can read it.
type request struct {
	Setup  []string // run to its end first; empty for nothing
	Args   []string
	Dir    string
	Env    []string
	Marker string
	Grace  time.Duration
	Data   string // removed if the runner is gone

	Remove    []string // a command that removes what is left; empty for nothing
	RemoveEnv []string
}

// report is what a supervisor says of its service.
type report struct {
	Started  bool // the command
	Leaving  bool // it has ended; what it has left is about to
	Alive    bool // the answer to wordAsk
	Ended    bool
	InSetup  bool // the setup has ended it
	ExitCode int
	Killed   bool
	Error    string
	Left     string // a process that it has left, and that was ended
	Hint     string
}

// The words of the runner to a supervisor.
const (
	wordAsk  = 'a' // whether the service is alive
	wordStop = 's'
	wordKill = 'k'
)

// supervisor is the process beside the runner that runs a service.
type supervisor struct {
	input   io.WriteCloser
	started chan struct{} // closed when the command of the service was started
	alive   chan struct{} // has an answer to wordAsk
	leaving chan struct{} // closed when it has ended
	ended   chan struct{} // closed when nothing of it is left; end is valid then
	end     report
}

// start starts this program, by its path, as a supervisor. The output is closed when all of it has been written.
func start(program string, r request, output io.WriteCloser) (*supervisor, error) {
	cmd := exec.Command(program, Command)
	cmd.Dir, cmd.Env = "/", []string{"GOMAXPROCS=1", "GOGC=50"} // no RUN_ID: it is not a process of the command
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, writeOut, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	reports, writeReports, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, out.Close(), writeOut.Close())
	}
	cmd.Stdout, cmd.Stderr = writeOut, writeReports
	err = cmd.Start()
	_, _ = writeOut.Close(), writeReports.Close()
	if err != nil {
		_, _ = out.Close(), reports.Close()
		return nil, err
	}
	s := &supervisor{
		input: input, started: make(chan struct{}), alive: make(chan struct{}, 1),
		leaving: make(chan struct{}), ended: make(chan struct{}),
	}
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		_, _ = io.Copy(output, out)
		_, _ = output.Close(), out.Close()
	}()
	err = json.NewEncoder(input).Encode(r)
	go s.listen(cmd, reports, copied)
	return s, err
}

// listen reads what the supervisor says, until it has ended.
func (s *supervisor) listen(cmd *exec.Cmd, reports io.ReadCloser, copied <-chan struct{}) {
	defer close(s.ended)
	defer reports.Close()
	in := json.NewDecoder(reports)
	s.end = report{ExitCode: -1, Error: "lost its supervisor"}
	begun, left := false, false
	for {
		var r report
		if in.Decode(&r) != nil {
			break
		}
		if r.Started && !begun {
			begun = true
			close(s.started)
		}
		if r.Leaving && !left {
			left = true
			close(s.leaving)
		}
		if r.Alive {
			select {
			case s.alive <- struct{}{}:
			default:
			}
		}
		if r.Ended {
			s.end = r
		}
	}
	_ = cmd.Wait()
	select { // its last lines say why it ended
	case <-copied:
	case <-time.After(process.DefaultDrain):
	}
}

// answerTime is how long a supervisor is waited for.
const answerTime = time.Second

// hasLeft reports whether the service has ended by itself. The supervisor knows that from the moment on when it has.
func (s *supervisor) hasLeft(ctx context.Context) bool {
	if s == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	_, _ = s.input.Write([]byte{wordAsk})
	select {
	case <-s.alive:
	case <-s.leaving:
		return true
	case <-s.ended:
		return true
	case <-ctx.Done():
	}
	return false
}

// stop stops the service, and kills it from the end of ctx on. It returns when nothing is left.
func (s *supervisor) stop(ctx context.Context) {
	if s == nil {
		return
	}
	defer s.input.Close()
	_, _ = s.input.Write([]byte{wordStop})
	select {
	case <-s.ended:
		return
	case <-ctx.Done():
	}
	_, _ = s.input.Write([]byte{wordKill})
	<-s.ended
}

// Serve is the supervisor. It returns when nothing of the service is left.
func Serve(in io.Reader, out, reports io.Writer) error {
	input := json.NewDecoder(in)
	var r request
	if err := input.Decode(&r); err != nil {
		return fmt.Errorf("the request cannot be read: %w", err)
	}
	signals := make(chan os.Signal, 3)
	gone := make(chan struct{}) // the runner is
	var leader atomic.Int64     // the process of the command
	go func() {
		defer close(gone)
		words := io.MultiReader(input.Buffered(), in)
		for word := []byte{0}; ; {
			if _, err := words.Read(word); err != nil {
				signals <- syscall.SIGTERM
				return
			}
			switch word[0] {
			case wordAsk:
				if pid := leader.Load(); pid == 0 || !process.HasEnded(int(pid)) { // else it is leaving
					_ = json.NewEncoder(reports).Encode(report{Alive: true})
				}
			case wordStop:
				signals <- syscall.SIGTERM
			case wordKill: // another signal, which is no duplicate
				signals <- syscall.SIGTERM
				signals <- syscall.SIGINT
			}
		}
	}()
	end := r.run(out, reports, signals, &leader)
	if len(r.Remove) > 0 {
		removal := exec.Command(r.Remove[0], r.Remove[1:]...)
		removal.Env = r.RemoveEnv
		_ = removal.Run() // it may be gone already
	}
	select {
	case <-gone:
		if r.Data != "" {
			_ = os.RemoveAll(r.Data)
		}
	default:
	}
	end.Ended = true
	return json.NewEncoder(reports).Encode(end)
}

// run runs the setup and the command of a service.
func (r request) run(out, reports io.Writer, signals <-chan os.Signal, leader *atomic.Int64) report {
	command := process.Command{
		Dir: r.Dir, Env: r.Env, Output: out, Marker: r.Marker, Grace: r.Grace, Drain: time.Second,
	}
	if len(r.Setup) > 0 {
		command.Args = r.Setup
		if result, err := process.Run(command, signals); err != nil {
			end := reportOf(result, err)
			end.InSetup = true
			return end
		}
	}
	command.Args = r.Args
	if _, err := process.LookPath(command); err != nil {
		return reportOf(process.Result{ExitCode: -1}, err)
	}
	_ = json.NewEncoder(reports).Encode(report{Started: true})
	command.OnStarted = func(pid int) { leader.Store(int64(pid)) }
	command.OnEnded = func() { _ = json.NewEncoder(reports).Encode(report{Leaving: true}) }
	return reportOf(process.Run(command, signals))
}

// reportOf says how a command ended.
func reportOf(result process.Result, err error) report {
	end := report{ExitCode: result.ExitCode, Killed: result.Killed}
	if len(result.Leftovers) > 0 {
		end.Left = fmt.Sprintf("process %d (%s)", result.Leftovers[0].PID, result.Leftovers[0].Command)
	}
	var (
		exit      *process.ExitError
		signalled *process.SignalError
		oom       *process.OOMError
	)
	switch {
	case err == nil:
		return end
	case errors.As(err, &exit):
		end.Error = fmt.Sprintf("exited with %d", exit.Code)
	case errors.As(err, &signalled):
		end.Error = "was ended by the signal " + process.SignalName(signalled.Signal)
	case errors.As(err, &oom):
		end.Error = "was ended by the kernel for want of memory"
	default:
		end.Error = "could not be started: " + err.Error()
	}
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		end.Hint = hinted.Hint()
	}
	return end
}

package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// attach NAME program args...: starts a program at a terminal of its own; what the terminal shows goes to NAME.out.
func cmdAttach(ts *testscript.TestScript, _ bool, args []string) {
	shown, err := os.Create(ts.MkAbs(args[0] + ".out"))
	ts.Check(err)
	// Without the poller, so that a read ends when the program closes its side.
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	ts.Check(err)
	ts.Check(unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	ts.Check(err)
	ts.Check(unix.IoctlSetWinsize(int(keyboard.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}))
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	ts.Check(err)
	copied := make(chan struct{})
	startProgram(ts, args, func(cmd *exec.Cmd) {
		cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, terminal
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	}, func() { <-copied }).keyboard = keyboard // so that the last output is in the file
	terminal.Close()
	go func() {
		_, _ = io.Copy(shown, keyboard)
		close(copied)
	}()
	ts.Defer(func() {
		shown.Close()
		keyboard.Close()
	})
}

// press NAME KEYS: types at the terminal of a program; ^C is Ctrl-C, anything else is followed by Enter.
func cmdPress(ts *testscript.TestScript, _ bool, args []string) {
	keys := strings.Join(args[1:], " ")
	if keys == "^C" {
		keys = "\x03"
	} else {
		keys += "\n"
	}
	_, err := background(ts)[args[0]].keyboard.WriteString(keys)
	ts.Check(err)
}

package main

import (
	"os"
	"os/exec"

	"github.com/rogpeppe/go-internal/testscript"
)

// unread NAME program args...: starts a program; nothing reads its output.
func cmdUnread(ts *testscript.TestScript, _ bool, args []string) {
	reader, writer, err := os.Pipe()
	ts.Check(err)
	startProgram(ts, args, func(cmd *exec.Cmd) { cmd.Stdout, cmd.Stderr = writer, writer }, func() {})
	ts.Check(writer.Close())
	ts.Defer(func() { reader.Close() })
}

package awstest

import (
	"os/exec"
	"syscall"
)

// EndWithParent has a server end when the thread that starts it does, where the system can do that.
func EndWithParent(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

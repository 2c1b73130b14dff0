package awstest

import (
	"os/exec"
	"syscall"
)

// KillWithParent has a server end when the thread that starts it does, where the system can do that.
func KillWithParent(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

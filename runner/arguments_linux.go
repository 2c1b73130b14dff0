package runner

import "syscall"

// Linux: execve takes a quarter of the stack's limit, three quarters of 8 MiB at most, and 128 KiB for one argument.
const (
	maxArgument  = 128 << 10
	maxArguments = 6 << 20
	leastRoom    = 128 << 10
	spareRoom    = 8 << 10
)

// argumentRoom is how long all arguments and variables of a command may be, in bytes.
func argumentRoom() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_STACK, &limit); err != nil {
		return leastRoom
	}
	return int(min(max(limit.Cur/4, leastRoom), maxArguments)) - spareRoom
}

//go:build !linux

package awstest

import "os/exec"

func endWithParent(*exec.Cmd) {}

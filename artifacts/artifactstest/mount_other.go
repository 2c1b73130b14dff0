//go:build !linux

package artifactstest

import "testing"

// MountTmpfs skips the test.
func MountTmpfs(t *testing.T, _ string) string {
	t.Skip("there is no tmpfs")
	return ""
}
